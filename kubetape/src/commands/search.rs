//! `kubetape search`

use anyhow::{Context, Result};
use recording::CommandSource;
use search::{Backend, Hit, HitKind, Hits, Index, Query, SearchError, Snippet};

use super::viewing;
use crate::{cli, config::Config, output, time, wiring};

/// Hits listed for people without --limit.
const FOR_PEOPLE: usize = 50;
/// Most hits that the index lists.
const FOR_SCRIPTS: usize = 10_000;

pub async fn run(config: &Config, options: &cli::Search) -> Result<()> {
    let index: &dyn Backend = &Index::open_read_only(&config.index).context("cannot search")?;
    let query = query(options);
    let found = index.search(&query).await.map_err(|error| explained(error, &query.text))?;
    warn_if_behind(config, index).await;
    viewing::note_search(config, &query, &found).await?;
    if options.json {
        output::json(&found.hits)?;
        print_if_more(&found);
        return Ok(());
    }
    if found.hits.is_empty() {
        eprintln!("nothing found");
        return Ok(());
    }
    output::line(list(&found.hits, output::colours()).trim_end())?;
    print_if_more(&found);
    Ok(())
}

fn print_if_more(found: &Hits) {
    let (listed, total) = (found.hits.len(), found.total);
    let more = if listed < FOR_SCRIPTS { "narrow the search, or see more with --limit" } else { "narrow the search" };
    if found.more || total > listed {
        let plus = if found.more { " or more" } else { "" };
        eprintln!("{listed} of {total}{plus} hits: {more}");
    }
}

fn query(options: &cli::Search) -> Query {
    let filter = options.filter.clone();
    let kind = |kind: &cli::HitKind| match kind {
        cli::HitKind::Session => HitKind::Session,
        cli::HitKind::Command => HitKind::Command,
        cli::HitKind::Output => HitKind::Output,
        cli::HitKind::Request => HitKind::Request,
    };
    let default = if options.json { FOR_SCRIPTS } else { FOR_PEOPLE };
    Query {
        text: options.words.join(" "),
        kinds: options.kind.iter().map(kind).collect(),
        user: filter.user,
        cluster: filter.cluster,
        namespace: filter.namespace,
        pod: filter.pod,
        container: filter.container,
        from: filter.since,
        until: filter.until,
        order: options.order,
        now: Some(jiff::Zoned::now()),
        limit: options.limit.unwrap_or(default).clamp(1, FOR_SCRIPTS),
        ..Query::default()
    }
}

/// Warns if the index is behind: a search that finds nothing because nobody indexes must not look like one without hits.
async fn warn_if_behind(config: &Config, index: &dyn Backend) {
    let Ok(recordings) = wiring::recordings(config).await else { return };
    let Ok(newest) = recordings.page(None, 1).await else { return };
    if let Some(id) = newest.first()
        && matches!(index.session(*id).await, Ok(None))
    {
        eprintln!(
            "kubetape: the index does not have the newest recording yet: `kubetape serve` keeps it up to date while it runs; \
             without it, run `kubetape reindex`"
        );
    }
}

/// The error of a query, with a mark below the wrong part.
fn explained(error: SearchError, text: &str) -> anyhow::Error {
    let SearchError::Query(wrong) = &error else { return error.into() };
    let Some(place) = wrong.place() else { return error.into() };
    let (before, marked) = (output::plain(&text[..place.start]), output::plain(&text[place]));
    let (indent, width) = (before.chars().count(), marked.chars().count().max(1));
    anyhow::anyhow!(
        "the search cannot be read\n  {}\n  {}{} {}",
        output::plain(text),
        " ".repeat(indent),
        "^".repeat(width),
        wrong.problem()
    )
}

/// Hits as paragraphs: when, who and where, then the text around the match.
fn list(hits: &[Hit], colours: bool) -> String {
    let mut text = String::new();
    for hit in hits {
        text.push_str(&faint(&output::plain(&head(hit)), colours));
        text.push('\n');
        for line in marked(&hit.snippet, colours).lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// `2026-11-22 10:00:02  ann  prod/default/web-0  typed  0198f2…  at 0:02`
fn head(hit: &Hit) -> String {
    let place: Vec<&str> = [&hit.cluster, &hit.namespace, &hit.pod].into_iter().map(String::as_str).collect();
    let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let label = match hit.source {
        Some(CommandSource::Argv) => "argv",
        Some(CommandSource::Typed) => "typed",
        Some(CommandSource::Request) => "request, rebuilt",
        None => hit.kind.name(),
    };
    let mut parts = vec![time::clock(hit.at), hit.user.clone(), place, label.to_owned()];
    parts.extend(hit.session.map(|id| id.to_string()));
    parts.extend(hit.offset.map(|offset| format!("at {}", time::length(offset))));
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

/// The snippet with the matches in colour. Control characters are written as escapes; line ends stay.
fn marked(snippet: &Snippet, colours: bool) -> String {
    let plain = |text: &str| text.split('\n').map(output::plain).collect::<Vec<_>>().join("\n");
    let (on, off) = if colours { ("\x1b[1;33m", "\x1b[0m") } else { ("", "") };
    let (mut shown, mut at) = (String::new(), 0);
    for range in &snippet.ranges {
        let (Some(before), Some(found)) = (snippet.text.get(at..range.start), snippet.text.get(range.clone())) else {
            continue;
        };
        shown += &plain(before);
        // A match over a line end is marked on each line.
        let found: Vec<String> = plain(found).split('\n').map(|part| format!("{on}{part}{off}")).collect();
        shown += &found.join("\n");
        at = range.end;
    }
    shown + &plain(snippet.text.get(at..).unwrap_or_default())
}

fn faint(text: &str, colours: bool) -> String {
    if colours { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_marked_and_nothing_moves_the_terminal() {
        let snippet = Snippet { text: "a \u{1b}[2J needle\nb".to_owned(), ranges: std::iter::once(7..13).collect() };
        assert_eq!(marked(&snippet, true), "a \\u{1b}[2J \u{1b}[1;33mneedle\u{1b}[0m\nb");
        assert_eq!(marked(&snippet, false), "a \\u{1b}[2J needle\nb");
    }
}
