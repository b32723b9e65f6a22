use recording::{StreamDigests, hex};
use sha2::{Digest, Sha256};
use spool::StdStream;

/// SHA-256 of each stream, as it passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) stdin: Sha256,
    pub(crate) stdout: Sha256,
    pub(crate) stderr: Sha256,
}

/// By stream: its digest so far, made anew only when the stream has moved on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DigestCache([Option<(u64, [u8; 32])>; 3]);

impl DigestCache {
    /// The digest of a stream that has `bytes` bytes by now; `None` if it has none. `digest` has taken them.
    pub(crate) fn digest(&mut self, stream: StdStream, bytes: u64, digest: &Sha256) -> Option<[u8; 32]> {
        let known = &mut self.0[stream.index()];
        if bytes > 0 && known.is_none_or(|(at, _)| at != bytes) {
            *known = Some((bytes, digest.clone().finalize().into()));
        }
        known.map(|(_, digest)| digest)
    }
}

impl Digests {
    /// The one that a stream's bytes go through.
    pub(crate) fn of(&self, stream: StdStream) -> &Sha256 {
        match stream {
            StdStream::Stdout => &self.stdout,
            StdStream::Stderr => &self.stderr,
            StdStream::Stdin => &self.stdin,
        }
    }

    /// Takes bytes of a stream.
    pub(crate) fn update(&mut self, stream: StdStream, bytes: &[u8]) {
        match stream {
            StdStream::Stdout => self.stdout.update(bytes),
            StdStream::Stderr => self.stderr.update(bytes),
            StdStream::Stdin => self.stdin.update(bytes),
        }
    }

    /// The digests of all bytes so far.
    pub(crate) fn so_far(&self) -> StreamDigests {
        let Self { stdin, stdout, stderr } = self.clone();
        let [stdin, stdout, stderr] = [stdin, stdout, stderr].map(|digest| hex(digest.finalize().into()));
        StreamDigests { stdin, stdout, stderr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_moves_on_with_the_stream() {
        let (mut known, mut digest) = (DigestCache::default(), Sha256::new());
        assert_eq!(known.digest(StdStream::Stdout, 0, &digest), None);
        // FIPS 180-4, B.1, in two parts.
        digest.update(b"ab");
        assert_eq!(known.digest(StdStream::Stdout, 2, &digest), Some(Sha256::digest(b"ab").into()));
        digest.update(b"c");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(known.digest(StdStream::Stdout, 3, &digest).map(hex).as_deref(), Some(abc));
    }

    #[test]
    fn an_empty_stream_has_the_digest_of_nothing() {
        // FIPS 180-4, the empty message.
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digests::default().so_far().stdin, nothing);
    }
}
