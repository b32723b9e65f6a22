//! How long the steps take that a person waits for, and how far the store is behind.

use gateway::ForwardLatency;
use prometheus_client::{
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use recorder::LatencyObserver;

/// Who a message goes to.
type Receiver = [(&'static str, &'static str); 1];

/// Upper ends in seconds, of what takes microseconds unless something is wrong: half a millisecond is what a person at a
/// terminal never notices, a second is what everybody does.
const STEP: [f64; 12] = [0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.025, 0.1, 0.5, 2.5];
/// Upper ends in seconds: from a store that takes all at once to one that was away over a weekend.
const LAG: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 300.0, 3_600.0, 172_800.0];

/// Histograms of the recorder, its spool and the gateway. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Latencies {
    open: Histogram,
    sync: Histogram,
    upload_lag: Histogram,
    forward: Family<Receiver, Histogram, fn() -> Histogram>,
}

impl Latencies {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self {
            open: Histogram::new(STEP),
            sync: Histogram::new(STEP),
            upload_lag: Histogram::new(LAG),
            forward: Family::new_with_constructor(|| Histogram::new(STEP)),
        }
    }

    /// Has them encoded with the registry's other metrics.
    pub fn register(&self, registry: &mut Registry) {
        let mut seconds = |name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        seconds("open_duration", "How long recordings took to be opened, or refused by the spool", &self.open);
        seconds("spool_sync_duration", "How long syncs of the spool's disk took", &self.sync);
        seconds("upload_lag", "From a chunk's last write to the spool until the store had it", &self.upload_lag);
        let help = "From when a message of a session was read until it was recorded and forwarded";
        registry.register_with_unit("forward_duration", help, Unit::Seconds, self.forward.clone());
    }

    /// For [`recorder::Settings::open_latency`].
    pub fn open(&self) -> LatencyObserver {
        observer(&self.open)
    }

    /// For [`spool::Spool::observe_syncs`].
    pub fn sync(&self) -> LatencyObserver {
        observer(&self.sync)
    }

    /// For [`recorder::Settings::upload_lag`].
    pub fn upload_lag(&self) -> LatencyObserver {
        observer(&self.upload_lag)
    }

    /// For [`gateway::Settings::forward_latency`].
    pub fn forward(&self) -> ForwardLatency {
        let to = |receiver| observer(&self.forward.get_or_create(&[("to", receiver)]));
        ForwardLatency { to_server: to("server"), to_client: to("client") }
    }
}

fn observer(histogram: &Histogram) -> LatencyObserver {
    let histogram = histogram.clone();
    LatencyObserver::new(move |took| histogram.observe(took.as_secs_f64()))
}
