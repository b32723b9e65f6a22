//! Signatures: Ed25519 ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032)) over the bytes as they are stored.
//!
//! A *sealed* document is a JSON object whose last member is its signature. What is signed is a sentence that says what
//! kind of document it is, and every byte of the file before the signature's own digits:
//!
//! ```text
//! {"format":1, … ,"signature":{"key":"…","micros":…,"ed25519":"0f3a…"}}\n
//! └──────────────── signed, behind the kind ────────────────┘└128┘└ 4 ┘
//! ```
//!
//! So no canonical form of JSON is needed, and no byte of the file can change unseen.

mod document;
mod key;
mod key_file;
mod key_periods;
mod statement;

pub use document::{DocumentKind, SealError, Signature, SignedDocument};
pub use key::{KeyError, PublicKey, Signer};
pub use key_file::{KeyFileError, KeySource};
pub use key_periods::{KeyPeriods, KeyRefusal, KeyUse};
pub use statement::{Introduction, KeyStatement, Predecessor, StatementError, publish, statements};
