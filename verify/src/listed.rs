//! What lists show of a recording, judged by signature alone: header and manifest. Its other chunks, and whether the journal vouches
//! for it, are for [`crate::inspect`] and [`crate::verify`].

use std::sync::Arc;

use recording::{Manifest, RecordingId};
use storage::{RecordingReader, Store, StoreError, signing::DocumentKind};

use crate::{Problem, Report, Standing, Trust, context::Fetched, keyring::Keyring};

/// Judges recordings of a list by the keys that there were when it was made.
pub struct ListedCheck {
    recordings: RecordingReader,
    keyring: Keyring,
}

impl ListedCheck {
    /// Reads the keys of the store. `trusted` are those that did not come with it.
    ///
    /// # Errors
    /// The store's.
    pub async fn new(store: &Arc<dyn Store>, trusted: &[Trust]) -> Result<Self, StoreError> {
        let keyring = Keyring::read(store, trusted, &mut Report::default()).await?;
        Ok(Self { recordings: RecordingReader::new(Arc::clone(store)), keyring })
    }

    /// What the header and the manifest of a recording are worth, and why where they are not as they were written:
    /// [`Standing::Proven`] says that a trusted key signed them, and no more.
    ///
    /// # Errors
    /// The store's.
    pub async fn standing(&self, id: RecordingId) -> Result<(Standing, String), StoreError> {
        let document = match Fetched::of(self.recordings.manifest_document(id).await)? {
            Fetched::Object(document) => document,
            Fetched::Gone => return Ok((Standing::Live, String::new())),
            Fetched::TooLarge => return Ok((Standing::Altered, "its manifest is larger than any".to_owned())),
        };
        let signature = self.keyring.check(DocumentKind::Manifest, &document);
        let signed = signature.and_then(|signature| self.keyring.in_time(&signature));
        if let Err((problem, detail)) = signed {
            return Ok((Standing::of(problem), detail));
        }
        let altered = |detail: &str| Ok((Standing::of(Problem::Altered), detail.to_owned()));
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&document) else { return altered("it is no manifest") };
        if manifest.session.id != id {
            return Ok((Standing::Foreign, format!("it is the manifest of {}", manifest.session.id)));
        }
        let said = manifest.chunks.first().and_then(|chunk| recording::unhex(&chunk.digest));
        let header = match Fetched::of(self.recordings.chunk_object(id, 0).await)? {
            Fetched::Object(header) => Some(header.digest([0; 32])),
            Fetched::Gone | Fetched::TooLarge => None,
        };
        if header.is_none() || header != said {
            return altered("its header is not the one that the manifest vouches for");
        }
        let right = if self.keyring.is_anchored() { Standing::Proven } else { Standing::NotVouched };
        Ok((right, String::new()))
    }
}
