//! Options of the subcommands that read recordings.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::quantity::HumanDuration;

/// Options that choose recordings.
#[derive(Clone, Debug, Default, Args)]
pub struct Filter {
    /// Only sessions of this person
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only sessions in this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Only sessions in this namespace
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only sessions in this pod
    #[arg(long, value_name = "NAME")]
    pub pod: Option<String>,
    /// Only sessions in this container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only sessions that started at or after this time: 2026-11-22, 2026-11-22T15:04:05Z, or how long ago (2h, 7d)
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub since: Option<jiff::Timestamp>,
    /// Only sessions that started before this time
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub until: Option<jiff::Timestamp>,
}

/// `kubetape ls`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubetape ls                             the newest 50
  kubetape ls --user ann --since 7d
  kubetape ls --live                      live sessions, and those whose gateway died
  kubetape ls --json | jq -r '.[] | select(.exit_code == 1) | .id'

--json writes an array of all matches (unless --limit is given), each with id, kind, user, cluster, \
namespace, pod, container, argv, command, tty, started, ended, duration_seconds, outcome, exit_code, \
reason, bytes and gateway. `ended` is null and `outcome` is \"live\" while no end is recorded: the session \
is live, or its gateway died. Other outcomes are exited, ended, failed_to_start, ended_by_gateway, \
client_gone, upstream_gone, interrupted and unknown.")]
pub struct Ls {
    #[command(flatten)]
    pub filter: Filter,
    /// Only sessions without a recorded end
    #[arg(long)]
    pub live: bool,
    /// Only sessions with this outcome: exited, failed (exit code other than 0), failed_to_start, client_gone, …
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Option<search::OutcomeFilter>,
    /// Most recordings to list [default: 50; with --json all]
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// List all recordings
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn outcome(text: &str) -> Result<search::OutcomeFilter, String> {
    text.parse().map_err(|()| {
        let names: Vec<_> = search::OutcomeFilter::ALL.iter().map(|filter| filter.name()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| "write a number from 1".to_owned())
}

/// `kubetape play`
#[derive(Debug, Args)]
#[command(after_help = "\
Keys:
  space     pause, continue        left right   5 seconds back, forward
  + - < >   faster, slower         pgup pgdn    a minute back, forward
  i         skip idle time or not  home end     to the start, to the end
  , ;       command before, after  /            find a text; n N go from place to place
  .         next output (paused)   ?            these keys
  q         quit

The last row shows the position and the last command. At the end playback pauses: go back, or quit.
If the session had no terminal, its stderr is red, unless NO_COLOR is set.

--follow starts at the end of what is stored and shows more as the gateway stores it: every five seconds by default
(recorder.chunk_age). The session's page in the browser has less delay.

Without a terminal on stdin and stdout the recording is written to stdout at its own pace.

Examples:
  kubetape play 0198f2                    the beginning of an id is enough
  kubetape play 0198f2 --speed 2 --idle-limit 1s
  kubetape play 0198f2 --from 1m30s
  kubetape play 0198f2 --follow           a live session")]
pub struct Play {
    /// The recording's id, or an unambiguous beginning of it
    pub id: String,
    /// Playback speed
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Longest pause between two outputs
    #[arg(long, value_name = "TIME")]
    pub idle_limit: Option<HumanDuration>,
    /// Position to start from
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub from: HumanDuration,
    /// Follow a live session until it ends
    #[arg(long)]
    pub follow: bool,
    /// With keys: quit at the end instead of pausing
    #[arg(long)]
    pub quit_at_end: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('x').parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number from 0.01 to 1000, such as 2 or 0.5".to_owned()),
    }
}

/// `kubetape commands`
#[derive(Debug, Args)]
#[command(after_help = "\
Commands are read from the screen at the moment Enter was pressed; what was typed without echo is not \
included. Live and imported recordings, and those whose gateway died, are read as far as they are stored.

Examples:
  kubetape commands 0198f2
  kubetape commands 0198f2 --json | jq -r '.[] | select(.source == \"typed\") | .text'

--json writes an array in order of time, each with offset (seconds since the start), time, text, source \
(argv, typed or request) and, for typed commands, ready (offset at which the prompt appeared), ended (offset of the \
next prompt), output (offsets of the first and last output until then), prompt, evidence (osc133: the shell \
marked it; bracketed: its line editor did; prompt: it followed a prompt) and status (the exit status, \
if the shell reported it). Unknown values are null.")]
pub struct Commands {
    /// The recording's id, or an unambiguous beginning of it
    pub id: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `kubetape text`
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what a person could have read: each line of the terminal once, with the time at which it appeared; \
a progress bar in its last state; the screens of full-screen programs, marked with |. For a session without \
a terminal, the lines of stdout, those of stderr marked with !, and those that were piped in, where they were recorded \
(record_input), marked with <. Each line starts with the time since the \
session's start; `kubetape export --format text` writes the text alone.

Examples:
  kubetape text 0198f2 | less
  kubetape text 0198f2 --json | jq -r 'select(.stream == \"stderr\") | .text'

--json writes one object per line, each with offset (seconds since the start), time, stream (stdout, stderr, \
stdin, full_screen or left_out) and text.")]
pub struct Text {
    /// The recording's id, or an unambiguous beginning of it
    pub id: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `kubetape export`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubetape export 0198f2 --format cast2 -o session.cast && asciinema play session.cast
  kubetape export 0198f2 --format text | less
  kubetape export 0198f2 --format raw --stream stderr      the exact bytes
  kubetape export 0198f2 --format bundle -o evidence && kubetape verify evidence --bundle --key kubetape.pub

stdin can be exported if the policy had it recorded (`record_input`).")]
pub struct Export {
    /// The recording's id, or an unambiguous beginning of it
    pub id: String,
    /// Format to write
    #[arg(long, value_enum)]
    pub format: Format,
    /// Stream to write, for --format raw [default: stdout]
    #[arg(long, value_enum)]
    pub stream: Option<StreamName>,
    /// File to write, or a new folder for --format bundle [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a bundle of a recording that is not as it was written, too
    #[arg(long)]
    pub unproven: bool,
}

/// What a recording can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast version 2
    Cast2,
    /// asciicast version 3
    Cast3,
    /// The readable lines
    Text,
    /// The exact bytes of one stream
    Raw,
    /// A folder with the stored objects, keys and journal, which `kubetape verify` checks anywhere
    Bundle,
}

/// The streams of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamName {
    /// Output; of a session with a terminal, all of it.
    Stdout,
    /// Error output.
    Stderr,
    /// Input.
    Stdin,
}
