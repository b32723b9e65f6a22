use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Report, Verdict};

/// What a check of a whole store amounted to, to be kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationResult {
    /// When it was over.
    pub at: Timestamp,
    /// What it amounts to.
    pub verdict: Verdict,
    /// Recordings with a manifest.
    pub recordings: u64,
    /// What is wrong, in number.
    pub findings: u64,
    /// The first of it; empty if nothing is.
    pub first: String,
}

impl VerificationResult {
    /// Of a check that is over now.
    pub fn new(report: &Report, at: Timestamp) -> Self {
        let first = report.findings.first();
        Self {
            at,
            verdict: report.verdict(),
            recordings: report.recordings,
            findings: report.findings.len() as u64 + report.more_findings,
            first: first
                .map(|first| format!("{}: {}: {}", first.object, first.problem.name(), first.detail))
                .unwrap_or_default(),
        }
    }
}
