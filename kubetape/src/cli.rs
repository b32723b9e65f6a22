//! The command line: what may be typed, and the help that teaches it.

mod evidence;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::evidence::{Key, Verify};
use crate::config::quantity::Span;

const FIRST: &str = "\
What to do first:
  kubetape demo                                   everything at once, no cluster needed
  kubetape config sample > kubetape.toml          a configuration to edit
  kubetape --config kubetape.toml config check    says what is wrong with it
  kubetape --config kubetape.toml serve           runs gateway and web
  kubetape --config kubetape.toml kubeconfig --user ann -o ann.kubeconfig
  kubectl --kubeconfig ann.kubeconfig exec -it POD -- sh
  kubetape --config kubetape.toml ls              what was recorded

Exit status: 0 only on success, 1 when something failed, 2 when the command line is wrong.";

/// A gateway in front of Kubernetes that records, replays and makes searchable what people do with kubectl.
#[derive(Debug, Parser)]
#[command(name = "kubetape", version, after_help = FIRST, max_term_width = 110)]
pub struct Cli {
    /// Configuration file [default: ./kubetape.toml, then /etc/kubetape/kubetape.toml]
    #[arg(long, value_name = "FILE", env = "KUBETAPE_CONFIG", hide_env_values = true, global = true)]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine, with a small cluster of its own: the way to try Kubetape
    Demo(Demo),
    /// Run gateway and web in one process
    #[command(after_help = "\
Prints where it listens and then `ready`; where nobody has a password yet, also a link that logs in \
once. SIGTERM or Ctrl-C ends it in good order: open sessions are ended and their recordings finished.

Examples:
  kubetape --config kubetape.toml config check && kubetape --config kubetape.toml serve
  KUBETAPE_LOG__FORMAT=json kubetape --config /etc/kubetape/kubetape.toml serve")]
    Serve,
    /// List recordings, newest first
    Ls(Ls),
    /// Play a recording in this terminal
    Play(Play),
    /// Search what was run: commands typed, argv of exec, kubectl requests, sessions
    Search(Search),
    /// Write a recording as a file: asciicast, text or the exact bytes
    Export(Export),
    /// List the commands of a recording: when, how long, what
    Commands(Commands),
    /// Print what could be read in a recording, each line with its time
    Text(Text),
    /// End a session that is under way, or all of a person
    End(End),
    /// Take recordings that others made into storage: asciicast v1, v2 and v3
    Import(Import),
    /// Make the search index again from storage
    #[command(after_help = "\
`kubetape serve` keeps the index up by itself. Stop it first: it holds the index while it runs. The old \
index stays in use until the new one is complete.

Example:
  kubetape --config kubetape.toml reindex")]
    Reindex,
    /// Check that recordings and journal are what was written: nothing missing, altered, moved or added
    Verify(Verify),
    /// The keys that recordings and journal are signed with: list, show, replace
    #[command(subcommand)]
    Key(Key),
    /// Make, list and revoke tokens for kubectl
    #[command(subcommand)]
    Token(Token),
    /// Write a kubeconfig with which a person reaches the clusters through the gateway
    Kubeconfig(Kubeconfig),
    /// People who log in to the web with a password
    #[command(subcommand)]
    User(User),
    /// Print a link that logs in to the web once
    LoginLink(LoginLink),
    /// The configuration file: check it, or print a sample
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `kubetape demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a small API server of its own (one pod, `shell`, whose exec is a shell on this machine), the \
gateway and the web, on loopback only, and says what to try. Ctrl-C ends it.

Examples:
  kubetape demo
  kubetape demo --folder ./demo        keeps the recordings; the same command goes on with them
  kubetape --config ./demo/kubetape.toml ls")]
pub struct Demo {
    /// Folder for everything [default: a temporary one, removed at the end]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Address for kubectl; port 0 takes a free one [default: 127.0.0.1:8443, or a free port if that is taken]
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub gateway: Option<SocketAddr>,
    /// Address for the browser; port 0 takes a free one [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub web: Option<SocketAddr>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8443")?;
    if !address.ip().is_loopback() {
        return Err("the demo lets anybody who reaches it run commands here: use 127.0.0.1 or [::1]".to_owned());
    }
    Ok(address)
}

/// Which recordings.
#[derive(Clone, Debug, Default, Args)]
pub struct Filter {
    /// Only of this person
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Only in this namespace
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only of this pod
    #[arg(long, value_name = "NAME")]
    pub pod: Option<String>,
    /// Only of this container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only what began at or after this: 2026-11-22, 2026-11-22T15:04:05Z, or how long ago (2h, 7d)
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub since: Option<jiff::Timestamp>,
    /// Only what began before this
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub until: Option<jiff::Timestamp>,
}

/// `kubetape ls`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubetape ls                             the newest 50
  kubetape ls --user ann --since 7d
  kubetape ls --live                      what goes on now (or ended with its gateway)
  kubetape ls --json | jq -r '.[] | select(.exit_code == 1) | .id'

--json writes an array of all that match (unless --limit is given), each with id, kind, user, cluster, \
namespace, pod, container, argv, command, tty, started, ended, duration_seconds, outcome, exit_code, \
reason, bytes and gateway. `ended` is null and `outcome` is \"live\" where no end is recorded: the session \
goes on, or its gateway died. Other outcomes are exited, ended, failed_to_start, ended_by_gateway, \
client_gone, upstream_gone, interrupted and unknown.")]
pub struct Ls {
    #[command(flatten)]
    pub filter: Filter,
    /// Only sessions without a recorded end
    #[arg(long)]
    pub live: bool,
    /// Only sessions that ended so: exited, failed (another code than 0), failed_to_start, client_gone, …
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Option<search::OutcomeFilter>,
    /// At most so many [default: 50; with --json all]
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

fn outcome(text: &str) -> Result<search::OutcomeFilter, String> {
    text.parse().map_err(|()| {
        let names: Vec<_> = search::OutcomeFilter::ALL.iter().map(|filter| filter.name()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| "write a number from 1".to_owned())
}

/// `kubetape play`
#[derive(Debug, Args)]
#[command(after_help = "\
Keys:
  space     pause and go on        left right   5 seconds back, forward
  + - < >   faster, slower         pgup pgdn    a minute back, forward
  i         skip idle time or not  home end     to the start, to the end
  , ;       command before, after  /            find a text; n N go from place to place
  .         next output (paused)   ?            these keys
  q         quit

The last row says where it is and which command was entered last. At the end it stands there: go back, or quit.
Where the session had no terminal, its stderr is red, unless NO_COLOR is set.

--follow begins at the end of what is stored and shows more as the gateway stores it, every five seconds unless it is
configured otherwise. The session's page in the browser is quicker.

Without a terminal on stdin and stdout the recording is written out in its own time.

Examples:
  kubetape play 0198f2                    the beginning of an id is enough
  kubetape play 0198f2 --speed 2 --idle-limit 1s
  kubetape play 0198f2 --from 1m30s
  kubetape play 0198f2 --follow           a session that goes on")]
pub struct Play {
    /// The recording's id, or enough of its beginning
    pub id: String,
    /// How fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Longest pause between two outputs
    #[arg(long, value_name = "TIME")]
    pub idle_limit: Option<Span>,
    /// Where to begin
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub from: Span,
    /// Wait for what comes, until the session ends
    #[arg(long)]
    pub follow: bool,
    /// With keys: quit at the end instead of standing there
    #[arg(long)]
    pub quit_at_end: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('x').parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number from 0.01 to 1000, such as 2 or 0.5".to_owned()),
    }
}

/// `kubetape search`
#[derive(Debug, Args)]
#[command(after_help = "\
What to write (put it in single quotes where the shell would take it apart):
  kubectl delete        all words must be there, in any order and case
  'rm -rf'              options are words; quoted, for they would be taken for those of this command
  10.0.3.7 /etc/passwd  tokens with punctuation are found as they are; so are their parts
  '\"rm -rf\"'            a phrase, in this order
  'nginx-*' '*.conf'    stars stand for any characters of a word or token
  're:web-[0-9]+'       a regular expression that a whole word or token must fit
  'NOT nginx -ns:prod'  without this: - only before a filter, a phrase or a group
  '(curl OR wget) sh'   either of these
  user:ann ns:prod      a filter; stars and lists too: 'pod:web-*' 'user:(ann OR bob)'
  when:today            also yesterday 14:00, last 2h, monday, 2026-11-20..2026-11-22

Filters: user: ns: cluster: pod: container: session: when: tty: exit: outcome: kind: (session, command, output,
request, exec, attach, port_forward), source: (argv, typed, request), and of API requests verb: resource: code:

The index is kept up by `kubetape serve`; `kubetape reindex` makes it from storage. Secrets of known shapes are
masked in it; a command line that stands for API requests is rebuilt from them.

Examples:
  kubetape search kubectl delete
  kubetape search '\"rm -rf\"' --user ann
  kubetape search 'passwd kind:output exit:>0 when:last 7 days' --order oldest
  kubetape search --json --kind command passwd | jq -r '.[].session'

--json writes an array, each with kind, session, offset (seconds in the session), time, user, cluster, \
namespace, pod, container, source (argv, typed or request), rebuilt, text, requests and snippet. Where there \
are more hits than it lists, stderr says so; --since and --until cut them into pieces.")]
pub struct Search {
    /// What to look for
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Only such: command, output, session or request; may be repeated
    #[arg(long, value_name = "KIND", value_enum)]
    pub kind: Vec<HitKind>,
    /// Which first: newest, oldest or relevance
    #[arg(long, value_name = "ORDER", default_value = "newest", value_parser = order)]
    pub order: search::Order,
    /// At most so many [default: 50; with --json all, at most 10000]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

fn order(text: &str) -> Result<search::Order, String> {
    text.parse().map_err(|()| "it is newest, oldest or relevance".to_owned())
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HitKind {
    /// A recording.
    Session,
    /// A command in one.
    Command,
    /// Lines that one showed.
    Output,
    /// An API request, or all of one kubectl run.
    Request,
}

/// `kubetape export`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubetape export 0198f2 --format cast2 -o session.cast && asciinema play session.cast
  kubetape export 0198f2 --format text | less
  kubetape export 0198f2 --format raw --stream stderr      the exact bytes
  kubetape export 0198f2 --format bundle -o evidence && kubetape verify evidence --bundle --key kubetape.pub

stdin can be exported where the policy had it recorded (`record_input`).")]
pub struct Export {
    /// The recording's id, or enough of its beginning
    pub id: String,
    /// What to write
    #[arg(long, value_enum)]
    pub format: Format,
    /// Which stream, for --format raw [default: stdout]
    #[arg(long, value_enum)]
    pub stream: Option<StreamName>,
    /// Where to; a new folder for --format bundle [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a recording can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast version 2
    Cast2,
    /// asciicast version 3
    Cast3,
    /// What a person could read, line by line
    Text,
    /// The exact bytes of one stream
    Raw,
    /// A folder with the stored objects, keys and journal: what `kubetape verify` checks anywhere
    Bundle,
}

/// The streams of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamName {
    /// What the process wrote; everything, where there was a terminal.
    Stdout,
    /// What it wrote as errors.
    Stderr,
    /// What it was sent.
    Stdin,
}

/// `kubetape end`
#[derive(Debug, Args)]
#[command(after_help = "\
The person's kubectl prints the reason and exits with 1. The recording says who ended it and why, and so \
does the journal. It is asked of the gateway on this machine, through the socket control.sock in state.dir: \
run it as the account that runs the gateway, or as root.

Examples:
  kubetape end 0198f2 --reason 'change freeze'        the beginning of an id is enough
  kubetape end --user ann --reason 'account locked'")]
pub struct End {
    /// The recording's id, or enough of its beginning
    #[arg(required_unless_present = "user", conflicts_with = "user")]
    pub id: Option<String>,
    /// All sessions of this person that are under way at this gateway
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Why: the person reads it, and it is in recording and journal
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    gateway::Reason::parse(text).map(|reason| reason.to_string()).map_err(|error| error.to_string())
}

/// `kubetape import`
#[derive(Debug, Args)]
#[command(after_help = "\
Takes files as asciinema and Tailscale's recorder write them (.cast, .json; as they are, .gz or .zst), and \
folders of such. What a file says of itself (who, pod, start) is kept; flags go before it. The recordings are \
marked as imported, with the file's name, SHA-256 and header, and are searched and played like any other.

Input events hold what was typed while echo was off, passwords too: they are counted and left out, unless \
--keep-input is given. A file that is there already, by its SHA-256, is named and not written again. A broken \
file is named with line and reason, and the rest goes on; the exit status is then 1.

Examples:
  kubetape import session.cast --user ann --cluster prod --pod web-0
  kubetape import archive/2025/ --cluster prod
  kubetape import *.cast.zst --json | jq -r '.[] | select(.status == \"broken\") | .error'

--json writes an array, one object a file: file, status (imported, already or broken), id, sha256, events, \
duration_seconds, dropped_inputs, annotations, error.")]
pub struct Import {
    /// Files, and folders to go through
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Who was recorded
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A group of the person; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// In which cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// In which namespace
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// In which pod
    #[arg(long, value_name = "NAME")]
    pub pod: Option<String>,
    /// In which container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// When it started: 2026-11-22, 2026-11-22T15:04:05Z [default: the header's, else the file's time]
    #[arg(long, value_name = "WHEN", value_parser = crate::time::moment)]
    pub started: Option<jiff::Timestamp>,
    /// Store input events too, passwords included
    #[arg(long)]
    pub keep_input: bool,
    /// Largest file, decompressed
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_bytes: crate::config::quantity::Size,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

/// `kubetape commands`
#[derive(Debug, Args)]
#[command(after_help = "\
Commands are read from what stood on the screen when Enter was pressed; what was typed without echo is in \
none. Recordings that go on, that were imported, or whose gateway died are read as far as they are there.

Examples:
  kubetape commands 0198f2
  kubetape commands 0198f2 --json | jq -r '.[] | select(.source == \"typed\") | .text'

--json writes an array, in order of time, each with offset (seconds since the start), time, text, source \
(argv, typed or request) and, of typed ones, ready (offset at which its prompt waited), ended (offset of the \
next prompt), output (offsets of the first and last output until then), prompt, evidence (osc133: the shell \
marked it; bracketed: its line editor did; prompt: it stood behind a prompt) and status (the exit status, \
where the shell told it). What is not known is null.")]
pub struct Commands {
    /// The recording's id, or enough of its beginning
    pub id: String,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

/// `kubetape text`
#[derive(Debug, Args)]
#[command(after_help = "\
What a person could have read: lines as a terminal showed them, each once and with the time since when it \
stood there; a progress bar in its last state; what full-screen programs showed, marked with |. Without a \
terminal, the lines of stdout, and those of stderr marked with !. Lines begin with the time since the start; \
`kubetape export --format text` writes the bare text.

Examples:
  kubetape text 0198f2 | less
  kubetape text 0198f2 --json | jq -r 'select(.stream == \"stderr\") | .text'

--json writes one object a line, each with offset (seconds since the start), time, stream (stdout, stderr or \
full_screen) and text.")]
pub struct Text {
    /// The recording's id, or enough of its beginning
    pub id: String,
    /// For scripts
    #[arg(long)]
    pub json: bool,
}

/// `kubetape token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print its secret, once
    Create {
        /// The person it stands for
        #[arg(long, value_name = "NAME")]
        user: String,
        /// A group of the person, as the policy knows it; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// How long it is valid, such as 30d [default: until it is revoked]
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
    },
    /// List tokens, without their secrets
    Ls {
        /// For scripts
        #[arg(long)]
        json: bool,
    },
    /// Make a token worthless
    Revoke {
        /// The token's id, as `token ls` shows it
        id: String,
    },
}

