//! Options of `kubetape search`.

use clap::{Args, ValueEnum};

use super::recordings::{Filter, at_least_one};

/// `kubetape search`
#[derive(Debug, Args)]
#[command(after_help = "\
Query language (use single quotes to keep the shell from interpreting it):
  kubectl delete        all words, in any order and case
  'rm -rf'              options are words; quoted, so that they are not taken as options of this command
  10.0.3.7 /etc/passwd  tokens with punctuation match whole, and by their parts
  '\"rm -rf\"'            a phrase, in this order
  'nginx-*' '*.conf'    a star matches any characters of a word or token
  're:web-[0-9]+'       a regular expression for a whole word or token
  'NOT nginx -ns:prod'  excludes; - only before a filter, a phrase or a group
  '(curl OR wget) sh'   either of these
  user:ann ns:prod      filters, also with stars and lists: 'pod:web-*' 'user:(ann OR bob)'
  when:today            also yesterday 14:00, last 2h, monday, 2026-11-20..2026-11-22

Filters: user: ns: cluster: pod: container: session: when: tty: exit: outcome: kind: (session, command, output,
request, exec, attach, port_forward), source: (argv, typed, request), and of API requests verb: resource: code:

`kubetape serve` keeps the index up to date; `kubetape reindex` rebuilds it from storage. Secrets of known forms
are masked in it. The command line of a kubectl run is rebuilt from its API requests.

Examples:
  kubetape search kubectl delete
  kubetape search '\"rm -rf\"' --user ann
  kubetape search 'passwd kind:output exit:>0 when:last 7 days' --order oldest
  kubetape search --json --kind command passwd | jq -r '.[].session'

--json writes an array, each with kind, session, offset (seconds in the session), time, user, cluster, \
namespace, pod, container, source (argv, typed or request), rebuilt, text, requests and snippet. If there are \
more hits than it lists, stderr says so; --since and --until divide them.")]
pub struct Search {
    /// The query
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Only hits of this kind; may be repeated
    #[arg(long, value_name = "KIND", value_enum)]
    pub kind: Vec<HitKind>,
    /// Order of hits: newest, oldest or relevance
    #[arg(long, value_name = "ORDER", default_value = "newest", value_parser = order)]
    pub order: search::Order,
    /// Most hits to list [default: 50; with --json all, at most 10000]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn order(text: &str) -> Result<search::Order, String> {
    text.parse().map_err(|()| "it is newest, oldest or relevance".to_owned())
}

/// Kinds of hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HitKind {
    /// A recording.
    Session,
    /// A command of a session.
    Command,
    /// Lines of a session's output.
    Output,
    /// An API request, or all requests of one kubectl run.
    Request,
}
