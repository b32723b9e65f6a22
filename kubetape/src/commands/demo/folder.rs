use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    commands::{
        kubeconfig::{self, Credential, Kubeconfig, write_private},
        token,
    },
    config::{self, Config, quantity::HumanDuration, raw},
    wiring,
};

/// The person who uses the demo with kubectl.
const PERSON: &str = "demo";
/// The cluster's name in the gateway.
const CLUSTER: &str = "demo";
/// First line of the configuration that the demo writes. A file without it is somebody else's.
const OURS: &str = "# Written anew at each start of `kubetape demo`. `kubetape config sample` explains every key.";
const VALIDITY: HumanDuration = HumanDuration(Duration::from_secs(30 * 86_400));

/// The demo's files: configuration, keys, recordings, its cluster's files.
pub struct DemoFolder {
    path: PathBuf,
    /// Removed when this is dropped.
    temporary: Option<TempDir>,
    /// Held while a demo runs in the folder.
    _lock: fs::File,
}

impl DemoFolder {
    /// Makes the folder or continues with it. Without a name it makes a temporary one.
    pub fn open(named: Option<&Path>) -> Result<Self> {
        let (path, temporary) = match named {
            Some(named) => (make(named)?, None),
            None => {
                let temporary = tempfile::Builder::new().prefix("kubetape-demo-").tempdir();
                let temporary = temporary.context("cannot make a temporary folder: name one with --folder")?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let lock = fs::File::create(path.join("demo.lock"));
        let lock = lock.with_context(|| format!("cannot write in the folder {}", path.display()))?;
        ensure!(lock.try_lock().is_ok(), "another demo runs in {}: end it, or name another --folder", path.display());
        let config = fs::read_to_string(path.join("kubetape.toml")).unwrap_or_else(|_| OURS.to_owned());
        ensure!(
            config.starts_with(OURS),
            "{} has a kubetape.toml that no demo wrote, and would be overwritten: name another --folder",
            path.display()
        );
        Ok(Self { path, temporary, _lock: lock })
    }

    /// Whether the folder is removed at the end.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the upstream's kubeconfig and `kubetape.toml`, which every other subcommand can use, and reads it.
    pub fn configure(&self, gateway: SocketAddr, web: SocketAddr, upstream: &str) -> Result<Config> {
        let kubeconfig = self.path("cluster").join("kubeconfig");
        write_private(&kubeconfig, upstream.as_bytes()).context("cannot write the demo's files")?;
        let file = self.path("kubetape.toml");
        write_private(&file, toml(gateway, web).as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        config::load(Some(&file), &raw::Environment::default())
    }

    /// Writes the person's kubeconfig, and returns its token. That of an earlier start is used as long as it is valid.
    pub fn kubeconfig(&self, config: &Config) -> Result<String> {
        let file = self.path("kubeconfig");
        let tokens = wiring::tokens(config)?;
        let earlier = fs::read_to_string(&file).ok().and_then(|text| earlier_token(&text));
        let secret = match earlier.filter(|secret| tokens.verify(secret, jiff::Timestamp::now()).is_ok()) {
            Some(secret) => secret,
            None => token::create(&tokens, PERSON, &[], Some(VALIDITY))?,
        };
        let kubeconfig = Kubeconfig {
            gateway: config.gateway.public_url.clone(),
            ca: kubeconfig::ca(config)?,
            user: PERSON.to_owned(),
            credential: Credential::Token(secret.clone()),
            clusters: vec![CLUSTER.to_owned()],
        };
        write_private(&file, kubeconfig.to_yaml().as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(secret)
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        // A pod may have made folders that only their owner may not enter.
        if let Some(temporary) = &self.temporary {
            let _ = fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o700));
        }
    }
}

fn make(folder: &Path) -> Result<PathBuf> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {} (--folder)", folder.display()))?;
    folder.canonicalize().with_context(|| format!("cannot use the folder {}", folder.display()))
}

/// The token in a kubeconfig that [`Kubeconfig::to_yaml`] wrote.
fn earlier_token(yaml: &str) -> Option<String> {
    let line = yaml.lines().find_map(|line| line.trim().strip_prefix("token: "))?;
    serde_json::from_str(line).ok()
}

/// The demo's configuration. Paths are relative to the file's folder.
fn toml(gateway: SocketAddr, web: SocketAddr) -> String {
    format!(
        r#"{OURS}

[state]
dir = "state"

[gateway]
name = "demo"
listen = "{gateway}"
public_url = "https://{gateway}"

[web]
listen = "{web}"
public_url = "http://{web}"

[[clusters]]
name = "{CLUSTER}"
kubeconfig = "cluster/kubeconfig"

[[policy.rules]]
name = "demo"
users = ["*"]
clusters = ["*"]
as_groups = ["kubetape:demo"]

[storage]
kind = "disk"
path = "storage"

[recorder]
chunk_age = "1s"

[journal]
object_age = "1s"

[search]
interval = "500ms"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        DemoFolder::open(Some(path)).err().expect("it is refused").to_string()
    }

    #[test]
    fn a_folder_in_use_or_of_somebody_else_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        let first = DemoFolder::open(Some(&path)).unwrap();
        assert!(refusal(&path).contains("another demo runs in"));
        drop(first);
        fs::write(path.join("kubetape.toml"), "[gateway]\n").unwrap();
        assert!(refusal(&path).contains("that no demo wrote"));
        assert_eq!(fs::read_to_string(path.join("kubetape.toml")).unwrap(), "[gateway]\n");
    }
}
