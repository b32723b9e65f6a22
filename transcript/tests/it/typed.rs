//! Typed commands, measured against the programs' own logs.
//!
//! `cargo test -p transcript --test it -- --nocapture table` prints the table of `docs/commands.md`.

use std::collections::BTreeMap;

use transcript::Commands;

use crate::{
    corpus::{Session, sessions},
    score::Score,
};

fn found(session: &Session, keys: bool) -> Vec<String> {
    let mut commands = Commands::new();
    session.events(keys).for_each(|event| commands.event(&event));
    commands.finish().into_iter().map(|command| command.text).collect()
}

/// Scores by program.
fn scores(set: &str, keys: bool) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for session in sessions(set) {
        let found = found(&session, keys);
        let score = Score::of(&session, &found);
        let wanted = std::env::var("TYPED_SHOW").unwrap_or_default();
        if !wanted.is_empty() && session.name.contains(&wanted) && (!score.missed.is_empty() || !score.extra.is_empty())
        {
            println!(
                "{} ({}): missed {:#?} extra {:#?}",
                session.name,
                if keys { "keys" } else { "no keys" },
                score.missed,
                score.extra
            );
        }
        scores.entry(session.shell.clone()).or_default().add(&score);
    }
    scores
}

#[test]
fn table() {
    println!("| set | program | commands | exact | % | missed | extra | % without keys | missed | extra |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for set in ["tuned", "heldout"] {
        let without = scores(set, false);
        let (mut all, mut all_without) = (Score::default(), Score::default());
        for (shell, with) in scores(set, true) {
            row(set, &shell, &with, &without[&shell]);
            all.add(&with);
            all_without.add(&without[&shell]);
        }
        row(set, "**all**", &all, &all_without);
    }
}

fn row(set: &str, shell: &str, with: &Score, without: &Score) {
    println!(
        "| {set} | {shell} | {} | {} | {:.1} | {} | {} | {:.1} | {} | {} |",
        with.expected,
        with.exact,
        with.percent(),
        with.missed.len(),
        with.extra.len(),
        without.percent(),
        without.missed.len(),
        without.extra.len()
    );
}

#[test]
fn what_was_typed_without_echo_is_in_no_command() {
    for session in sessions("tuned").iter().chain(&sessions("heldout")) {
        for keys in [true, false] {
            let found = found(session, keys);
            let leaked =
                session.secrets.iter().filter(|secret| found.iter().any(|text| text.contains(secret.as_str())));
            assert_eq!(leaked.count(), 0, "{}", session.name);
        }
    }
}
