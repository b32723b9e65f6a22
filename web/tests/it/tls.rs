use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{sample, site::Site};

fn pair() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server.unwrap()), Arc::new(client))
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_this_host_and_tls_only() {
    let (server, client) = pair();
    let site = Site::open_with(sample::empty(), "127.0.0.1:0", Some(server)).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(client).connect(name, stream).await.unwrap();
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        site.link
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let reply = String::from_utf8(reply).unwrap();

    assert!(reply.starts_with("HTTP/1.1 303"), "{reply}");
    assert!(reply.contains("strict-transport-security: max-age="), "{reply}");
    let cookie = reply.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("set-cookie: __Host-kubetape="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
}

#[tokio::test]
async fn plain_http_to_a_tls_port_gets_nothing() {
    let (server, _) = pair();
    let site = Site::open_with(sample::empty(), "127.0.0.1:0", Some(server)).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET /login HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    assert!(!reply.windows(4).any(|window| window == b"HTTP"));
}

#[tokio::test]
async fn after_the_shutdown_nobody_is_let_in() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    site.close().await;
    assert!(TcpStream::connect(site.address).await.is_err());
}
