//! Options of the subcommands that change something: end a session, import recordings.

use std::path::PathBuf;

use clap::Args;

/// `kubetape end`
#[derive(Debug, Args)]
#[command(after_help = "\
The person's kubectl prints the reason and exits with 1. Recording and journal say who ended the session, \
and why. The command talks to the gateway on this machine through the socket control.sock in state.dir: run \
it as the account that runs the gateway, or as root.

Examples:
  kubetape end 0198f2 --reason 'change freeze'        the beginning of an id is enough
  kubetape end --user ann --reason 'account locked'")]
pub struct End {
    /// The recording's id, or an unambiguous beginning of it
    #[arg(required_unless_present = "user", conflicts_with = "user")]
    pub id: Option<String>,
    /// End all live sessions of this person at this gateway
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Why: shown to the person, and kept in recording and journal
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    gateway::Reason::parse(text).map(|reason| reason.to_string()).map_err(|error| error.to_string())
}

/// `kubetape import`
#[derive(Debug, Args)]
#[command(after_help = "\
Imports files of asciinema and of Tailscale's recorder (.cast, .json; plain, .gz or .zst), and folders of \
them. What a file says about itself (user, pod, start) is kept; options override it. The recordings are \
marked as imported, with the file's name, SHA-256 and header, and are searched and played like any other.

Input events contain what was typed while echo was off, passwords included: they are counted and left out, \
unless --keep-input is given. A file that was imported already, by its SHA-256, is reported and not stored \
again. A broken file is reported with line and reason, and the others are imported; the exit status is then 1.

Examples:
  kubetape import session.cast --user ann --cluster prod --pod web-0
  kubetape import archive/2025/ --cluster prod
  kubetape import *.cast.zst --json | jq -r '.[] | select(.status == \"broken\") | .error'

--json writes an array with one object per file: file, status (imported, already or broken), id, sha256, events, \
duration_seconds, dropped_inputs, annotations, error.")]
pub struct Import {
    /// Files, or folders with files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The person who was recorded
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A group of the person; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// The cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The pod
    #[arg(long, value_name = "NAME")]
    pub pod: Option<String>,
    /// The container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Start of the session: 2026-11-22, 2026-11-22T15:04:05Z [default: the header's, else the file's time]
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub started: Option<jiff::Timestamp>,
    /// Store input events too, passwords included
    #[arg(long)]
    pub keep_input: bool,
    /// Largest file to import, decompressed
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_bytes: crate::config::quantity::HumanSize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
