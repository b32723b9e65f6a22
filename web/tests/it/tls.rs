use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use web::Tls;

use crate::{
    sample,
    site::{Options, Site},
};

/// Writes a new certificate and its key into the folder. Returns the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// A site that serves the certificate in the folder.
async fn over_tls(folder: &TempDir) -> Site {
    let tls = Tls::open(folder.path().join("certificate.pem"), folder.path().join("key.pem")).unwrap();
    let options = Options { tls: Some(tls), ..Options::default() };
    Site::open_with(sample::empty(), "127.0.0.1:0", options).await
}

/// Connects, trusting that certificate only.
async fn connect(site: &Site, trusted: CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(site.address).await.unwrap();
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_this_host_and_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let site = over_tls(&folder).await;
    let mut stream = connect(&site, certificate).await.unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let site = over_tls(&folder).await;
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

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let site = over_tls(&folder).await;
    connect(&site, first.clone()).await.unwrap();

    // Half a renewal: the certificate before stays.
    std::fs::write(folder.path().join("key.pem"), "not yet").unwrap();
    connect(&site, first.clone()).await.unwrap();

    let second = certify(folder.path());
    connect(&site, second).await.unwrap();
    assert!(connect(&site, first).await.is_err());
}

#[test]
fn files_that_cannot_be_served_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let wrong = |certificate: &Path, key: &Path| Tls::open(certificate, key).unwrap_err().to_string();
    assert!(wrong(&certificate, &key).contains("certificate.pem"));
    certify(folder.path());
    assert!(wrong(&key, &key).contains("has no certificate"));
    assert!(wrong(&certificate, &certificate).contains("is not a PEM private key"));
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    assert!(wrong(&certificate, &other.path().join("key.pem")).contains("is not the key of"));
}
