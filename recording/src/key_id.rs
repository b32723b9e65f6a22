use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{hex, unhex};

/// Why a text is not a key's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key's id has 32 lower-case hexadecimal digits")]
pub struct InvalidKeyId;

/// A signing key's id: the first 16 bytes of SHA-256 of the public key's 32 bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The id of a public key of 32 bytes.
    pub fn of(public: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(public).into();
        let mut text = hex(digest);
        text.truncate(32);
        Self(text)
    }

    /// The id's digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, InvalidKeyId> {
        unhex::<16>(&text).map(|_| Self(text)).ok_or(InvalidKeyId)
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        text.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_hexadecimal_and_lower_case() {
        assert!("0123456789abcdef0123456789abcdef".parse::<KeyId>().is_ok());
        for text in ["", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef", "../3456789abcdef0123456789abcdef"] {
            assert!(text.parse::<KeyId>().is_err(), "{text:?}");
        }
    }
}
