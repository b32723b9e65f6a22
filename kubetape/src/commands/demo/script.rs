//! The session that the demo records first: a few commands are typed through the gateway, as a person would.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

const EXEC: &str = "/clusters/demo/api/v1/namespaces/default/pods/shell/exec\
                    ?command=bash&command=--norc&container=shell&stdin=true&stdout=true&tty=true";
const LINES: [&str; 5] = [
    "echo \"Hello from a shell that is recorded\"",
    "id -un; date -u +%A",
    "printf '%s\\n' apples pears plums > basket && wc -l basket",
    "for step in one two three; do echo \"step $step\"; sleep 0.2; done",
    "cat /etc/os-release | head -3",
];
/// Pause between two keys: a replay should look typed.
const KEY_INTERVAL: Duration = Duration::from_millis(18);
/// Pause before a line is typed: time to read the output.
const LINE_INTERVAL: Duration = Duration::from_millis(250);
/// How long one command may take.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Channels of `v5.channel.k8s.io`.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const RESIZE: u8 = 4;

/// Plays the session to its end.
pub async fn play(gateway: SocketAddr, ca_pem: &str, token: &str) -> Result<()> {
    let mut shell = Shell(connect(gateway, ca_pem, token).await?);
    shell.send(RESIZE, br#"{"Width":100,"Height":28}"#).await?;
    shell.until_prompt().await?;
    for line in LINES {
        tokio::time::sleep(LINE_INTERVAL).await;
        shell.type_line(line).await?;
        shell.until_prompt().await?;
    }
    shell.type_line("exit").await?;
    shell.until_end().await
}

type Connection = WebSocketStream<TlsStream<TcpStream>>;

async fn connect(gateway: SocketAddr, ca_pem: &str, token: &str) -> Result<Connection> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(gateway).await.context("cannot reach the demo's gateway")?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(ServerName::from(gateway.ip()), tcp).await?;
    let mut request = format!("wss://{gateway}{EXEC}").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("v5.channel.k8s.io"));
    headers.insert("user-agent", HeaderValue::from_static(concat!("kubetape-demo/", env!("CARGO_PKG_VERSION"))));
    let (connection, _) = client_async(request, stream).await.context("the demo's gateway refused")?;
    Ok(connection)
}

struct Shell(Connection);

impl Shell {
    async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<()> {
        let message: Vec<u8> = [&[channel], bytes].concat();
        Ok(self.0.send(Message::Binary(message.into())).await?)
    }

    async fn type_line(&mut self, line: &str) -> Result<()> {
        let mut key = [0; 4];
        for character in line.chars().chain(['\r']) {
            self.send(STDIN, character.encode_utf8(&mut key).as_bytes()).await?;
            tokio::time::sleep(KEY_INTERVAL).await;
        }
        Ok(())
    }

    /// Reads until the shell waits for the next command: its output ends with a prompt.
    async fn until_prompt(&mut self) -> Result<()> {
        let mut tail = String::new();
        let prompt = async {
            // The echo of a typed line does not end like a prompt.
            while !(tail.ends_with("$ ") || tail.ends_with("# ")) {
                match self.0.next().await.context("the shell ended early")?? {
                    Message::Binary(message) if message.first() == Some(&STDOUT) => {
                        tail.push_str(&String::from_utf8_lossy(&message[1..]));
                    }
                    Message::Close(_) => bail!("the shell ended early"),
                    _ => {}
                }
            }
            Ok(())
        };
        timeout(PROMPT_TIMEOUT, prompt).await.context("the shell showed no prompt")?
    }

    async fn until_end(&mut self) -> Result<()> {
        let end = async { while matches!(self.0.next().await, Some(Ok(message)) if !message.is_close()) {} };
        timeout(PROMPT_TIMEOUT, end).await.context("the shell did not end")
    }
}
