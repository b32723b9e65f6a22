use bytes::Bytes;
use recording::{JournalHead, KeyId, Manifest, UnixMicros, hex, unhex};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{PublicKey, Signer};

/// Bytes of a signature's digits and what closes the document behind them.
const TAIL: usize = DIGITS + CLOSING.len();
const DIGITS: usize = 128;
const CLOSING: &[u8] = b"\"}}\n";
/// What stands before the digits.
const OPENING: &[u8] = b"\"ed25519\":\"";

/// What a sealed document is. A signature is valid for one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A recording's manifest.
    Manifest,
    /// The end of a journal object.
    Journal,
    /// What a gateway says of its key.
    Key,
}

impl DocumentKind {
    /// What is signed before the document's own bytes.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Manifest => b"kubetape manifest 1\n",
            Self::Journal => b"kubetape journal 1\n",
            Self::Key => b"kubetape key 1\n",
        }
    }
}

/// The last member of a sealed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whose.
    pub key: KeyId,
    /// When, by the signer's clock.
    #[serde(rename = "micros")]
    pub time: UnixMicros,
    /// How far the signer's journal had come by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalHead>,
    /// 128 hexadecimal digits.
    ed25519: String,
}

/// Why a document is not a sealed one.
#[derive(Debug, Error)]
pub enum SealError {
    /// A JSON object without a signature.
    #[error("it is not signed")]
    Unsigned,
    /// The signature is not at the document's very end, or not written as it must be.
    #[error("its signature is not in its place")]
    Misplaced,
    /// Not JSON, or its signature lacks something.
    #[error("it is no signed JSON object")]
    NotJson(#[source] serde_json::Error),
}

/// A document with a signature that has yet to be checked.
#[derive(Clone, Debug)]
pub struct SignedDocument<'a> {
    /// What the signature says of itself. Not to be believed before [`SignedDocument::is_by`].
    pub signature: Signature,
    kind: DocumentKind,
    signed: &'a [u8],
    digits: [u8; 64],
}

#[derive(Deserialize)]
struct Outline {
    signature: Option<Signature>,
}

impl<'a> SignedDocument<'a> {
    /// Takes a document apart. The reading of its other members is the caller's, from the same bytes.
    ///
    /// # Errors
    /// [`SealError`]
    pub fn open(kind: DocumentKind, document: &'a [u8]) -> Result<Self, SealError> {
        let outline: Outline = serde_json::from_slice(document).map_err(SealError::NotJson)?;
        let signature = outline.signature.ok_or(SealError::Unsigned)?;
        let (signed, tail) = document.split_last_chunk::<TAIL>().ok_or(SealError::Misplaced)?;
        let digits = str::from_utf8(&tail[..DIGITS]).map_err(|_| SealError::Misplaced)?;
        if !signed.ends_with(OPENING) || &tail[DIGITS..] != CLOSING || digits != signature.ed25519 {
            return Err(SealError::Misplaced);
        }
        let digits = unhex(digits).ok_or(SealError::Misplaced)?;
        Ok(Self { signature, kind, signed, digits })
    }

    /// Whether this key made the signature, over every byte of the document.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.signature.key == key.id() && key.verifies(&[self.kind.prefix(), self.signed].concat(), &self.digits)
    }
}

impl Signer {
    /// Whether this key, or the one that it came after, signed the document: what a process finds in the store may be of the one
    /// before it.
    pub fn has_signed(&self, document: &SignedDocument<'_>) -> bool {
        document.is_by(&self.public()) || self.predecessor().is_some_and(|before| document.is_by(before))
    }

    /// The object `manifest.json`: the manifest, signed. `now` is the time of the signature.
    pub fn seal_manifest(&self, manifest: &Manifest, now: UnixMicros) -> Bytes {
        // Strings, numbers and lists: serialising them to memory has no way to fail.
        self.seal(DocumentKind::Manifest, serde_json::to_vec_pretty(manifest).unwrap_or_default(), now)
    }

