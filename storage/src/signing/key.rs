use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use recording::{JournalHead, KeyId, hex, unhex};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A `SubjectPublicKeyInfo` of Ed25519 is this and the key's 32 bytes ([RFC 8410](https://www.rfc-editor.org/rfc/rfc8410),
/// section 10.1).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why something is not a key. Never says what the key is.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The PEM block is not there.
    #[error("it has no `-----BEGIN {0}-----`")]
    NoPem(&'static str),
    /// Something else is in it.
    #[error("it is not an Ed25519 key (make one with `openssl genpkey -algorithm ed25519`)")]
    NotEd25519,
    /// The system has no random numbers.
    #[error("a key cannot be made")]
    NotMade,
}

/// What signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Of its 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// Of PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem(text, "PUBLIC KEY")?;
        let key = der.strip_prefix(SPKI.as_slice()).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError::NotEd25519)
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        to_pem("PUBLIC KEY", &[SPKI.as_slice(), &self.0].concat())
    }

    /// As 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex(self.0)
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }

    /// Whether this key made the signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_hex()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::from_hex(&text).ok_or(KeyError::NotEd25519)
    }
}

/// A secret key at work. Each of its signatures also says how far its process's journal had come, as far as it was told
/// ([`Signer::set_journal_head`]).
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
    predecessor: Option<PublicKey>,
    head: Mutex<Option<JournalHead>>,
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::NotMade`]
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::new(Ed25519KeyPair::generate().map_err(|_| KeyError::NotMade)?))
    }

    /// Of PEM with PKCS #8, as `openssl genpkey -algorithm ed25519` and [`Self::to_pem`] write it.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem(text, "PRIVATE KEY")?;
        // OpenSSL writes version 1 of PKCS #8, which has no public key in it to be checked.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::NotEd25519)?;
        Ok(Self::new(pair))
    }

    /// The secret, for a private file.
    ///
    /// # Errors
    /// [`KeyError::NotMade`]
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| KeyError::NotMade)?;
        Ok(to_pem("PRIVATE KEY", der.as_ref()))
    }

    fn new(pair: Ed25519KeyPair) -> Self {
        let mut public = [0; 32];
        // An Ed25519 public key has 32 bytes.
        public.copy_from_slice(&pair.public_key().as_ref()[..32]);
        Self { pair, public: PublicKey(public), predecessor: None, head: Mutex::new(None) }
    }

    /// The same key, which knows the one that it came after.
    #[must_use]
    pub fn after(self, predecessor: PublicKey) -> Self {
        Self { predecessor: Some(predecessor), ..self }
    }

    /// The key that this one came after, if it was told.
    pub fn predecessor(&self) -> Option<&PublicKey> {
        self.predecessor.as_ref()
    }

    /// What others check with.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    /// The journal has come so far: later signatures say so. Where its end is cut off, they miss it.
    pub fn set_journal_head(&self, head: JournalHead) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// What [`Self::set_journal_head`] was told last.
    pub fn journal_head(&self) -> Option<JournalHead> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key", &self.public.id()).finish_non_exhaustive()
    }
}

fn pem(text: &str, label: &'static str) -> Result<Vec<u8>, KeyError> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let body = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).ok_or(KeyError::NoPem(label))?.0;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).map_err(|_| KeyError::NotEd25519)
}

fn to_pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signs_as_the_standard_says() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let signer = Signer::new(Ed25519KeyPair::from_seed_unchecked(&unhex::<32>(seed).unwrap()).unwrap());
        assert_eq!(signer.public().to_hex(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(signer.sign(&[0x72]), unhex::<64>(signature).unwrap());
        assert!(signer.public().verifies(&[0x72], &unhex(signature).unwrap()));
        assert!(!signer.public().verifies(&[0x73], &unhex(signature).unwrap()));
    }

    #[test]
    fn keys_come_back_from_pem() {
        let signer = Signer::generate().unwrap();
        let again = Signer::from_pem(&signer.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), signer.public());
        assert_eq!(PublicKey::from_pem(&signer.public().to_pem()).unwrap(), signer.public());
        assert_eq!(signer.public().id().as_str().len(), 32);
        assert!(!format!("{signer:?}").contains(&signer.public().to_hex()));
    }

    /// `openssl genpkey -algorithm ed25519`, and its `openssl pkey -pubout`.
    #[test]
    fn reads_what_openssl_writes() {
        let secret = "-----BEGIN PRIVATE KEY-----\n\
                      MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\n\
                      MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC KEY-----\n";
        assert_eq!(Signer::from_pem(secret).unwrap().public(), PublicKey::from_pem(public).unwrap());
        assert!(matches!(Signer::from_pem(public), Err(KeyError::NoPem("PRIVATE KEY"))));
        assert!(matches!(PublicKey::from_pem(&public.replace("MCow", "MCox")), Err(KeyError::NotEd25519)));
    }
}
