//! Whether a recording that is about to be shown is what was written.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use recording::{RecordingId, UnixMicros};
use storage::Store;
use verify::{Inspection, Question, Standing};

use crate::{config::Config, output::plain, wiring};

/// Chunks of so many bytes are read twice, to be checked and to be shown. Of a larger recording header, manifest and journal
/// are checked, and `kubetape verify` reads the rest.
const LARGEST: u64 = 256 << 20;
/// What is younger may not be stored and journalled as a whole.
const GRACE: Duration = Duration::from_secs(300);
/// Findings that are printed; more are counted.
const PRINTED: usize = 5;

/// Reads chunks of no more than `largest` bytes together.
async fn inspect(config: &Config, store: &Arc<dyn Store>, id: RecordingId, largest: u64) -> Result<Inspection> {
    let settled = UnixMicros::from(Timestamp::now()) - GRACE;
    let question = Question { trusted: wiring::trusted_keys(config)?, settled, ..Question::default() };
    verify::inspect(store, &question, id, largest).await.with_context(|| format!("cannot check {id}"))
}

/// What a recording without an end is worth, and why where it is not a gateway's: its header, and what the journal says.
///
/// # Errors
/// It cannot be checked.
pub async fn of_unfinished(config: &Config, store: &Arc<dyn Store>, id: RecordingId) -> Result<(Standing, String)> {
    let inspection = inspect(config, store, id, 0).await?;
    let why = inspection.findings.first().map(|finding| finding.detail.clone());
    Ok((inspection.standing, why.unwrap_or_default()))
}

/// Says on stderr what is wrong with a recording. Nothing is printed of one that is proven, or live.
///
/// # Errors
/// It cannot be checked.
pub async fn warn(config: &Config, id: RecordingId) -> Result<()> {
    let store = wiring::store_to_read(config).await?;
    let inspection = inspect(config, &store, id, LARGEST).await?;
    if !inspection.findings.is_empty() {
        eprintln!("{}", summary(&inspection));
    }
    Ok(())
}

/// Refuses to go on with a recording that is not as it was written, unless that was asked for.
///
/// # Errors
/// What is wrong with it.
pub async fn require_right(config: &Config, store: &Arc<dyn Store>, id: RecordingId, unproven: bool) -> Result<()> {
    let inspection = inspect(config, store, id, LARGEST).await?;
    if inspection.standing.is_wrong() && !unproven {
        bail!("{}\nAn excerpt of it proves nothing: write it all the same with --unproven", summary(&inspection));
    }
    if !inspection.findings.is_empty() {
        eprintln!("{}", summary(&inspection));
    }
    Ok(())
}

fn summary(inspection: &Inspection) -> String {
    let findings = &inspection.findings;
    let mut text = match inspection.standing {
        Standing::NotVouched => "not vouched for: nothing that is trusted here vouches for this recording".to_owned(),
        standing => format!("{}: this recording is not as it was written", standing.label()),
    };
    for finding in findings.iter().take(PRINTED) {
        text += &format!("\n  {}: {}: {}", plain(&finding.object), finding.problem.name(), plain(&finding.detail));
    }
    if findings.len() > PRINTED {
        text += &format!("\n  and {} more: see `kubetape verify`", findings.len() - PRINTED);
    }
    text
}