    /// A JSON object's bytes with a signature as its last member. `now` is the time of the signature.
    ///
    /// `object` must be a JSON object with at least one member, as a serializer writes it.
    pub fn seal(&self, kind: DocumentKind, mut object: Vec<u8>, now: UnixMicros) -> Bytes {
        while let Some(b'}' | b'\n' | b' ') = object.last()
            && object.pop() != Some(b'}')
        {}
        while object.last().is_some_and(u8::is_ascii_whitespace) {
            object.pop();
        }
        object.extend_from_slice(b",\"signature\":");
        let signature =
            Signature { key: self.public().id(), time: now, journal: self.journal_head(), ed25519: String::new() };
        // Strings and numbers: they have no way to fail. It ends in `"ed25519":""}`.
        object.extend(serde_json::to_vec(&signature).unwrap_or_default());
        object.truncate(object.len() - 2);
        let digits = self.sign(&[kind.prefix(), &object].concat());
        object.extend_from_slice(hex(digits).as_bytes());
        object.extend_from_slice(CLOSING);
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(signer: &Signer) -> Bytes {
        signer.seal(DocumentKind::Manifest, b"{\n  \"a\": {}\n}\n".to_vec(), UnixMicros::new(7))
    }

    #[test]
    fn a_sealed_document_is_json_and_its_signature_is_right() {
        let signer = Signer::generate().unwrap();
        let document = sealed(&signer);
        let json: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(json["a"], serde_json::json!({}));
        assert_eq!(json["signature"]["key"], signer.public().id().as_str());
        let sealed = SignedDocument::open(DocumentKind::Manifest, &document).unwrap();
        assert_eq!((sealed.signature.time, sealed.signature.journal.clone()), (UnixMicros::new(7), None));
        assert!(sealed.is_by(&signer.public()));
        assert!(!sealed.is_by(&Signer::generate().unwrap().public()));
    }

    #[test]
    fn it_says_how_far_the_journal_was() {
        let signer = Signer::generate().unwrap();
        let head = JournalHead { gateway: "gw".to_owned(), seq: 4, sha256: "00".to_owned() };
        signer.set_journal_head(head.clone());
        let document = sealed(&signer);
        assert_eq!(SignedDocument::open(DocumentKind::Manifest, &document).unwrap().signature.journal, Some(head));
    }

    #[test]
    fn a_signature_for_one_kind_is_none_for_another() {
        let signer = Signer::generate().unwrap();
        assert!(!SignedDocument::open(DocumentKind::Journal, &sealed(&signer)).unwrap().is_by(&signer.public()));
    }

    #[test]
    fn no_bit_of_it_can_change_and_none_be_cut_or_added() {
        let signer = Signer::generate().unwrap();
        let document = sealed(&signer);
        let holds = |bytes: &[u8]| {
            SignedDocument::open(DocumentKind::Manifest, bytes).is_ok_and(|sealed| sealed.is_by(&signer.public()))
        };
        assert!(holds(&document));
        for at in 0..document.len() {
            for bit in 0..8 {
                let mut altered = document.to_vec();
                altered[at] ^= 1 << bit;
                assert!(!holds(&altered), "bit {bit} of byte {at}");
            }
            assert!(!holds(&document[..at]), "cut at {at}");
        }
        for more in [&b"\n"[..], b" ", b"{}", b"\0"] {
            assert!(!holds(&[&document, more].concat()), "{more:?}");
        }
    }

    #[test]
    fn unsigned_is_told_from_damaged() {
        let open = |bytes: &str| SignedDocument::open(DocumentKind::Manifest, bytes.as_bytes()).map(|_| ());
        assert!(matches!(open("{\"format\":1}"), Err(SealError::Unsigned)));
        assert!(matches!(open("{\"format\":1"), Err(SealError::NotJson(_))));
        let early = r#"{"signature":{"key":"0123456789abcdef0123456789abcdef","micros":1,"ed25519":""},"more":1}"#;
        assert!(matches!(open(early), Err(SealError::Misplaced)));
    }
}
