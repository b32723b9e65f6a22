//! What a monitoring system reads.
//!
//! Gauges and counters are numbers that the process knows anyway, read when they are asked for. How long something
//! takes is measured where it is done, and kept in histograms.

mod latencies;
mod store;

use std::{collections::BTreeMap, fmt, sync::Arc};

use gateway::Gateway;
use journal::Journal;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use recorder::{Recorder, StoreHealth};
use spool::{LimitKind, SpoolError};
use tokio::sync::watch;
use verify::VerificationResult;

pub use self::latencies::Latencies;
pub use self::store::{StoreTimes, measured};

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// Live sessions.
    pub gateway: Gateway,
    /// Its spool, and whether the store is available.
    pub recorder: Arc<Recorder>,
    /// Everything that happened.
    pub journal: Journal,
    /// How long the store took.
    pub store: StoreTimes,
    /// How long recorder, spool and gateway took.
    pub latencies: Latencies,
    /// What the last verification of the store found.
    pub verified: watch::Receiver<Option<VerificationResult>>,
}

/// The text that `/metrics` answers with.
pub fn exposition(sources: Sources) -> web::Exposition {
    let mut registry = Registry::with_prefix("kubetape");
    sources.store.register(&mut registry);
    sources.latencies.register(&mut registry);
    registry.register_collector(Box::new(ProcessMetrics(sources)));
    Arc::new(move || {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    })
}

struct ProcessMetrics(Sources);

impl fmt::Debug for ProcessMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessMetrics")
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut encoder = MetricEncoder(to);
        encoder.by("build", "The program", "version", MetricType::Gauge, [(env!("CARGO_PKG_VERSION"), 1)])?;
        self.sessions(&mut encoder)?;
        self.spool(&mut encoder)?;
        self.journal(&mut encoder)?;
        self.verification(&mut encoder)
    }
}

impl ProcessMetrics {
    fn sessions(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let taken = self.0.journal.taken();
        let count = |name| taken.iter().filter(|((event, _), _)| *event == name).map(|(_, count)| count).sum::<u64>();
        encoder.gauge("sessions_live", "Recorded sessions under way", self.0.gateway.live().len() as u64)?;
        encoder.counter("sessions_opened", "Recorded sessions begun", count("session_opened"))?;
        let ends = taken.iter().filter_map(|((_, outcome), count)| Some(((*outcome)?, *count)));
        encoder.by("sessions_ended", "Recorded sessions ended", "outcome", MetricType::Counter, ends)?;
        encoder.counter("refusals", "Requests that the gateway refused", count("refused"))
    }

    fn spool(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let spool = self.0.recorder.spool().gauges();
        let (usage, limits) = (spool.usage(), spool.limits());
        encoder.gauge("spool_sessions", "Sessions of which something is not stored yet", usage.sessions as u64)?;
        encoder.gauge("spool_sessions_limit", "Where new ones are refused: spool.sessions", limits.sessions as u64)?;
        encoder.bytes("spool_used", "Bytes of them on the gateway's disk", usage.bytes)?;
        encoder.bytes("spool_limit", "Where new sessions are refused: spool.total_bytes", limits.total_bytes)?;
        encoder.bytes("spool_disk_free", "Free on that disk", usage.free)?;
        encoder.bytes("spool_disk_floor", "Below it new sessions are refused: spool.disk_floor", limits.disk_floor)?;
        let full = spool.check().err();
        let reached = |limit: LimitKind| u64::from(matches!(&full, Some(SpoolError::Full(full)) if *full == limit));
        let reached = [("total", LimitKind::Total), ("sessions", LimitKind::Sessions), ("disk", LimitKind::Disk)]
            .map(|(name, limit)| (name, reached(limit)));
        encoder.by("spool_full", "1 while that limit is reached", "bound", MetricType::Gauge, reached)?;
        let unavailable = *self.0.recorder.store_health().borrow() != StoreHealth::Healthy;
        encoder.gauge("store_unavailable", "1 while the store takes nothing", u64::from(unavailable))?;
        let panics = self.0.recorder.task_panics();
        encoder.counter("recorder_task_panics", "Panics in tasks of the recorder, which were started again", panics)
    }

    fn verification(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let last = self.0.verified.borrow().clone();
        let (at, findings) = last.map_or((0, 0), |last| (last.at.as_second().unsigned_abs(), last.findings));
        let help = "When the whole store was verified last, in seconds since 1970; 0 if it never was";
        encoder.gauge("verified_timestamp_seconds", help, at)?;
        encoder.gauge("verification_findings", "What the last verification of the store found to be wrong", findings)
    }

    fn journal(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let mut events: BTreeMap<&str, u64> = BTreeMap::new();
        for ((event, _), count) in self.0.journal.taken() {
            *events.entry(event).or_default() += count;
        }
        encoder.by("journal_entries", "Journal entries taken", "event", MetricType::Counter, events)?;
        let (bytes, entries) = self.0.journal.waiting();
        encoder.gauge("journal_waiting_entries", "Journal entries that are not stored yet", entries as u64)?;
        encoder.bytes("journal_waiting", "Bytes of them", bytes as u64)
    }
}

/// Encodes numbers as metrics.
struct MetricEncoder<'a>(DescriptorEncoder<'a>);

impl MetricEncoder<'_> {
    fn gauge(&mut self, name: &str, help: &str, number: u64) -> Result<(), fmt::Error> {
        self.one(name, help, None, &ConstGauge::new(number))
    }

    fn bytes(&mut self, name: &str, help: &str, number: u64) -> Result<(), fmt::Error> {
        self.one(name, help, Some(&Unit::Bytes), &ConstGauge::new(number))
    }

    fn counter(&mut self, name: &str, help: &str, number: u64) -> Result<(), fmt::Error> {
        self.one(name, help, None, &ConstCounter::new(number))
    }

    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> Result<(), fmt::Error> {
        metric.encode(self.0.encode_descriptor(name, help, unit, metric.metric_type())?)
    }

    /// One number for each value of a label.
    fn by<'n>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        kind: MetricType,
        numbers: impl IntoIterator<Item = (&'n str, u64)>,
    ) -> Result<(), fmt::Error> {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, number) in numbers {
            let labels = [(label, value)];
            let one = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(number).encode(one)?,
                _ => ConstGauge::new(number).encode(one)?,
            }
        }
        Ok(())
    }
}
