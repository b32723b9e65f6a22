//! Typed commands, measured against the programs' own logs.
//!
//! `cargo test -p transcript --test it -- --nocapture table` prints the table of `docs/commands.md`; with
//! `TYPED_SHOW=1` also what was missed with keys, with `TYPED_SHOW=0` what was missed without.

use std::collections::BTreeMap;

use recording::cast::Code;
use transcript::Commands;

use crate::{
    corpus::{TypedSession, sessions},
    score::Score,
};

fn found(session: &TypedSession, keys: bool) -> Vec<String> {
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
        if std::env::var("TYPED_SHOW").is_ok_and(|show| show == if keys { "1" } else { "0" }) {
            for (what, texts) in [("missed", &score.missed), ("extra", &score.extra)] {
                texts.iter().for_each(|text| println!("{set} {}: {what} {text:?}", session.name));
            }
        }
        scores.entry(session.shell.clone()).or_default().add(&score);
    }
    scores
}

/// What is reached with keys, in per cent of a program's commands, by set. A change that makes it worse fails here.
const REACHED: &[(&str, &str, f64)] = &[
    ("tuned", "bash", 99.6),
    ("tuned", "bash in tmux", 99.4),
    ("tuned", "busybox ash", 100.0),
    ("tuned", "dash", 100.0),
    ("tuned", "fish", 100.0),
    ("tuned", "fish in tmux", 100.0),
    ("tuned", "mariadb", 100.0),
    ("tuned", "node", 100.0),
    ("tuned", "psql", 100.0),
    ("tuned", "python3", 100.0),
    ("tuned", "redis-cli", 100.0),
    ("tuned", "sqlite3", 100.0),
    ("tuned", "zsh", 100.0),
    ("tuned", "zsh in tmux", 99.0),
    ("heldout", "bash", 100.0),
    ("heldout", "bash in tmux", 99.4),
    ("heldout", "busybox ash", 100.0),
    ("heldout", "dash", 100.0),
    ("heldout", "fish", 100.0),
    ("heldout", "fish in tmux", 100.0),
    ("heldout", "mariadb", 100.0),
    ("heldout", "node", 100.0),
    ("heldout", "psql", 100.0),
    ("heldout", "python3", 100.0),
    ("heldout", "redis-cli", 100.0),
    ("heldout", "sqlite3", 100.0),
    ("heldout", "zsh", 100.0),
    ("heldout", "zsh in tmux", 100.0),
];
/// Commands of a set that nobody entered. More in tmux, which does not draw some wide characters, and where fish
/// changes lines that it refuses.
const FALSE_COMMANDS: usize = 1;
const MADE_UP_IN_TMUX: usize = 4;
/// What is reached with newly recorded sessions, whose programs have other versions: per cent of all commands.
const REACHED_RECORDED_ANEW: f64 = 97.0;

#[test]
fn what_is_reached_is_kept() {
    let anew = std::env::var_os("KUBETAPE_TYPED").is_some();
    for set in ["tuned", "heldout"] {
        let scores = scores(set, true);
        let mut all = Score::default();
        scores.values().for_each(|score| all.add(score));
        if anew {
            assert!(all.percent() >= REACHED_RECORDED_ANEW, "{set}: {:.1} % of {}", all.percent(), all.expected);
            continue;
        }
        let floors: Vec<_> = REACHED.iter().filter(|reached| reached.0 == set).collect();
        assert_eq!(floors.len(), scores.len(), "{set}: programs of the corpus");
        for (inside, most) in [(false, FALSE_COMMANDS), (true, MADE_UP_IN_TMUX)] {
            let there = scores.iter().filter(|(program, _)| program.ends_with("in tmux") == inside);
            let extra: Vec<_> = there.flat_map(|(_, score)| &score.extra).collect();
            assert!(extra.len() <= most, "{set}: what nobody entered: {extra:?}");
        }
        for (_, program, floor) in floors {
            let score = &scores[*program];
            assert!(score.percent() >= *floor, "{set} {program}: {:.1} %: {:?}", score.percent(), score.missed);
        }
    }
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

#[test]
fn pieces_of_output_may_be_of_any_size() {
    for session in sessions("tuned").iter().chain(&sessions("heldout")) {
        let mut commands = Commands::new();
        for event in session.events(true) {
            match event.bytes() {
                Some((Code::Output, bytes)) => bytes.chunks(1).for_each(|byte| commands.printed(event.time, byte)),
                _ => commands.event(&event),
            }
        }
        let texts: Vec<String> = commands.finish().into_iter().map(|command| command.text).collect();
        assert_eq!(texts, found(session, true), "{}", session.name);
    }
}
