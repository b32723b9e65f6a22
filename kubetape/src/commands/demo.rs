//! `kubetape demo`

mod folder;
mod script;

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use demo::DemoCluster;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::folder::DemoFolder;
use crate::{
    cli,
    commands::login_link,
    config::{Config, quantity::HumanDuration},
    output::line,
    running::{Readers, shutdown_on_signal},
    service::{Listeners, Service},
    wiring,
};

const GATEWAY: &str = "127.0.0.1:8443";
const WEB: &str = "127.0.0.1:8080";
/// How long the login link may be used: a demo is not left running for longer.
const LOGIN: HumanDuration = HumanDuration(Duration::from_secs(86_400));

pub async fn run(options: &cli::Demo, readers: Readers) -> Result<()> {
    let shutdown = shutdown_on_signal()?;
    let folder = DemoFolder::open(options.folder.as_deref())?;
    let gateway = listen(options.gateway, GATEWAY, "--gateway").await?;
    let web_address = options.web;
    let web = readers.run(async move { listen(web_address, WEB, "--web").await }).await?;
    let cluster = DemoCluster::start(SocketAddr::from(([127, 0, 0, 1], 0)), &folder.path("cluster"))
        .await
        .context("cannot start the demo's cluster")?;
    let config = folder.configure(gateway.local_addr()?, web.local_addr()?, &cluster.kubeconfig())?;
    let token = folder.kubeconfig(&config)?;
    let hint = format!("kubectl --kubeconfig {} exec -it shell -- bash", folder.path("kubeconfig").display());
    let service =
        Service::start(&config, Listeners::new(gateway, web), hint.clone(), shutdown.clone(), &readers).await?;
    // The service answers while the script talks to it.
    let running = tokio::spawn(service.run());
    first_session(&config, &token, &shutdown).await;
    announce(&config, &folder, &hint)?;
    let result = running.await.context("the demo broke")?;
    cluster.stop();
    // Until the pods' processes are gone.
    cluster.stopped().await;
    result
}

/// Binds the given address, or the usual one, or a free port if the usual one is taken.
async fn listen(given: Option<SocketAddr>, usual: &str, flag: &'static str) -> Result<TcpListener> {
    if let Some(given) = given {
        return wiring::listen(given, flag).await;
    }
    match TcpListener::bind(usual).await {
        Ok(listener) => Ok(listener),
        Err(_) => {
            eprintln!("{usual} is taken: using a free port ({flag} chooses one)");
            TcpListener::bind("127.0.0.1:0").await.context("cannot listen on any port of 127.0.0.1")
        }
    }
}

/// Records a session to look at. The demo works without it.
async fn first_session(config: &Config, token: &str, shutdown: &CancellationToken) {
    let ca = match wiring::authority(config) {
        Ok(authority) => authority.ca_pem().to_owned(),
        Err(error) => return tracing::warn!("the demo's own session was not made: {error:#}"),
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        played = script::play(config.gateway.listen, &ca, token) => {
            if let Err(error) = played {
                tracing::warn!("the demo's own session was not made: {error:#}");
            }
        }
    }
}

fn announce(config: &Config, folder: &DemoFolder, hint: &str) -> Result<()> {
    let web = config.web.as_ref().context("the demo's web is off")?;
    let link = login_link::create(&wiring::links(config)?, web, "auditor", LOGIN)?;
    line("Kubetape's demo runs, on this machine only. A first session is recorded.")?;
    line("")?;
    line("Be recorded:")?;
    line(format_args!("  {hint}"))?;
    if !in_path("kubectl") {
        line("  (kubectl is not installed here: https://kubernetes.io/docs/tasks/tools/, or on Debian:")?;
        line("   apt-get install kubernetes-client)")?;
    }
    line("Watch it (the link logs in once; `login-link` makes another):")?;
    line(format_args!("  {link}"))?;
    line("Ask for it:")?;
    let (program, file) = (program(), config.file.display());
    line(format_args!("  {program} --config {file} ls"))?;
    line(format_args!("  {program} --config {file} login-link"))?;
    line("")?;
    match folder.is_temporary() {
        true => line("Ctrl-C ends the demo and removes its recordings; --folder D keeps them.")?,
        false => line(format_args!("Ctrl-C ends the demo; its recordings stay in {}.", folder.path("").display()))?,
    }
    line("ready")?;
    Ok(())
}

/// What to type for this program: a path, if it is not in $PATH.
fn program() -> String {
    let here = std::env::current_exe().ok().filter(|_| !in_path("kubetape"));
    here.map_or_else(|| "kubetape".to_owned(), |path| path.display().to_string())
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: std::path::PathBuf| Path::is_file(&folder.join(program)))
}
