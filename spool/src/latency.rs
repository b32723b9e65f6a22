use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Is told how long each operation of one kind took. The default is told nothing, and then no clock is read. Cheap to clone.
#[derive(Clone, Default)]
pub struct LatencyObserver(Option<Arc<dyn Fn(Duration) + Send + Sync>>);

impl LatencyObserver {
    /// Calls `observe` after every operation, on the thread that did it. `observe` must not block.
    pub fn new(observe: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// The moment at which an operation began; `None` if nobody is told of its end.
    pub fn start(&self) -> Option<Instant> {
        self.0.is_some().then(Instant::now)
    }

    /// Tells of an operation that began at `start`, which [`Self::start`] returned, and is over now.
    pub fn observe_since(&self, start: Option<Instant>) {
        if let Some(start) = start {
            self.observe(start.elapsed());
        }
    }

    /// Tells of an operation that took so long.
    pub fn observe(&self, took: Duration) {
        if let Some(observe) = &self.0 {
            observe(took);
        }
    }
}

impl fmt::Debug for LatencyObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyObserver").field("is_told", &self.0.is_some()).finish()
    }
}