/// `kubetape kubeconfig`
#[derive(Debug, Args)]
#[command(after_help = "\
Makes a credential for the person (a token, or with --certificate a client certificate of the gateway's \
CA) and writes a kubeconfig with one context for each cluster. Give it to that person only.

Examples:
  kubetape kubeconfig --user ann --group developers -o ann.kubeconfig
  kubetape kubeconfig --user ann --certificate --expires 1d -o ann.kubeconfig
  kubetape kubeconfig --user ann --cluster production --token-file ann.token")]
pub struct Kubeconfig {
    /// The person [default: who runs this]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A group of the person, as the policy knows it; may be repeated
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "token_file")]
    pub groups: Vec<String>,
    /// Only this cluster; may be repeated [default: all of the configuration]
    #[arg(long = "cluster", value_name = "NAME")]
    pub clusters: Vec<String>,
    /// Use the token in this file instead of making one
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    pub token_file: Option<PathBuf>,
    /// A client certificate instead of a token
    #[arg(long)]
    pub certificate: bool,
    /// How long the credential is valid [default: token 30d, certificate 1d]
    #[arg(long, value_name = "TIME", conflicts_with = "token_file")]
    pub expires: Option<Span>,
    /// Where to, with mode 0600 [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `kubetape user`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a person, or set their password anew
    Add {
        /// The person's name
        name: String,
        /// Read the password from stdin (its first line) instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a person, their login links, and all logins to the web that they have
    Remove {
        /// The person's name
        name: String,
    },
}

/// `kubetape login-link`
#[derive(Debug, Args)]
pub struct LoginLink {
    /// Whom it logs in
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub user: String,
    /// How long it may be used
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub expires: Span,
    /// Print no link: take back the person's links, and end the logins that came of those that were used
    #[arg(long, conflicts_with = "expires")]
    pub revoke: bool,
}

/// `kubetape config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with the configuration and the files it names, or what it amounts to
    Check,
    /// Print a configuration that shows and explains every key
    Sample,
}
