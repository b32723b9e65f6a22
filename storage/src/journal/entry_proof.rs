use recording::{Key, hex, journal::JournalEntry, unhex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    Seal, SealedObject,
    merkle::{self, Hash},
};

/// Largest bytes of a proof that are read: a line of some MiB, escaped in JSON, stays below.
pub const LARGEST_ENTRY_PROOF: u64 = 32 << 20;

/// One line of a journal object, with what proves that it is there: nothing of any other line but digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryProof {
    /// Which line of its object it is, from 0.
    pub line: u64,
    /// The line, without its newline.
    pub entry: String,
    /// What leads to the tree's root, from the leaf upwards, in hexadecimal.
    pub path: Vec<String>,
    /// The object's seal: a signed document, as it stands in the object.
    pub seal: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Error)]
pub enum ProofError {
    /// It is no JSON object with the members of a proof, or its seal is none.
    #[error("it is no proof of an entry")]
    NotAProof(#[source] serde_json::Error),
    /// Its seal has no root, or another one than the line leads to.
    #[error("its line is not one of those that the seal vouches for")]
    NotInObject,
}

impl EntryProof {
    /// The proofs of lines of an object, in the order of the lines: of those that `is_wanted`, by their bytes. Returns `None` if
    /// the object cannot prove single lines: it is damaged, has no seal, or was written before there was a root in it.
    pub fn of(object: &[u8], mut is_wanted: impl FnMut(&[u8]) -> bool) -> Option<Vec<Self>> {
        let parts = SealedObject::new(object);
        let document = str::from_utf8(parts.seal?).ok()?;
        let seal: Seal = serde_json::from_str(document).ok()?;
        let lines = parts.lines().ok()?;
        let lines: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        let digests: Vec<Hash> = lines.iter().map(|line| Sha256::digest(line).into()).collect();
        if seal.root != hex(merkle::root(&digests)) {
            return None;
        }
        let wanted = lines.iter().enumerate().filter(|(_, line)| is_wanted(line));
        let proofs = wanted.map(|(at, line)| {
            let path = merkle::path(&digests, at).into_iter().map(hex).collect();
            let entry = String::from_utf8(line.to_vec()).ok()?;
            Some(Self { line: at as u64, entry, path, seal: document.to_owned() })
        });
        proofs.collect()
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`ProofError::NotAProof`]
    pub fn parse(json: &[u8]) -> Result<Self, ProofError> {
        serde_json::from_slice(json).map_err(ProofError::NotAProof)
    }

    /// Checks that the line is in the object of the seal, and returns the seal. Whether the seal is signed, and by whom, is not
    /// looked at.
    ///
    /// # Errors
    /// [`ProofError`]
    pub fn seal(&self) -> Result<Seal, ProofError> {
        let seal: Seal = serde_json::from_str(&self.seal).map_err(ProofError::NotAProof)?;
        let path: Option<Vec<Hash>> = self.path.iter().map(|hash| unhex(hash)).collect();
        let line = Sha256::digest(&self.entry).into();
        let root = path.and_then(|path| merkle::root_of(&line, self.line, seal.entries, &path));
        if root.is_some_and(|root| hex(root) == seal.root) { Ok(seal) } else { Err(ProofError::NotInObject) }
    }

    /// The entry; `None` if it is of a kind that this version does not know.
    pub fn entry(&self) -> Option<JournalEntry> {
        serde_json::from_str(&self.entry).ok()
    }

    /// Its name in an excerpt: `entries/<gateway>/<seq>-<line>.json`. `seq` is the object's number. Returns `None` if no key can
    /// have it.
    pub fn key(&self, gateway: &str, seq: u64) -> Option<Key> {
        Key::new(format!("entries/{gateway}/{seq:012}-{:06}.json", self.line)).ok()
    }
}

#[cfg(test)]
mod tests {
    use recording::UnixMicros;

    use super::*;
    use crate::{
        journal::{ChainLink, seal},
        signing::Signer,
    };

    fn object(signer: &Signer, count: usize) -> Vec<u8> {
        let key = Key::new("journal/g/2026/11/24/000000000000.jsonl.zst").unwrap();
        let lines: String =
            (0..count).map(|at| format!("{{\"micros\":{at},\"gateway\":\"g\",\"event\":\"stopped\"}}\n")).collect();
        seal(signer, &key, ChainLink::default(), lines.as_bytes(), UnixMicros::new(3)).unwrap().0.to_vec()
    }

    #[test]
    fn every_line_is_proven_alone_and_shows_no_other() {
        let signer = Signer::generate().unwrap();
        for count in [1, 2, 3, 7, 8] {
            let object = object(&signer, count);
            let proofs = EntryProof::of(&object, |_| true).unwrap();
            assert_eq!(proofs.len(), count);
            for (at, proof) in proofs.iter().enumerate() {
                let again = EntryProof::parse(&serde_json::to_vec(proof).unwrap()).unwrap();
                assert_eq!(again, *proof);
                assert_eq!(again.seal().unwrap().entries, count as u64);
                assert_eq!(again.entry().unwrap().time, UnixMicros::new(i64::try_from(at).unwrap()));
                assert_eq!(again.key("g", 0).unwrap().as_str(), format!("entries/g/000000000000-{at:06}.json"));
                let json = serde_json::to_string(proof).unwrap();
                assert_eq!(json.matches("\\\"micros\\\":").count(), 2, "its line and its seal's signature: {json}");
            }
        }
    }

    #[test]
    fn an_altered_proof_proves_nothing() {
        let signer = Signer::generate().unwrap();
        let proof = EntryProof::of(&object(&signer, 5), |line| line.windows(10).any(|part| part == b"\"micros\":2"))
            .unwrap()
            .pop()
            .unwrap();
        assert_eq!(proof.line, 2);
        let altered = |alter: &dyn Fn(&mut EntryProof)| {
            let mut other = proof.clone();
            alter(&mut other);
            assert!(matches!(other.seal(), Err(ProofError::NotInObject)), "{other:?}");
        };
        altered(&|proof| proof.line = 3);
        altered(&|proof| proof.entry = proof.entry.replace("stopped", "started"));
        altered(&|proof| proof.path.swap(0, 1));
        altered(&|proof| proof.path[0] = proof.path[0].chars().rev().collect());
        altered(&|proof| proof.path[0] = proof.path[0].to_uppercase() + "0");
        altered(&|proof| drop(proof.path.pop()));
        altered(&|proof| proof.seal = proof.seal.replace("\"entries\":5", "\"entries\":3"));
        assert!(matches!(EntryProof::parse(b"{}"), Err(ProofError::NotAProof(_))));
    }

    #[test]
    fn an_object_without_a_root_proves_no_single_line() {
        let unsealed = crate::chunk::compress(b"{\"micros\":1,\"gateway\":\"g\",\"event\":\"stopped\"}\n").unwrap();
        assert_eq!(EntryProof::of(&unsealed, |_| true), None);
        assert_eq!(EntryProof::of(b"rubbish", |_| true), None);
    }
}
