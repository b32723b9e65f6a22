use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::TcpListener;

use crate::{config::Config, running::Readers, wiring};

/// The listeners, bound before anything else is done: that a port is taken is known at once.
pub struct Listeners {
    pub(super) gateway: TcpListener,
    pub(super) web: Option<TcpListener>,
    pub(super) metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration says.
    ///
    /// # Errors
    /// An address cannot be listened on; the error names its key.
    pub async fn bind(config: &Config, readers: &Readers) -> Result<Self> {
        let gateway = wiring::listen(config.gateway.listen, "gateway.listen").await?;
        let web = match &config.web {
            Some(web) => Some(readers.run(wiring::listen(web.listen, "web.listen")).await?),
            None => None,
        };
        let metrics = match config.metrics {
            Some(address) => Some(readers.run(wiring::listen(address, "metrics.listen")).await?),
            None => None,
        };
        Ok(Self { gateway, web, metrics })
    }

    /// Takes listeners that are bound.
    pub fn new(gateway: TcpListener, web: TcpListener) -> Self {
        Self { gateway, web: Some(web), metrics: None }
    }

    /// The address for kubectl, with the port that was taken.
    pub fn gateway(&self) -> Result<SocketAddr> {
        Ok(self.gateway.local_addr()?)
    }

    /// The address for browsers, or `None` if the web is off.
    pub fn web(&self) -> Result<Option<SocketAddr>> {
        Ok(self.web.as_ref().map(TcpListener::local_addr).transpose()?)
    }
}
