//! Who is at the other end of the socket: the kernel says it.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use tokio::net::UnixStream;

/// Where accounts have names.
const ACCOUNTS: &str = "/etc/passwd";

/// The account that calls, as `local:<name>`: the colon keeps it apart from people with the same name at the gateway.
/// None for an account that may not: whoever owns the socket may, and root.
///
/// # Errors
/// The kernel does not say who it is.
pub(super) fn of(stream: &UnixStream, socket: &Path) -> io::Result<Option<String>> {
    let uid = stream.peer_cred()?.uid();
    let owner = std::fs::metadata(socket)?.uid();
    Ok((uid == owner || uid == 0).then(|| account(uid)))
}

/// The account of this process, written as a caller is.
pub fn this_account() -> String {
    // Its own entry in /proc belongs to it.
    std::fs::metadata("/proc/self").map_or_else(|_| "local:unknown".to_owned(), |own| account(own.uid()))
}

fn account(uid: u32) -> String {
    let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
    format!("local:{}", name(&accounts, uid))
}

/// An account's name, or its number where it has none in this file.
fn name(accounts: &str, uid: u32) -> String {
    let uid = uid.to_string();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid && !name.is_empty()).then(|| name.to_owned())
    });
    named.unwrap_or(uid)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn accounts_have_names_or_numbers() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nbroken\nkube:x:10:10::/:/bin/sh\n";
        assert_eq!([0, 10, 1].map(|uid| name(accounts, uid)), ["root", "kube", "1"]);
    }
}
