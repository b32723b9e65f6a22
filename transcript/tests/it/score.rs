use crate::corpus::TypedSession;

/// How a session's commands compare with the program's own log.
#[derive(Clone, Debug, Default)]
pub struct Score {
    pub expected: usize,
    pub exact: usize,
    pub missed: Vec<String>,
    pub extra: Vec<String>,
}

impl Score {
    pub fn of(session: &TypedSession, found: &[String]) -> Self {
        let expected = listed(session, &session.commands);
        let found = listed(session, found);
        let pairs = longest_common(&expected, &found);
        let missed = (0..expected.len()).filter(|at| !pairs.iter().any(|pair| pair.0 == *at));
        let mut may = session.may.clone();
        let extra = (0..found.len()).filter(|at| !pairs.iter().any(|pair| pair.1 == *at)).filter(|at| {
            let allowed = may.iter().position(|text| *text == found[*at]);
            allowed.map(|at| may.remove(at)).is_none()
        });
        Self {
            expected: expected.len(),
            exact: pairs.len(),
            missed: missed.map(|at| expected[at].clone()).collect(),
            extra: extra.map(|at| found[at].clone()).collect(),
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.exact += other.exact;
        self.missed.extend_from_slice(&other.missed);
        self.extra.extend_from_slice(&other.extra);
    }

    pub fn percent(&self) -> f64 {
        100.0 * self.exact as f64 / self.expected.max(1) as f64
    }
}

/// Entries in the log's form. Blanks at a line's end stand on no screen.
fn listed(session: &TypedSession, texts: &[String]) -> Vec<String> {
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned();
    let mut entries: Vec<String> = match session.by.as_str() {
        "line" => texts.iter().flat_map(|text| text.lines()).map(|line| line.trim_end().to_owned()).collect(),
        _ => texts.iter().map(|text| trimmed(text)).collect(),
    };
    entries.retain(|entry| !entry.trim().is_empty());
    if session.once {
        entries.dedup();
    }
    entries
}

/// Indexes of equal entries: a longest common subsequence.
fn longest_common(one: &[String], other: &[String]) -> Vec<(usize, usize)> {
    let mut lengths = vec![vec![0_u32; other.len() + 1]; one.len() + 1];
    for a in (0..one.len()).rev() {
        for b in (0..other.len()).rev() {
            lengths[a][b] =
                if one[a] == other[b] { lengths[a + 1][b + 1] + 1 } else { lengths[a + 1][b].max(lengths[a][b + 1]) };
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < one.len() && b < other.len() {
        if one[a] == other[b] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if lengths[a + 1][b] >= lengths[a][b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}
