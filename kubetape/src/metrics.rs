//! What a monitoring system reads: numbers that the process knows at the moment, made when they are asked for.

use std::{collections::BTreeMap, sync::Arc};

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

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// Sessions that are under way.
    pub gateway: Gateway,
    /// Its spool and the store's weather.
    pub recorder: Arc<Recorder>,
    /// Everything that happened.
    pub journal: Journal,
}

/// The text that `/metrics` answers with.
pub fn exposition(sources: Sources) -> web::Exposition {
    let mut registry = Registry::with_prefix("kubetape");
    registry.register_collector(Box::new(Numbers(sources)));
    Arc::new(move || {
        let mut text = String::new();
        // A string takes everything.
        let _ = encode(&mut text, &registry);
        text
    })
}

struct Numbers(Sources);

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Numbers")
    }
}

impl Collector for Numbers {
    fn encode(&self, to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut sheet = Sheet(to);
        sheet.by("build", "The program", "version", MetricType::Gauge, [(env!("CARGO_PKG_VERSION"), 1)])?;
        self.sessions(&mut sheet)?;
        self.spool(&mut sheet)?;
        self.journal(&mut sheet)
    }
}

impl Numbers {
    fn sessions(&self, sheet: &mut Sheet<'_>) -> Result<(), std::fmt::Error> {
        let taken = self.0.journal.taken();
        let of = |name| taken.iter().filter(|((event, _), _)| *event == name).map(|(_, count)| count).sum::<u64>();
        sheet.gauge("sessions_live", "Recorded sessions under way", self.0.gateway.live().len() as u64)?;
        sheet.counter("sessions_opened", "Recorded sessions begun", of("session_opened"))?;
        let ends = taken.iter().filter_map(|((_, outcome), count)| Some(((*outcome)?, *count)));
        sheet.by("sessions_ended", "Recorded sessions ended", "outcome", MetricType::Counter, ends)?;
        sheet.counter("refusals", "Requests that the gateway refused", of("refused"))
    }

    fn spool(&self, sheet: &mut Sheet<'_>) -> Result<(), std::fmt::Error> {
        let spool = self.0.recorder.spool().gauges();
        let (gauge, bounds) = (spool.usage(), spool.limits());
        sheet.gauge("spool_sessions", "Sessions of which something is not stored yet", gauge.sessions as u64)?;
        sheet.gauge("spool_sessions_limit", "Where new ones are refused: spool.sessions", bounds.sessions as u64)?;
        sheet.bytes("spool_used", "Bytes of them on the gateway's disk", gauge.bytes)?;
        sheet.bytes("spool_limit", "Where new sessions are refused: spool.total_bytes", bounds.total_bytes)?;
        sheet.bytes("spool_disk_free", "Free on that disk", gauge.free)?;
        sheet.bytes("spool_disk_floor", "Below it new sessions are refused: spool.disk_floor", bounds.disk_floor)?;
        let full = spool.check().err();
        let reached = |bound: LimitKind| u64::from(matches!(&full, Some(SpoolError::Full(full)) if *full == bound));
        let reached = [("total", LimitKind::Total), ("sessions", LimitKind::Sessions), ("disk", LimitKind::Disk)]
            .map(|(name, bound)| (name, reached(bound)));
        sheet.by("spool_full", "1 while that bound is reached", "bound", MetricType::Gauge, reached)?;
        let away = *self.0.recorder.store_health().borrow() != StoreHealth::Healthy;
        sheet.gauge("store_away", "1 while the store does not take what is written", u64::from(away))?;
        let panics = self.0.recorder.task_panics();
        sheet.counter("recorder_task_panics", "Panics in tasks of the recorder, which started again", panics)
    }

    fn journal(&self, sheet: &mut Sheet<'_>) -> Result<(), std::fmt::Error> {
        let mut events: BTreeMap<&str, u64> = BTreeMap::new();
        for ((event, _), count) in self.0.journal.taken() {
            *events.entry(event).or_default() += count;
        }
        sheet.by("journal_entries", "Journal entries taken", "event", MetricType::Counter, events)?;
        let (bytes, entries) = self.0.journal.waiting();
        sheet.gauge("journal_waiting_entries", "Journal entries that are not stored yet", entries as u64)?;
        sheet.bytes("journal_waiting", "Bytes of them", bytes as u64)
    }
}

/// What is being written.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, number: u64) -> Result<(), std::fmt::Error> {
        self.one(name, help, None, &ConstGauge::new(number))
    }

    fn bytes(&mut self, name: &str, help: &str, number: u64) -> Result<(), std::fmt::Error> {
        self.one(name, help, Some(&Unit::Bytes), &ConstGauge::new(number))
    }

    fn counter(&mut self, name: &str, help: &str, number: u64) -> Result<(), std::fmt::Error> {
        self.one(name, help, None, &ConstCounter::new(number))
    }

    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> Result<(), std::fmt::Error> {
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
    ) -> Result<(), std::fmt::Error> {
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
