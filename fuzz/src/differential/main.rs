//! The same bytes through our decoder and through the libraries by which Kubernetes reads them: see docs/testing.md.
//!
//! ```text
//! generate ─▶ input ─▶ ours: what is recorded     ─┐
//!                  └─▶ theirs: what is delivered  ─┴▶ compare ─▶ a difference ends the run
//! ```

mod compare;
mod generate;
mod ours;
mod readers;
mod rng;
mod seeds;
mod spdy;
mod theirs;
mod websocket;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readers::Reader;
use rng::Rng;
use theirs::Theirs;

const USAGE: &str = "usage: differential PROGRAM SEEDS SECONDS [SEED]
PROGRAM  the Go program of fuzz/differential
SEEDS    the folder of fuzz/seed's inputs for `wire`
SEED     the number that an earlier run has told; without it, one is made of the time";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let parsed = args.get(2).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let seed = args.get(3).map_or_else(now, |seed| seed.parse().ok());
    let ([program, folder, ..], Some(duration), Some(seed)) = (&args[..], parsed, seed) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(program, folder, duration, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {program}, {folder}: {error}");
            ExitCode::from(2)
        }
    }
}

fn now() -> Option<u64> {
    Some(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
}

/// Whether there was no difference.
fn run(program: &str, folder: &str, duration: Duration, seed: u64) -> io::Result<bool> {
    println!("seed {seed}");
    let seeds = seeds::read(folder)?;
    let mut theirs = Theirs::start(program)?;
    let (mut rng, began) = (Rng::new(seed), Instant::now());
    let mut counts = [0u64; Reader::ALL.len()];
    while began.elapsed() < duration {
        let reader = rng.pick(&Reader::ALL);
        let input = generate::input(&mut rng, reader, &seeds[reader as usize]);
        counts[reader as usize] += 1;
        if compare::difference(&mut theirs, reader, &input)?.is_some() {
            report(&mut theirs, reader, &input)?;
            return Ok(false);
        }
    }
    for (reader, count) in Reader::ALL.iter().zip(counts) {
        println!("{count:9} {reader:?}, {} seeds", seeds[*reader as usize].len());
    }
    println!("{:9} inputs in {} s, no difference", counts.iter().sum::<u64>(), began.elapsed().as_secs());
    Ok(true)
}

fn report(theirs: &mut Theirs, reader: Reader, input: &[u8]) -> io::Result<()> {
    let small = compare::smallest(theirs, reader, input)?;
    let difference = compare::difference(theirs, reader, &small)?.unwrap_or_default();
    println!("{reader:?}: {difference}");
    for line in small.chunks(16) {
        println!("  {}", line.iter().map(|byte| format!("{byte:02x} ")).collect::<String>());
    }
    Ok(())
}
