//! The command line, and its help.

mod evidence;
mod people;
mod recordings;
mod search;
mod sessions;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub use self::{
    evidence::{CompareAudit, Key, Verify},
    people::{Certificate, Kubeconfig, Lock, LoginLink, Token, Unlock, User},
    recordings::{Commands, Export, Filter, Format, Ls, Play, StreamName, Text},
    search::{HitKind, Search},
    sessions::{End, Import},
};

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

    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try Kubetape: run everything on this machine, with a small cluster of its own
    Demo(Demo),
    /// Run the gateway and the web in one process
    #[command(after_help = "\
Prints its addresses and then `ready`. If nobody has a password yet, it also prints, to a terminal, a link that logs in \
once. SIGTERM or Ctrl-C shuts it down: open sessions are ended and their recordings finished, within 25 s \
(limits.shutdown and 15 s).

Examples:
  kubetape --config kubetape.toml config check && kubetape --config kubetape.toml serve
  KUBETAPE_LOG__FORMAT=json kubetape --config /etc/kubetape/kubetape.toml serve")]
    Serve,
    /// List recordings, newest first
    Ls(Ls),
    /// Play a recording in this terminal
    Play(Play),
    /// Search sessions, typed commands, output, argv of exec and kubectl requests
    Search(Search),
    /// Export a recording: asciicast, text, the exact bytes of a stream, or a bundle for verification
    Export(Export),
    /// List the commands of a recording, with their times
    Commands(Commands),
    /// Print the readable lines of a recording, with their times
    Text(Text),
    /// End a live session, or all live sessions of a person
    End(End),
    /// Import recordings of other programs: asciicast v1, v2 and v3
    Import(Import),
    /// Rebuild the search index from storage
    #[command(after_help = "\
`kubetape serve` keeps the index up to date. Stop it first: it locks the index while it runs. The old \
index stays in use until the new one is complete.

Example:
  kubetape --config kubetape.toml reindex")]
    Reindex,
    /// Verify recordings and journal: that nothing is missing, altered, moved or added
    Verify(Verify),
    /// Compare an API server's audit log with what was recorded: name what the cluster saw and nobody recorded
    CompareAudit(CompareAudit),
    /// List, show and rotate the keys that sign recordings and journal
    #[command(subcommand)]
    Key(Key),
    /// Create, list and revoke tokens for kubectl
    #[command(subcommand)]
    Token(Token),
    /// List and revoke client certificates for kubectl
    #[command(subcommand)]
    Certificate(Certificate),
    /// Shut a person out at once, or list who is
    Lock(Lock),
    /// Let a person in again
    Unlock(Unlock),
    /// Write a kubeconfig that reaches the clusters through the gateway
    Kubeconfig(Kubeconfig),
    /// Manage the people who log in to the web with a password
    #[command(subcommand)]
    User(User),
    /// Print a link that logs in to the web once
    LoginLink(LoginLink),
    /// Check the configuration file, or print a sample
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `kubetape demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a small API server of its own (one pod, `shell`, whose exec is a shell on this machine), the \
gateway and the web, on loopback only, and prints what to try. Ctrl-C ends it.

Examples:
  kubetape demo
  kubetape demo --folder ./demo        keeps the recordings; run it again to continue with them
  kubetape --config ./demo/kubetape.toml ls")]
pub struct Demo {
    /// Folder for all files [default: a temporary one, removed at the end]
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

/// `kubetape config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and the files it names, and print a summary
    Check,
    /// Print a sample configuration that explains every key
    Sample,
    /// Print the role that the gateway needs in a cluster: it may be whom the policy names, and nobody else
    Rbac(Rbac),
}

/// `kubetape config rbac`
#[derive(Debug, Args)]
#[command(after_help = "\
deploy/rbac.yaml lets the gateway act as everybody. This role has the names of the users and groups that the policy can give \
(as_user, as_groups), and of the gateway. Where a rule gives people their own name and who they are is not in the policy \
(groups, \"*\"), users cannot be listed: the role says so, and lists the groups, which rights come with.

Apply it after deploy/rbac.yaml, whose role it takes the place of, and again when the policy gives other users or groups: until \
then the API server refuses these.

Examples:
  kubetape config rbac | kubectl apply -f -
  kubetape config rbac --cluster prod > prod-role.yaml")]
pub struct Rbac {
    /// The cluster, as the configuration names it [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Namespace of the gateway's service account
    #[arg(long, short, value_name = "NAME", default_value = "kubetape")]
    pub namespace: String,
    /// The gateway's service account
    #[arg(long, value_name = "NAME", default_value = "kubetape-gateway")]
    pub service_account: String,
}
