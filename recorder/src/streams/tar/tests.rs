//! Archives of GNU tar in each of its formats, cut anywhere, cut short, and spoiled.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use proptest::prelude::*;

use super::*;

/// Every kind of entry that GNU tar writes from a folder: a long name, a hard link, a file with holes.
fn archive(format: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path());
    let done = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--mtime=@1", &format!("--format={format}")])
        .args(options)
        .args(["-cf", "-", "-C"])
        .arg(folder.path())
        .arg("top")
        .output()
        .expect("GNU tar");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn fill(folder: &Path) {
    let top = folder.join("top");
    fs::create_dir(&top).expect("a folder");
    fs::write(top.join("a"), b"hello\n").expect("a file");
    fs::write(top.join("b-empty"), b"").expect("a file");
    fs::hard_link(top.join("a"), top.join("c-hard")).expect("a link");
    symlink("a", top.join("d-soft")).expect("a link");
    fs::write(top.join("e-block"), [7; 512]).expect("a file");
    fs::write(top.join("f-large"), [8; 5000]).expect("a file");
    let holes = fs::File::create(top.join("g-holes")).expect("a file");
    holes.set_len(1 << 20).expect("a hole");
    std::os::unix::fs::FileExt::write_at(&holes, b"end", (1 << 20) - 3).expect("its end");
}

fn followed(pieces: &[&[u8]]) -> Option<Copied> {
    let mut tar = Tar::new(Direction::ToPod);
    pieces.iter().for_each(|piece| tar.feed(piece));
    tar.finish()
}

fn named(copied: &Copied) -> Vec<(&str, FileKind, u64)> {
    copied.files.iter().map(|file| (file.name.as_str(), file.kind, file.size)).collect()
}

/// From coreutils' sha256sum.
const HELLO: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

#[test]
fn every_format_of_gnu_tar_gives_names_sizes_and_digests() {
    use FileKind::{Directory, File, Hardlink, Symlink};
    for format in ["v7", "oldgnu", "gnu", "ustar", "pax"] {
        let copied = followed(&[&archive(format, &[])]).expect("an archive");
        let expected = [
            ("top/", Directory, 0),
            ("top/a", File, 6),
            ("top/b-empty", File, 0),
            ("top/c-hard", Hardlink, 0),
            ("top/d-soft", Symlink, 0),
            ("top/e-block", File, 512),
            ("top/f-large", File, 5000),
            ("top/g-holes", File, 1 << 20),
        ];
        assert_eq!(named(&copied), expected, "{format}");
        assert_eq!(copied.files[1].sha256, HELLO, "{format}");
        assert_eq!((copied.files[3].link.as_str(), copied.files[4].link.as_str()), ("top/a", "a"), "{format}");
        assert_eq!(copied.files[6].sha256, hex(Sha256::digest([8; 5000]).into()), "{format}");
        let holes = [vec![0; (1 << 20) - 3], b"end".to_vec()].concat();
        assert_eq!(copied.files[7].sha256, hex(Sha256::digest(holes).into()), "{format}");
        assert!(copied.complete && copied.problem.is_empty(), "{format}: {copied:?}");
        assert_eq!(copied.bytes, 6 + 512 + 5000 + (1 << 20), "{format}");
    }
}

#[test]
fn sparse_files_are_named_and_said_to_be_compact() {
    for (format, version) in [
        ("gnu", "--sparse"),
        ("pax", "--sparse-version=0.0"),
        ("pax", "--sparse-version=0.1"),
        ("pax", "--sparse-version=1.0"),
    ] {
        let copied = followed(&[&archive(format, &["--sparse", version])]).expect("an archive");
        let file = copied.files.last().expect("a file");
        assert_eq!((file.name.as_str(), file.kind, file.sparse), ("top/g-holes", FileKind::File, true), "{version}");
        assert!(file.size < 10_000 && copied.complete, "{version}: {copied:?}");
    }
}

#[test]
fn long_names_are_whole() {
    let long = format!("top/{}", "n".repeat(250));
    for format in ["gnu", "pax"] {
        let copied =
            followed(&[&archive(format, &[&format!("--transform=s,top/f-large,{long},")])]).expect("an archive");
        assert!(copied.files.iter().any(|file| file.name == long), "{format}: {:?}", named(&copied));
    }
}

#[test]
fn any_cut_gives_the_same() {
    let whole = archive("pax", &["--sparse"]);
    let expected = followed(&[&whole]);
    for size in [1, 2, 3, 7, 511, 512, 513, 4096] {
        assert_eq!(followed(&whole.chunks(size).collect::<Vec<_>>()), expected, "{size}");
    }
    let head = &whole[..6000];
    let expected = followed(&[head]);
    for at in 0..head.len() {
        let (one, two) = head.split_at(at);
        assert_eq!(followed(&[one, two]), expected, "{at}");
    }
}

