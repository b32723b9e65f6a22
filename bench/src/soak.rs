//! Many sessions for a long time, all ended at once. What each showed is written down, to be compared with its
//! recording.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use crate::exec_session::{ExecSession, ExecTarget, SessionEvent};

/// Bytes that are typed at a time.
const TYPED_BYTES: usize = 16;
/// After this time something is wrong.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many sessions, and for how long.
#[derive(Clone, Copy)]
pub struct SoakPlan {
    pub sessions: usize,
    pub every: Duration,
    pub seconds: f64,
}

/// Runs the sessions, distributed over the `targets`. Returns a line for each, and what went wrong.
pub async fn run(targets: &[Arc<ExecTarget>], plan: SoakPlan, text: &Arc<Vec<u8>>) -> (Vec<Value>, Vec<String>) {
    let opening = Arc::new(Semaphore::new(16));
    let opened = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Barrier::new(plan.sessions));
    let mut tasks = JoinSet::new();
    for number in 0..plan.sessions {
        let target = targets[number % targets.len()].clone();
        let (opening, opened, gate, text) = (opening.clone(), opened.clone(), gate.clone(), text.clone());
        tasks.spawn(async move {
            let permit = opening.acquire().await;
            let session = ExecSession::open(&target, &argv(number), true, true).await;
            drop(permit);
            if session.is_ok() && (opened.fetch_add(1, Relaxed) + 1).is_multiple_of(500) {
                eprintln!("{} sessions", opened.load(Relaxed));
            }
            gate.wait().await;
            one(session?, number, plan, &text).await.with_context(|| format!("session {number}"))
        });
    }
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        match done.map_err(anyhow::Error::from).flatten() {
            Ok(line) => seen.push(line),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    (seen, wrong)
}

fn argv(number: usize) -> Vec<String> {
    vec!["echo".to_owned(), format!("soak-{number}")]
}

/// Runs one session. All end together: the time is the same for all of them.
async fn one(mut session: ExecSession, number: usize, plan: SoakPlan, text: &[u8]) -> Result<Value> {
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(plan.seconds);
    let offset = plan.every.mul_f64(number as f64 / plan.sessions as f64);
    let mut ticks = interval_at(start + offset, plan.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut digest) = (0, Sha256::new());
    let mut at = number * 4096 % (text.len() - TYPED_BYTES);
    let mut slowest = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(until) => break,
            _ = ticks.tick() => {}
        }
        let typed = &text[at..at + TYPED_BYTES];
        let from = Instant::now();
        timeout(TIMEOUT, echoed(&mut session, typed)).await.context("no echo within 30 s")??;
        slowest = slowest.max(from.elapsed());
        digest.update(typed);
        shown += typed.len();
        at = (at + TYPED_BYTES) % (text.len() - TYPED_BYTES);
    }
    let end = async {
        session.close_stdin().await?;
        let nothing = |more: &[u8]| {
            ensure!(more.is_empty(), "more than was typed");
            Ok(())
        };
        session.finish(nothing).await
    };
    timeout(TIMEOUT, end).await.context("no end within 30 s")??;
    session.close().await;
    let sha256: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({"argv": argv(number), "bytes": shown, "sha256": sha256, "slowest_ms": slowest.as_millis() as u64}))
}

/// Types, and reads until all of it is echoed.
async fn echoed(session: &mut ExecSession, typed: &[u8]) -> Result<()> {
    session.stdin(typed).await?;
    let mut rest = typed;
    while !rest.is_empty() {
        match session.next().await? {
            SessionEvent::Stdout(data) => rest = rest.strip_prefix(&data[..]).context("other bytes than were typed")?,
            SessionEvent::Status(status) => anyhow::bail!("status {}", String::from_utf8_lossy(&status)),
            SessionEvent::End => anyhow::bail!("ended early"),
            SessionEvent::Other => {}
        }
    }
    Ok(())
}

/// Writes one line for each session.
pub fn write(file: &Path, seen: &[Value]) -> Result<()> {
    let lines: String = seen.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(file, lines).with_context(|| format!("writing {}", file.display()))
}
