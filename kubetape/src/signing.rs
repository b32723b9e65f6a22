//! The key that signs recordings and journal: made on first start in `state.dir/signing`, or given.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use recording::JournalHead;
use storage::{
    Store,
    signing::{PublicKey, Signer, publish},
};

use crate::config::{Config, Signing};

/// The key in use, below `state.dir`.
const KEY: &str = "signing/key.pem";
/// How far the gateway's journal has come, outside of the store.
pub const HEAD: &str = "signing/journal.json";
/// A key that waits for the next start.
const NEXT: &str = "signing/next.pem";

/// The key to sign with. Its statement is beside the data when this returns; a key that waited for this start is taken
/// into use, and the one before it vouches for it.
pub async fn signer(config: &Config, store: &Arc<dyn Store>) -> Result<Arc<Signer>> {
    let (signer, before) = match &config.signing {
        Signing::Own => own(config)?,
        Signing::Given { key, previous } => (read(key)?, previous.as_deref().map(read).transpose()?),
    };
    let now = Timestamp::now().as_microsecond();
    let statement = publish(store, &config.gateway.name, &signer, before.as_ref(), now).await;
    let statement = statement.context("cannot store the public key beside the recordings")?;
    let waits = config.state_file(NEXT);
    if matches!(config.signing, Signing::Own) && before.is_some() {
        let path = config.state_file(KEY);
        std::fs::rename(&waits, &path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    tracing::info!(key = %statement.key, "signing");
    Ok(Arc::new(signer))
}

/// The key to sign with beside a gateway that may be running: one that waits for the gateway's next start goes on
/// waiting.
pub async fn signer_beside_gateway(config: &Config, store: &Arc<dyn Store>) -> Result<Arc<Signer>> {
    let signer = match &config.signing {
        Signing::Own => in_use(config)?,
        Signing::Given { key, .. } => read(key)?,
    };
    let now = Timestamp::now().as_microsecond();
    let statement = publish(store, &config.gateway.name, &signer, None, now).await;
    statement.context("cannot store the public key beside the recordings")?;
    Ok(Arc::new(signer))
}

/// The public half of the key in use, where there is one: nothing is made.
pub fn own_public_key(config: &Config) -> Result<Option<PublicKey>> {
    let path = match &config.signing {
        Signing::Own => config.state_file(KEY),
        Signing::Given { key, .. } => key.clone(),
    };
    if !path.try_exists().unwrap_or(false) {
        return Ok(None);
    }
    Ok(Some(read(&path)?.public()))
}

/// How far the gateway's journal had come, as it is kept in `state.dir`.
pub fn own_head(config: &Config) -> Result<Option<JournalHead>> {
    let path = config.state_file(HEAD);
    if !path.try_exists().unwrap_or(false) {
        return Ok(None);
    }
    let read = || -> Result<_> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
    read().map(Some).with_context(|| format!("cannot use {}", path.display()))
}

/// Makes the key for the next start.
pub fn rotate(config: &Config) -> Result<PublicKey> {
    ensure!(
        matches!(config.signing, Signing::Own),
        "the key is given (signing.key): name the new one there, and the old one as signing.previous_key, which vouches \
         for it"
    );
    let path = config.state_file(KEY);
    ensure!(path.exists(), "there is no key yet in {}: the first `kubetape serve` makes one", path.display());
    let next = Signer::generate()?;
    let path = config.state_file(NEXT);
    if !create(&path, &next)? {
        bail!("the key {} waits already for the next start of the gateway", read(&path)?.public().id());
    }
    Ok(next.public())
}

/// The key of `state.dir`, made if need be; and with a new one the one that it replaces.
fn own(config: &Config) -> Result<(Signer, Option<Signer>)> {
    let waits = config.state_file(NEXT);
    if waits.exists() {
        return Ok((read(&waits)?, Some(in_use(config)?)));
    }
    Ok((in_use(config)?, None))
}

fn in_use(config: &Config) -> Result<Signer> {
    let path = config.state_file(KEY);
    if !path.exists() {
        create(&path, &Signer::generate()?)?;
    }
    read(&path)
}

fn read(path: &Path) -> Result<Signer> {
    let failed = || format!("cannot use the signing key {}", path.display());
    let text = std::fs::read_to_string(path).with_context(failed)?;
    if std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
        tracing::warn!(key = %path.display(), "others than its owner may read the signing key");
    }
    Signer::from_pem(&text).with_context(failed)
}

/// Writes a key for its owner's eyes; false where there is one already.
fn create(path: &PathBuf, signer: &Signer) -> Result<bool> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let made =
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).recursive(true).create(folder);
    made.with_context(failed)?;
    // Mode 0600 from its beginning; it has its name once it is whole.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(signer.to_pem()?.as_bytes()).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.error).with_context(failed),
    }
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use recording::Key;
    use storage::{Memory, signing::KeyStatement};

    use super::*;
    use crate::config::raw;

    fn config(state: &Path, text: &str) -> Config {
        let text = format!("[state]\ndir = {state:?}\n{text}");
        let raw: raw::File = toml::from_str(&text).unwrap();
        Config::new(&state.join("kubetape.toml"), &text, raw).unwrap()
    }

    async fn statement(store: &Arc<dyn Store>, key: PublicKey) -> KeyStatement {
        KeyStatement::parse(&store.read(&Key::signing_key(&key.id()), u64::MAX).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let config = config(state.path(), "");
        assert_eq!(own_public_key(&config).unwrap(), None);
        assert!(rotate(&config).unwrap_err().to_string().contains("no key yet"));
        let first = signer(&config, &store).await.unwrap().public();
        assert_eq!(signer(&config, &store).await.unwrap().public(), first);
        assert_eq!(own_public_key(&config).unwrap(), Some(first));
        let mode = |name| std::fs::metadata(config.state_file(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("signing"), mode(KEY)), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_rotated_key_is_used_from_the_next_start_on_and_vouched_for() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let config = config(state.path(), "");
        let first = signer(&config, &store).await.unwrap().public();
        let next = rotate(&config).unwrap();
        assert!(rotate(&config).unwrap_err().to_string().contains(&format!("the key {} waits", next.id())));
        assert_eq!(own_public_key(&config).unwrap(), Some(first), "not before the next start");
        assert_eq!(signer(&config, &store).await.unwrap().public(), next);
        assert!(statement(&store, next).await.is_introduced_by(&first));
        assert_eq!(signer(&config, &store).await.unwrap().public(), next);
    }

    #[tokio::test]
    async fn a_given_key_is_used_where_it_is() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let (old, new) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        for (name, key) in [("old.pem", &old), ("new.pem", &new)] {
            std::fs::write(state.path().join(name), key.to_pem().unwrap()).unwrap();
        }
        let config = config(state.path(), "[signing]\nkey = \"new.pem\"\nprevious_key = \"old.pem\"\n");
        assert_eq!(signer(&config, &store).await.unwrap().public(), new.public());
        assert!(statement(&store, new.public()).await.is_introduced_by(&old.public()));
        assert!(rotate(&config).unwrap_err().to_string().contains("signing.previous_key"));
        assert!(!config.state_file(KEY).exists());
    }
}