#[test]
fn an_archive_that_ends_early_says_what_is_missing() {
    let whole = archive("ustar", &[]);
    // top/, then a's header, then three bytes of it.
    let copied = followed(&[&whole[..1024 + 3]]).expect("an archive");
    let file = &copied.files[1];
    assert_eq!((file.name.as_str(), file.size, file.missing, copied.bytes), ("top/a", 6, 3, 3));
    assert_eq!(file.sha256, hex(Sha256::digest(b"hel").into()));
    assert!(!copied.complete && copied.problem.is_empty());
}

#[test]
fn what_is_no_archive_is_let_go_of_after_a_block() {
    for stream in [&[0; 2048][..], &[b'y'; 2048], b"PK\x03\x04", b""] {
        let mut tar = Tar::new(Direction::FromPod);
        tar.feed(stream);
        assert!(tar.over() || stream.len() < BLOCK);
        assert_eq!(tar.finish(), None);
    }
}

/// A header of ours, with whatever in it.
fn header(name: &str, kind: u8, size: &str) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..124 + size.len()].copy_from_slice(size.as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[test]
fn where_tar_programs_differ_the_list_ends_and_says_so() {
    let link = [header("a", b'0', "0"), header("b", b'2', "1000"), header("c", b'0', "0")].concat();
    let copied = followed(&[&link]).expect("an archive");
    assert_eq!(named(&copied).len(), 2);
    assert!(copied.problem.contains("read differently"), "{copied:?}");
    let junk = [&header("a", b'0', "0")[..], &[b'x'; BLOCK]].concat();
    assert!(followed(&[&junk]).expect("an archive").problem.contains("no header"));
    let endless = [header("a", b'0', "0"), header("p", b'x', "77777777777")].concat();
    assert!(followed(&[&endless]).expect("an archive").problem.contains("64 KiB"));
}

#[test]
fn entries_behind_the_end_are_listed() {
    let hidden = [&header("a", b'0', "0")[..], &[0; 1024], &header("behind", b'0', "0")].concat();
    let copied = followed(&[&hidden]).expect("an archive");
    assert_eq!(named(&copied), [("a", FileKind::File, 0), ("behind", FileKind::File, 0)]);
}

#[test]
fn a_size_as_large_as_can_be_is_no_trouble() {
    let mut block = header("huge", b'0', "");
    block[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let copied = followed(&[&block, b"abc"]).expect("an archive");
    assert_eq!(
        (copied.files[0].size, copied.files[0].missing, copied.bytes),
        (i64::MAX as u64, i64::MAX as u64 - 3, 3)
    );
}

#[test]
fn many_entries_are_listed_up_to_the_bound_and_counted_beyond() {
    let mut tar = Tar::new(Direction::ToPod);
    for _ in 0..5000 {
        tar.feed(&header("name", b'0', "1"));
        tar.feed(&[b'x'; BLOCK]);
    }
    let copied = tar.finish().expect("an archive");
    assert_eq!((copied.files.len(), copied.unlisted, copied.bytes), (LISTED, 4000, 5000));
    let mut tar = Tar::new(Direction::ToPod);
    let name = "n".repeat(100);
    (0..1500).for_each(|_| tar.feed(&header(&name, b'2', "0")));
    let copied = tar.finish().expect("an archive");
    assert!(copied.files.iter().map(|file| file.name.len()).sum::<usize>() <= NAMES);
}

proptest! {
    #[test]
    fn spoiled_archives_are_followed_without_panic_and_alike_at_every_cut(
        spoils in prop::collection::vec((0..8192_usize, any::<u8>()), 1..20),
        cut in 1..1000_usize,
    ) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| archive("pax", &["--sparse"]));
        let mut bytes = WHOLE.clone();
        for (at, byte) in spoils {
            let at = at % bytes.len();
            bytes[at] = byte;
            // A spoiled header is none for its checksum: some are made right again.
            if byte % 2 == 0 {
                mend(&mut bytes, at / BLOCK * BLOCK);
            }
        }
        let pieces: Vec<_> = bytes.chunks(cut).collect();
        prop_assert_eq!(followed(&pieces), followed(&[&bytes]));
    }
}

fn mend(bytes: &mut [u8], at: usize) {
    let Some(block) = bytes.get_mut(at..at + BLOCK) else { return };
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}
