//! The Go program of fuzz/differential, asked one input after another.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::readers::Reader;

/// What the libraries delivered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) streams: BTreeMap<u32, Vec<u8>>,
    /// How the reading ended, in words.
    pub(crate) end: String,
}

pub(crate) struct Theirs {
    program: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Theirs {
    pub(crate) fn start(program: &str) -> io::Result<Self> {
        let mut program = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = program.stdin.take().zip(program.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("a program without pipes"))?;
        Ok(Theirs { program, input, output })
    }

    pub(crate) fn read(&mut self, reader: Reader, bytes: &[u8]) -> io::Result<Delivered> {
        let mut question = vec![reader as u8];
        question.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        question.extend_from_slice(bytes);
        self.input.write_all(&question)?;
        let mut streams = BTreeMap::new();
        for _ in 0..self.number()? {
            streams.insert(self.number()?, self.bytes()?);
        }
        Ok(Delivered { streams, end: String::from_utf8_lossy(&self.bytes()?).into_owned() })
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut number = [0; 4];
        self.output.read_exact(&mut number)?;
        Ok(u32::from_be_bytes(number))
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.number()? as usize];
        self.output.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
