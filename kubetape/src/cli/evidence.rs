//! What may be typed about proof: verification and keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::quantity::Span;

/// `kubetape verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Needs the objects and a public key, and no server. Of a store, an export (`kubetape export --format bundle`) or a copy \
of a bucket everything is read: keys, journal, recordings. What is wrong is named: missing, altered, cut, re-ordered, \
foreign, unsigned, unknown key, key not valid.

A key that lies beside the recordings proves little: whoever can write there can put another. Name the key that you \
were given (`kubetape key show` prints it). In the configured store the gateway's own key in state.dir is used.

Where the end of a journal is cut off with all that was signed after it, only what you know from elsewhere shows it: \
keep what --save-heads writes, and give it to --heads the next time.

An export is a part of a store, with a part of its journal. That it is one you say (--bundle): in a store the same parts \
would be missing. It is checked for what it has; that nothing was left out of it only the store can show.

Examples:
  kubetape verify                                   the configured store
  kubetape verify 0198f2                            one recording of it, and the journal
  kubetape verify recordings/2026/11                those of a month
  kubetape verify ./copy-of-the-bucket --key kubetape.pub
  kubetape verify ./bundle --bundle --key kubetape.pub --json

Exit status: 0 everything is proven; 1 something is wrong; 2 it could not be checked; 3 nothing is wrong, but no key \
was given and nothing vouches for those in the store.")]
pub struct Verify {
    /// Folders; or, in the configured store, recordings (the beginning of an id) or the beginning of their objects'
    /// names [default: the configured store]
    #[arg(value_name = "PLACE")]
    pub places: Vec<String>,
    /// A public key that you trust: a file (PEM, or keys/ID.json), or a key's id; may be repeated
    #[arg(long = "key", value_name = "FILE|ID")]
    pub keys: Vec<String>,
    /// PLACE is an export: not a whole store, nor whole journals
    #[arg(long)]
    pub bundle: bool,
    /// How far the journals had come once, as --save-heads wrote it
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    /// Where to write how far the journals have come
    #[arg(long, value_name = "FILE")]
    pub save_heads: Option<PathBuf>,
    /// What the journal knows of for no longer than this may not be stored yet
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub grace: Span,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

/// `kubetape key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List the public keys that are kept beside the recordings
    Ls {
        /// For scripts
        #[arg(long)]
        json: bool,
    },
    /// Print the public key in use (PEM): what `kubetape verify --key` and auditors need
    #[command(after_help = "\
Give it to auditors, and keep it where whoever can write the recordings cannot: signatures prove as much as the way \
on which the key came.

Example:
  kubetape key show > kubetape.pub")]
    Show,
    /// Make a new key, which is used from the gateway's next start on
    #[command(after_help = "\
The old key signs the statement that introduces the new one, so that whoever trusts the old one can trust the new one; \
and the old secret is removed. Where a secret may be known to others, tell auditors the new key yourself.")]
    Rotate,
}
