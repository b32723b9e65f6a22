//! A client that sends what the test writes, byte for byte.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub struct Client {
    stream: TlsStream<TcpStream>,
}

/// An answer's head and body.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

/// TLS without ALPN, as kubectl dials for upgrades.
pub fn tls(root_pem: &str, certificate: Option<(&str, &str)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

impl Client {
    pub async fn connect(tls: TlsConnector, address: std::net::SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        Self::over(tls, tcp).await
    }

    /// TLS on a connection whose first bytes the test wrote.
    pub async fn over(tls: TlsConnector, tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self { stream: tls.connect("localhost".try_into().unwrap(), tcp).await.unwrap() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// An answer with a `Content-Length`.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let body = self.read(length.unwrap_or(0)).await;
        Answer { head, body: String::from_utf8(body).unwrap() }
    }

    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.expect("the connection must end in good order");
        bytes
    }

    /// Waits until the gateway has let go of the connection, in whatever order.
    pub async fn abandoned(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new()).await;
    }

    pub async fn shutdown(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

impl Answer {
    pub fn code(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Checks that it is a Status of this code, and returns its message.
    pub fn status(&self, code: u16) -> String {
        assert_eq!(self.code(), code, "{self:?}");
        assert!(self.head.to_ascii_lowercase().contains("content-type: application/json"), "{}", self.head);
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!((&json["kind"], &json["status"]), (&"Status".into(), &"Failure".into()));
        assert_eq!(json["code"], code);
        json["message"].as_str().unwrap().to_owned()
    }
}
