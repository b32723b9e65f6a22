use sha2::{Digest, Sha256};
use storage::{StreamDigests, chunk::hex};

/// SHA-256 of each stream, as it passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) stdin: Sha256,
    pub(crate) stdout: Sha256,
    pub(crate) stderr: Sha256,
}

impl Digests {
    pub(crate) fn finish(&mut self) -> StreamDigests {
        let Self { stdin, stdout, stderr } = std::mem::take(self);
        let [stdin, stdout, stderr] = [stdin, stdout, stderr].map(|digest| hex(digest.finalize().into()));
        StreamDigests { stdin, stdout, stderr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_stream_has_the_digest_of_nothing() {
        // FIPS 180-4, the empty message.
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digests::default().finish().stdin, nothing);
    }
}
