//! Every capture decodes to what its `decoded.txt` lists, however its bytes are cut.
//!
//! `decoded.txt` was written by another decoder. It gives each frame's offset, length and beginning. The frames are
//! found by it and the rest of their bytes is taken from the raw files, so that everything is compared, even what the
//! file abbreviates.
//!
//! The captures are those in `fixtures/captures`, or in the folder that `KUBETAPE_CAPTURES` names.

mod capture;
mod truth;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use capture::{Slices, Upgrade};
use truth::Said;
use wire::{Event, Side, Size, Status, Stream};

/// The events of one direction, adjacent data joined.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    said: Vec<Said>,
    opened: Vec<(u32, Stream, Option<u16>, Option<u32>)>,
    sizes: Vec<Size>,
    statuses: Vec<Status>,
    anomalies: Vec<String>,
}

impl Heard {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Opened { id, stream, port, connection } => self.opened.push((id, stream, port, connection)),
            Event::Data { id, data, .. } => truth::say_data(&mut self.said, id, data),
            Event::Resize(size) => self.sizes.push(size),
            Event::HalfClosed { id, .. } => self.said.push(Said::HalfClosed(id)),
            Event::Reset { id, code, .. } => self.said.push(Said::Reset(id, code)),
            Event::Status(status) => self.statuses.push(status),
            Event::Ping => self.said.push(Said::Ping),
            Event::Pong => self.said.push(Said::Pong),
            Event::Close { code, reason } => self.said.push(Said::Close(code, reason)),
            Event::Anomaly(anomaly) => self.anomalies.push(anomaly.to_string()),
        }
    }
}

fn hear(upgrade: &Upgrade, slices: Slices) -> [Heard; 2] {
    let mut heard = [Heard::default(), Heard::default()];
    upgrade.decode(slices, &mut |side, event| heard[side as usize].hear(event));
    heard
}

fn check(upgrade: &Upgrade) -> Result<()> {
    let decoded = upgrade.decoded.as_deref().context("no decoded.txt")?;
    let truth = truth::read(decoded, upgrade)?;
    let whole = hear(upgrade, Slices::Whole);
    for slices in [Slices::Timeline, Slices::One] {
        ensure!(hear(upgrade, slices) == whole, "{slices:?} differs from the whole");
    }
    for side in [Side::Client, Side::Server] {
        let (heard, truth) = (&whole[side as usize], &truth[side as usize]);
        if let Some(at) =
            (0..heard.said.len().max(truth.said.len())).find(|&at| heard.said.get(at) != truth.said.get(at))
        {
            let (heard, truth) = (heard.said.get(at), truth.said.get(at));
            anyhow::bail!("{side:?}, {at}: decoded.txt lists\n{truth:?}, but the decoder tells\n{heard:?}");
        }
        ensure!(heard.opened == truth.opened, "{side:?}: opened {:?}, not {:?}", heard.opened, truth.opened);
        ensure!(heard.sizes == truth.sizes, "{side:?}: sizes {:?}, not {:?}", heard.sizes, truth.sizes);
        ensure!(heard.statuses == truth.statuses, "{side:?}: statuses {:?}, not {:?}", heard.statuses, truth.statuses);
    }
    Ok(())
}

#[test]
fn captures_decode_to_what_their_lists_say() {
    let captures = all();
    let mut upgrades = 0;
    for (name, list) in &captures {
        for upgrade in list {
            upgrades += 1;
            check(upgrade).with_context(|| format!("{name}, upgrade {}", upgrade.number)).unwrap();
        }
    }
    assert!(upgrades > 100, "only {upgrades} upgrades in {} captures", captures.len());
    println!("{upgrades} upgrades in {} captures", captures.len());
}

/// Anomalies in captures of real clients are those that were made on purpose.
#[test]
fn only_edge_cases_have_anomalies() {
    for (name, list) in all() {
        let anomalies: Vec<_> =
            list.iter().flat_map(|upgrade| hear(upgrade, Slices::Whole)).flat_map(|heard| heard.anomalies).collect();
        assert!(anomalies.is_empty() || name.contains("-edge-ws_"), "{name}: {anomalies:?}");
    }
}

fn all() -> BTreeMap<String, Vec<Upgrade>> {
    match std::env::var_os("KUBETAPE_CAPTURES") {
        Some(folder) => from_folder(Path::new(&folder)).unwrap(),
        None => from_archive(&archive()).unwrap(),
    }
}

fn from_folder(folder: &Path) -> Result<BTreeMap<String, Vec<Upgrade>>> {
    let mut captures = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            captures.insert(name.clone(), capture::read_folder(&entry.path()).context(name)?);
        }
    }
    Ok(captures)
}

fn archive() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures/captures.tar.zst");
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

fn from_archive(tar: &[u8]) -> Result<BTreeMap<String, Vec<Upgrade>>> {
    let mut folders: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (path, bytes) in files(tar)? {
        let (folder, file) = path.split_once('/').context("a file outside of a folder")?;
        folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), bytes.to_vec());
    }
    let read = |(name, files): (String, BTreeMap<String, Vec<u8>>)| {
        let upgrades = capture::read(&|file| Ok(files.get(file).cloned())).with_context(|| name.clone())?;
        Ok((name, upgrades))
    };
    folders.into_iter().map(read).collect()
}

/// The regular files of a ustar archive: blocks of 512 bytes, a header before each file's own.
fn files(mut tar: &[u8]) -> Result<Vec<(String, &[u8])>> {
    let mut files = Vec::new();
    while let Some((header, rest)) = tar.split_first_chunk::<512>().filter(|(header, _)| header[0] != 0) {
        let text = |from: usize, to: usize| -> String {
            header[from..to].iter().take_while(|&&byte| byte != 0).map(|&byte| byte as char).collect()
        };
        let length = usize::from_str_radix(text(124, 136).trim(), 8)?;
        let (bytes, rest) = rest.split_at_checked(length.next_multiple_of(512)).context("a file is cut off")?;
        if header[156] == b'0' {
            files.push((text(0, 100), &bytes[..length]));
        }
        tar = rest;
    }
    Ok(files)
}
