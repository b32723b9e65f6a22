//! Options of the subcommands about people and their credentials.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::quantity::HumanDuration;

/// `kubetape token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Create a token and print its secret, once
    Create {
        /// The token's person
        #[arg(long, value_name = "NAME")]
        user: String,
        /// A group of the person, as the policy names it; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// How long it is valid, such as 30d
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: HumanDuration,
        /// Valid until it is revoked
        #[arg(long, conflicts_with = "expires")]
        never_expires: bool,
    },
    /// List tokens, without their secrets
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token
    Revoke {
        /// The token's id, as `token ls` prints it
        id: String,
    },
}

/// `kubetape certificate`
#[derive(Debug, Subcommand)]
pub enum Certificate {
    /// List the client certificates that were made and have not expired
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a certificate: it is refused from the next request on
    Revoke {
        /// Its serial number, as `certificate ls` prints it
        serial: String,
    },
}

/// `kubetape lock`
#[derive(Debug, Args)]
#[command(after_help = "\
Every credential of the person is refused from this moment on: certificates, tokens, passwords, links and logins; and what they have \
under way ends: sessions, watches, logs that they follow. Without a name it lists who is locked out.

Examples:
  kubetape lock bob --reason 'the laptop was stolen'
  kubetape lock
  kubetape unlock bob")]
pub struct Lock {
    /// The person's name
    pub person: Option<String>,
    /// Why; the person sees it, and the journal has it
    #[arg(long, value_name = "TEXT", requires = "person")]
    pub reason: Option<String>,
    /// Print the list as JSON
    #[arg(long, conflicts_with = "person")]
    pub json: bool,
}

/// `kubetape unlock`
#[derive(Debug, Args)]
pub struct Unlock {
    /// The person's name
    pub person: String,
}

/// `kubetape kubeconfig`
#[derive(Debug, Args)]
#[command(after_help = "\
Creates a credential for the person (a token, or with --certificate a client certificate of the gateway's \
CA) and writes a kubeconfig with one context per cluster. Give it to that person only.

Examples:
  kubetape kubeconfig --user ann --group developers -o ann.kubeconfig
  kubetape kubeconfig --user ann --certificate --expires 1d -o ann.kubeconfig
  kubetape kubeconfig --user ann --cluster production --token-file ann.token")]
pub struct Kubeconfig {
    /// The person [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A group of the person, as the policy names it; may be repeated
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "token_file")]
    pub groups: Vec<String>,
    /// Only this cluster; may be repeated [default: all configured clusters]
    #[arg(long = "cluster", value_name = "NAME")]
    pub clusters: Vec<String>,
    /// Use the token in this file instead of creating one
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    pub token_file: Option<PathBuf>,
    /// Create a client certificate instead of a token
    #[arg(long)]
    pub certificate: bool,
    /// How long the credential is valid [default: token 30d, certificate 1d]
    #[arg(long, value_name = "TIME", conflicts_with = "token_file")]
    pub expires: Option<HumanDuration>,
    /// File to write, with mode 0600 [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `kubetape user`
#[derive(Debug, Subcommand)]
pub enum User {
    /// List the people who have a password
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a person
    Add {
        /// The person's name
        name: String,
        /// Read the password from the first line of stdin instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change the password of a person, which ends the web sessions that began with the one before
    Passwd {
        /// The person's name
        name: String,
        /// Read the password from the first line of stdin instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a person, their login links and all their web sessions
    #[command(visible_alias = "remove")]
    Rm {
        /// The person's name
        name: String,
    },
}

/// `kubetape login-link`
#[derive(Debug, Args)]
pub struct LoginLink {
    /// The person who is logged in
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub user: String,
    /// How long the link may be used
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub expires: HumanDuration,
    /// Print no link: revoke the person's links, and end the web sessions that began with one
    #[arg(long, conflicts_with = "expires")]
    pub revoke: bool,
}
