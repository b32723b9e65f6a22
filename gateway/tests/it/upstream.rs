//! An API server that says what the test tells it to, and shows what it was sent.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub struct Upstream {
    pub address: SocketAddr,
    pub certificate_pem: String,
    connections: mpsc::UnboundedReceiver<Connection>,
}

/// A connection of the gateway's, with the first head that came on it.
pub struct Connection {
    pub head: String,
    stream: TlsStream<TcpStream>,
}

impl Upstream {
    pub async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        // As an API server: a client that offers h2 gets h2.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            // One after the other, so that connections are seen in the order in which they were made.
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(tcp).await else { continue };
                assert_eq!(stream.get_ref().1.alpn_protocol(), None, "the gateway must not ask for h2");
                let mut connection = Connection { head: String::new(), stream };
                connection.read_head().await;
                let _ = send.send(connection);
            }
        });
        Self { address, certificate_pem: made.cert.pem(), connections }
    }

    /// The next connection that the gateway made.
    pub async fn next(&mut self) -> Connection {
        self.connections.recv().await.unwrap()
    }

    /// Checks that nothing was dialled until now: a connection of the test's own is the next one.
    pub async fn assert_untouched(&mut self) {
        let tls = crate::client::tls(&self.certificate_pem, None);
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let mut own = tls.connect("127.0.0.1".try_into().unwrap(), tcp).await.unwrap();
        own.write_all(b"the test itself\r\n\r\n").await.unwrap();
        own.flush().await.unwrap();
        assert_eq!(self.next().await.head, "the test itself\r\n\r\n");
    }
}

impl Connection {
    pub async fn read_head(&mut self) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        self.head = String::from_utf8(head).unwrap();
    }

    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// All values of a header, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes).await;
        bytes
    }

    pub async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}
