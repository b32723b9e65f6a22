//! Whether what is in `state.dir` and the spool is this account's alone: keys, tokens, passwords' hashes, what people type.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{config::Config, wiring};

/// Rights of anybody but the owner, and of these the right to write.
const OF_OTHERS: u32 = 0o077;
const WRITING_OF_OTHERS: u32 = 0o022;

/// Checks the folders of state and spool, and everything in them. Of an index it checks the folder: its files are derived, and
/// written by a library with the process's usual mode. How far the journal has come is no secret, and older programs let others
/// read it.
///
/// # Errors
/// What others could read or write, or what belongs to another account, with the command that mends it.
pub fn check(config: &Config) -> Result<()> {
    check_as(config, rustix::process::geteuid().as_raw())
}

/// As [`check`], for somebody who looks at another account's installation: everything in it has to belong to who has `state.dir`.
///
/// # Errors
/// As of [`check`].
pub fn check_of_its_owner(config: &Config) -> Result<()> {
    let owner = fs::metadata(&config.state).map(|state| state.uid());
    check_as(config, owner.unwrap_or_else(|_| rustix::process::geteuid().as_raw()))
}

fn check_as(config: &Config, account: u32) -> Result<()> {
    let mut folders = vec![config.state.clone(), config.spool.dir.clone()];
    if config.indexed {
        check_one(&config.index, OF_OTHERS, account)?;
    }
    let journal_head = wiring::journal_head_file(config);
    while let Some(folder) = folders.pop() {
        if !check_one(&folder, OF_OTHERS, account)? || is_index(&folder, config) {
            continue;
        }
        for path in entries(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let refused = if path == journal_head { WRITING_OF_OTHERS } else { OF_OTHERS };
                check_one(&path, refused, account)?;
            }
        }
    }
    Ok(())
}

/// Whether a folder is the index, or one that is being made or was replaced beside it (`index.new`, `index.old`).
fn is_index(folder: &Path, config: &Config) -> bool {
    let beside = |suffix| folder == Path::new(&format!("{}{suffix}", config.index.display()));
    ["", ".new", ".old"].into_iter().any(beside)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Returns whether it is there. A link is what it leads to. `refused` are the rights that it may not give.
fn check_one(path: &Path, refused: u32, account: u32) -> Result<bool> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        // What another process has just replaced, or a link to nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
    };
    let (shown, mode) = (path.display(), found.permissions().mode() & 0o7777);
    ensure!(
        found.uid() == account,
        "{shown} belongs to account {}, and the gateway's is {account}: chown {account} {shown}",
        found.uid()
    );
    let good = if found.is_dir() { 0o700 } else { 0o600 };
    ensure!(
        mode & refused == 0,
        "{shown} has mode {mode:04o}, so that others reach what only this account may: chmod {good:o} {shown}"
    );
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        config::{load, raw::Environment},
        running::block_on_with_readers,
        service::{Listeners, Service},
        wiring,
    };

    const CONFIG: &str = r#"
[gateway]
listen = "127.0.0.1:0"
public_url = "https://127.0.0.1:8443"
[web]
listen = "127.0.0.1:0"
[[clusters]]
name = "one"
server = "https://127.0.0.1:1"
token_file = "token"
[[policy.rules]]
name = "everyone"
users = ["*"]
clusters = ["*"]
[storage]
path = "storage"
[spool]
dir = "elsewhere/spool"
[state]
dir = "state"
"#;

    /// Everything below a folder that is checked, the folder included.
    fn everything(folder: &Path, config: &Config, found: &mut Vec<PathBuf>) {
        found.push(folder.to_owned());
        if !folder.is_dir() || is_index(folder, config) {
            return;
        }
        for path in entries(folder).unwrap() {
            everything(&path, config, found);
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Opens everything that the program made, one after the other and one right after the other, and wants it named.
    fn nothing_may_be_open(config: &Config) {
        check(config).unwrap();
        let mut made = Vec::new();
        everything(&config.state, config, &mut made);
        everything(&config.spool.dir, config, &mut made);
        for name in
            ["tokens.json", "users.json", "links.json", "ca/ca.key", "signing/journal.json", "control.lock", "index"]
        {
            assert!(made.contains(&config.state_file(name)), "{name} is not among {made:?}");
        }
        for path in made {
            let good = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(good, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            let is_head = path == wiring::journal_head_file(config);
            for right in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
                if is_head && right & WRITING_OF_OTHERS == 0 {
                    continue;
                }
                set_mode(&path, good | right);
                let told = check(config).unwrap_err().to_string();
                set_mode(&path, good);
                let (mode, kind) = (good | right, if path.is_dir() { "700" } else { "600" });
                for part in
                    [format!("{} has mode {mode:04o}", path.display()), format!("chmod {kind} {}", path.display())]
                {
                    assert!(told.contains(&part), "{told}");
                }
            }
        }
        check(config).unwrap();
    }

    #[test]
    fn whatever_the_program_makes_is_private_and_a_start_finds_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubetape.toml");
        fs::write(&file, CONFIG).unwrap();
        fs::write(folder.path().join("token"), "upstream-secret").unwrap();
        let config = load(Some(&file), &Environment::default()).unwrap();
        block_on_with_readers(|readers| async move {
            let shutdown = CancellationToken::new();
            let listeners = Listeners::bind(&config, &readers).await?;
            let service = Service::start(&config, listeners, String::new(), shutdown.clone(), &readers).await?;
            wiring::tokens(&config)?.create("ann", &[], None)?;
            wiring::users(&config)?.set_password("ann", "correct horse")?;
            wiring::links(&config)?.create("ann", Duration::from_secs(600))?;
            shutdown.cancel();
            service.run().await?;
            nothing_may_be_open(&config);
            set_mode(&config.state_file("tokens.json"), 0o640);
            let listeners = Listeners::bind(&config, &readers).await?;
            let refused = Service::start(&config, listeners, String::new(), CancellationToken::new(), &readers).await;
            let told = refused.err().expect("no start with tokens that others read").to_string();
            assert!(told.contains("tokens.json has mode 0640") && told.contains("chmod 600 "), "{told}");
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubetape.toml");
        fs::write(&file, CONFIG).unwrap();
        check(&load(Some(&file), &Environment::default()).unwrap()).unwrap();
    }
}
