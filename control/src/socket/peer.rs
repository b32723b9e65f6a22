//! Which account is at the other end of the socket: the kernel says its number, the system's name service its name.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use rustix::process::getuid;
use tokio::{net::UnixStream, task::spawn_blocking};

/// The account that calls, as `local:<name>`. The colon keeps it apart from a person of the same name at the gateway. Returns
/// `None` if the account may not call: only the socket's owner and root may.
///
/// # Errors
/// The kernel does not say who calls.
pub(super) async fn caller(stream: &UnixStream, socket: &Path) -> io::Result<Option<String>> {
    let uid = stream.peer_cred()?.uid();
    let owner = std::fs::metadata(socket)?.uid();
    if uid != owner && uid != 0 {
        return Ok(None);
    }
    // A name service may ask a directory in the network.
    Ok(Some(spawn_blocking(move || account(uid)).await.map_err(io::Error::other)?))
}

/// The account of this process, written as a caller's is.
pub fn this_account() -> String {
    account(getuid().as_raw())
}

/// The account's name, or its number if it has no name.
fn account(uid: u32) -> String {
    let name = uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned());
    format!("local:{}", name.unwrap_or_else(|| uid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn accounts_have_names_or_numbers() {
        assert_eq!([0, 4_000_000_000].map(account), ["local:root", "local:4000000000"]);
    }
}
