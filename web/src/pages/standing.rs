use verify::{Finding, Inspection, Standing};

use super::visible_text::VisibleText;

/// Reasons that a page shows; `kubetape verify` has all.
const REASONS: usize = 20;

/// What a recording is worth as evidence, for a page: a colour's class, a word, an explanation, and what is wrong.
pub(crate) struct StandingBadge {
    pub(crate) class: &'static str,
    pub(crate) label: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) reasons: Vec<VisibleText>,
    /// Whether it is to be seen before anything else.
    pub(crate) is_wrong: bool,
    /// False if the recording is so large that its chunks were not compared with the manifest.
    pub(crate) all_chunks: bool,
}

impl StandingBadge {
    pub(crate) fn new(inspection: &Inspection) -> Self {
        let standing = inspection.standing;
        Self {
            class: class(standing),
            label: standing.label(),
            explanation: explanation(standing),
            reasons: inspection.findings.iter().take(REASONS).map(reason).collect(),
            is_wrong: standing.is_wrong(),
            all_chunks: inspection.all_chunks,
        }
    }
}

/// A word beside a hit, of a recording that is not known to be right; `None` of others.
pub(crate) fn mark(standing: Option<Standing>) -> Option<(&'static str, &'static str)> {
    match standing {
        None => Some(("warn", "not verified yet")),
        Some(Standing::Proven | Standing::Live) => None,
        Some(standing) => Some((class(standing), standing.label())),
    }
}

/// A finding as a line.
pub(crate) fn reason(finding: &Finding) -> VisibleText {
    let Finding { object, problem, detail } = finding;
    VisibleText::clipped(&format!("{object}: {}: {detail}", problem.name()), 400)
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Proven => "ok",
        Standing::Live => "live",
        Standing::NotVouched => "warn",
        Standing::Unsigned | Standing::Foreign | Standing::Altered => "bad",
    }
}

fn explanation(standing: Standing) -> &'static str {
    match standing {
        Standing::Proven => {
            "A key that is trusted here signed it, the journal vouches for it, and it is as it was written."
        }
        Standing::Live => "It has no manifest yet: nobody vouches for what is there so far.",
        Standing::NotVouched => "Nothing that is trusted here vouches for it.",
        Standing::Unsigned => "Nobody signed it: anybody who can write the storage may have written it.",
        Standing::Foreign => "It is not where it belongs, or no gateway made it.",
        Standing::Altered => "It is not what was written.",
    }
}
