//! Runs the demo cluster by itself, for trying kubectl against it directly.
//!
//! `demo-cluster --listen 127.0.0.1:0 --folder D` writes `D/kubeconfig` and
//! prints the address.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use demo::DemoCluster;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (listen, folder) = arguments()?;
    let cluster = DemoCluster::start(listen, &folder).await?;
    let kubeconfig = folder.join("kubeconfig");
    // The listener's reader waits for this line, so the file comes first.
    tokio::fs::write(&kubeconfig, cluster.kubeconfig()).await?;
    println!("{}", cluster.url());
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    cluster.stop();
    cluster.stopped().await;
    Ok(())
}

fn arguments() -> Result<(SocketAddr, PathBuf), Box<dyn Error>> {
    let usage = "usage: demo-cluster [--listen 127.0.0.1:PORT] --folder FOLDER";
    let (mut listen, mut folder) = ("127.0.0.1:0".parse()?, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(usage)?;
        match name.as_str() {
            "--listen" => listen = value.parse()?,
            "--folder" => folder = Some(PathBuf::from(value)),
            _ => return Err(usage.into()),
        }
    }
    Ok((listen, folder.ok_or(usage)?))
}
