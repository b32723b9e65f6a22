use recording::Key;
use sha2::{Digest, Sha256};
use storage::{
    journal::{Seal, SealedObject},
    signing::{DocumentKind, Signature},
};

use crate::{
    keyring::{Keyring, Rejection},
    report::Problem,
};

/// What a journal object's seal says, once it is known to be right: its gateway's key signed it, in its time and at its place,
/// for this name and these bytes. What is before it in the chain is not looked at.
pub(super) struct CheckedSeal {
    pub(super) signature: Signature,
    pub(super) seal: Seal,
}

impl CheckedSeal {
    /// Checks the seal of the object `key`, which is number `seq` of `gateway`'s journal.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(
        keyring: &Keyring,
        gateway: &str,
        (key, seq): (&Key, u64),
        parts: SealedObject<'_>,
    ) -> Result<Self, Rejection> {
        let Some(document) = parts.seal else {
            return Err(match parts.lines() {
                Ok(_) => (Problem::Unsigned, "it has no seal".to_owned()),
                Err(error) => (Problem::Altered, error.to_string()),
            });
        };
        let checked = Self::of_document(keyring, gateway, (key, seq), document)?;
        if checked.seal.sha256 != recording::hex(Sha256::digest(parts.frame).into()) {
            return Err((Problem::Altered, "its bytes are not those that its seal vouches for".to_owned()));
        }
        Ok(checked)
    }

    /// Checks a seal without the object that it seals.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_document(
        keyring: &Keyring,
        gateway: &str,
        (key, seq): (&Key, u64),
        document: &[u8],
    ) -> Result<Self, Rejection> {
        let signature = keyring.check(DocumentKind::Journal, document)?;
        let Ok(seal) = serde_json::from_slice::<Seal>(document) else {
            return Err((Problem::Altered, "its seal says too little".to_owned()));
        };
        if seal.object != key.as_str() {
            let mine = seal.object.starts_with(&format!("journal/{gateway}/"));
            let problem = if mine { Problem::Reordered } else { Problem::Foreign };
            return Err((problem, format!("it was written as {}", seal.object)));
        }
        keyring.in_use(&signature, gateway, Some(seq))?;
        Ok(Self { signature, seal })
    }
}
