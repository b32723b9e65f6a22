//! A client that sends what it is told and reads what comes.

use std::sync::Arc;
use std::time::Duration;

use demo::DemoCluster;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No answer within this is a failure of the test.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A cluster of a test's own.
pub struct TestCluster {
    pub demo: DemoCluster,
    pub folder: TempDir,
}

impl TestCluster {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let demo = DemoCluster::start("127.0.0.1:0".parse().unwrap(), folder.path()).await.unwrap();
        Self { demo, folder }
    }

    /// A TLS connection without ALPN, as kubectl's upgrades have it.
    pub async fn connect(&self) -> TestConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.demo.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(self.demo.addr()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TestConnection(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap())
    }

    /// Sends a request with the token; the rest of the head as given.
    pub async fn request(&self, line: &str, headers: &str, body: &str) -> TestConnection {
        let mut connection = self.connect().await;
        let (token, length) = (self.demo.token(), body.len());
        let head = format!(
            "{line} HTTP/1.1\r\nHost: demo\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        connection.send(head.as_bytes()).await;
        connection.send(body.as_bytes()).await;
        connection
    }

    /// Status code and JSON of an answer.
    pub async fn json(&self, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut connection = self.request(line, &format!("Connection: close\r\n{headers}"), body).await;
        connection.answer().await
    }

    /// Upgrades; gives the 101's head in lower case.
    pub async fn upgrade(&self, line: &str, headers: &str) -> (String, TestConnection) {
        let mut connection = self.request(line, &format!("Connection: Upgrade\r\n{headers}"), "").await;
        let head = connection.head().await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        (head, connection)
    }
}

pub struct TestConnection(TlsStream<TcpStream>);

impl TestConnection {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Up to and with the empty line, in lower case.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.take(1).await);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        tokio::time::timeout(TIMEOUT, self.0.read_exact(&mut bytes)).await.expect("nothing came").unwrap();
        bytes
    }

    /// Exactly these bytes come next.
    pub async fn expect(&mut self, bytes: &[u8]) {
        let got = self.take(bytes.len()).await;
        assert_eq!(got, bytes, "{:?}", String::from_utf8_lossy(&got));
    }

    /// Everything up to the server's end.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        tokio::time::timeout(TIMEOUT, self.0.read_to_end(&mut bytes)).await.expect("no end came").unwrap();
        bytes
    }

    /// Reads until the text has come.
    pub async fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            seen.push_str(&String::from_utf8_lossy(&self.take(1).await));
        }
        seen
    }

    pub async fn answer(&mut self) -> (u16, Value) {
        let head = self.head().await;
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, serde_json::from_slice(&self.rest().await).unwrap_or(Value::Null))
    }
}
