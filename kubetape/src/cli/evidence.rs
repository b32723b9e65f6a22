//! Options of the subcommands about proof: verification and keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::quantity::HumanDuration;

/// `kubetape verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Needs the objects and a public key, and no server. Reads all keys, journal objects and recordings of a store, an export \
(`kubetape export --format bundle`) or a copy of a bucket, and names what is wrong: missing, altered, cut, re-ordered, \
foreign, unsigned, unknown key, key not valid.

A key from beside the recordings proves little: anybody who can write there can replace it. Name the key that you were \
given (`kubetape key show` prints it). For the configured store the default is the gateway's own key in state.dir.

If the end of a journal is cut off together with everything that was signed after it, only knowledge from elsewhere \
shows it: keep what --save-heads writes, and give it to --heads the next time.

An export is an excerpt of a store, with an excerpt of its journal. Say so with --bundle: in a store the other parts \
would count as missing. What the export has is verified; only the store can show that nothing was left out.

Examples:
  kubetape verify                                   the configured store
  kubetape verify 0198f2                            one recording of it, and the journal
  kubetape verify recordings/2026/11                the recordings of a month
  kubetape verify ./copy-of-the-bucket --key kubetape.pub
  kubetape verify ./bundle --bundle --key kubetape.pub --json

Exit status: 0 everything is proven; 1 something is wrong; 2 verification failed; 3 nothing is wrong, but no key was \
given and nothing vouches for those in the store.")]
pub struct Verify {
    /// Folders, or parts of the configured store: the beginning of a recording's id or of objects' names [default: the
    /// configured store]
    #[arg(value_name = "PLACE")]
    pub places: Vec<String>,
    /// A public key that you trust: a file (PEM, or keys/ID.json), or a key's id; may be repeated
    #[arg(long = "key", value_name = "FILE|ID")]
    pub keys: Vec<String>,
    /// PLACE is an export: not a whole store, nor whole journals
    #[arg(long)]
    pub bundle: bool,
    /// Positions that the journals had reached, as --save-heads or the gateway (anchors.file) wrote them
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    /// File to write the journals' positions to
    #[arg(long, value_name = "FILE")]
    pub save_heads: Option<PathBuf>,
    /// How long a recording may be in the journal and not yet in the store
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub grace: HumanDuration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `kubetape compare-audit`
#[derive(Debug, Args)]
#[command(after_help = "\
Reads events of audit.k8s.io/v1, one a line, and names every exec, attach, port-forward, ephemeral container and command to a \
kubelet that the API server let through and that no recording, or for ephemeral containers no journal, has: who, when, where, \
through whom. What the API server refused is counted. docs/operations.md says how the log is switched on; the level Metadata is \
enough.

A gateway sends a recording's id as Audit-ID, so the log has the session under it. The id alone is not believed: gateway, \
person, pod and time have to fit, and a recording has one session. Sessions of gateways that did not send it yet count as not \
recorded.

It takes what the store says as it is: `kubetape verify` says whether that is what was written.

Examples:
  kubetape compare-audit /var/log/kubernetes/audit.log
  kubetape compare-audit audit-2026-11-22*.log.gz --cluster prod --gateway-user system:serviceaccount:kubetape:kubetape-gateway
  kubectl logs -n kube-system kube-apiserver-1 | kubetape compare-audit - --since 1d --json

Exit status: 0 everything that the log has is recorded; 1 something is not; 2 the log, or a part of it, or the store could not \
be read, or the log has no events.")]
pub struct CompareAudit {
    /// Files of the log, in any order: plain, gzip or zstd; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The cluster whose log it is, as the configuration names it [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Who the gateway is for that API server: a gateway's name that anybody else sends is a finding; may be repeated
    #[arg(long = "gateway-user", value_name = "NAME")]
    pub gateway_users: Vec<String>,
    /// Only requests received at or after this time: 2026-11-22, 2026-11-22T15:04:05Z, or how long ago (2h, 7d)
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub since: Option<jiff::Timestamp>,
    /// Only requests received before this time
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub until: Option<jiff::Timestamp>,
    /// How far the clocks of gateway and API server may differ
    #[arg(long, value_name = "TIME", default_value = "2m")]
    pub skew: HumanDuration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `kubetape key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List the public keys in the store
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the public key in use (PEM): what `kubetape verify --key` and auditors need
    #[command(after_help = "\
Give it to auditors, and keep it where nobody who can write recordings can replace it: a signature proves no more than \
the way in which its key was received.

Example:
  kubetape key show > kubetape.pub")]
    Show,
    /// Create a new key, which is used from the gateway's next start on
    #[command(after_help = "\
The old key signs the statement that introduces the new one, so that everybody who trusts the old key can trust the \
new one; then the old secret is removed. If others may know a secret, tell auditors the new key yourself.")]
    Rotate,
}
