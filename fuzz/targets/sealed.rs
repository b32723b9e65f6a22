//! Sealed documents, key statements, and the seal of a journal object, as a verifier reads them after they may have
//! been altered.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use recording::{Key, UnixMicros};
use serde_json::{Map, Value};
use storage::{
    journal::{self, ChainLink, SealedObject},
    signing::{DocumentKind, KeyStatement, SignedDocument, Signer},
};

const NOW: UnixMicros = UnixMicros::new(7);
const KINDS: [DocumentKind; 3] = [DocumentKind::Manifest, DocumentKind::Journal, DocumentKind::Key];

/// A key that no input is signed with.
static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().expect("random numbers"));

fuzz_target!(|input: &[u8]| {
    taken_apart(input);
    statement(input);
    sealed(input);
    object(input);
});

/// A document that can be opened is not signed by this key.
fn taken_apart(input: &[u8]) {
    for kind in KINDS {
        if let Ok(sealed) = SignedDocument::open(kind, input) {
            assert!(!sealed.is_by(&SIGNER.public()));
        }
    }
}

/// A statement that is accepted is signed by its own key, and of no other kind.
fn statement(input: &[u8]) {
    let Ok(statement) = KeyStatement::parse(input) else { return };
    assert_eq!(statement.key, statement.public.id());
    assert!(!statement.is_introduced_by(&SIGNER.public()));
    for kind in KINDS {
        let sealed = SignedDocument::open(kind, input).expect("it was opened as a statement");
        assert_eq!(sealed.is_by(&statement.public), kind == DocumentKind::Key);
    }
}

/// An object that is sealed can be opened and verified as what it was sealed as, and as nothing else.
fn sealed(input: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(input) else { return };
    if object.is_empty() || object.contains_key("signature") {
        return;
    }
    let document = SIGNER.seal(DocumentKind::Manifest, serde_json::to_vec(&object).expect("JSON"), NOW);
    for kind in KINDS {
        let sealed = SignedDocument::open(kind, &document).expect("a document of ours");
        assert_eq!(sealed.signature.time, NOW);
        assert_eq!(sealed.is_by(&SIGNER.public()), kind == DocumentKind::Manifest);
    }
}

/// The parts of an object are all of it, and a journal can continue behind it.
fn object(input: &[u8]) {
    let parts = SealedObject::new(input);
    assert!(input.starts_with(parts.frame));
    match parts.seal {
        Some(seal) => assert!(input.ends_with(seal) && parts.frame.len() + 8 + seal.len() == input.len()),
        None => assert_eq!(parts.frame, input),
    }
    let key = Key::new("journal/gw/2026/11/28/000000000001.jsonl.zst").expect("a name");
    let (next, tail) = journal::seal(&SIGNER, &key, ChainLink::after(input), input, NOW).expect("memory");
    let parts = SealedObject::new(&next);
    let sealed =
        SignedDocument::open(DocumentKind::Journal, parts.seal.expect("a seal of ours")).expect("a document of ours");
    assert!(sealed.is_by(&SIGNER.public()));
    assert_eq!(ChainLink::after(&next), tail);
}
