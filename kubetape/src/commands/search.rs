//! `kubetape search`

use anyhow::{Context, Result};
use search::{Hit, Hits, Index, Kind, Query};

use crate::{
    cli::{self, HitKind},
    config::Config,
    output::{self, Table, Tone},
    time, wiring,
};

/// Hits listed for people, where nothing else is said.
const FOR_PEOPLE: usize = 50;
/// Most that the index lists.
const FOR_SCRIPTS: usize = 10_000;

pub async fn run(config: &Config, wanted: &cli::Search) -> Result<()> {
    let index = Index::open_read_only(&config.index).context("cannot search")?;
    let found = index.search(&query(wanted))?;
    tell_if_behind(config, &index).await;
    if wanted.json {
        output::json(&found.hits)?;
        tell_if_more(&found);
        return Ok(());
    }
    if found.hits.is_empty() {
        eprintln!("nothing found");
        return Ok(());
    }
    table(&found.hits).print()?;
    tell_if_more(&found);
    Ok(())
}

fn tell_if_more(found: &Hits) {
    let (listed, total) = (found.hits.len(), found.total);
    let more = if listed < FOR_SCRIPTS { "narrow the search, or see more with --limit" } else { "narrow the search" };
    if total > listed {
        eprintln!("{listed} of {total} hits: {more}");
    }
}

fn query(wanted: &cli::Search) -> Query {
    let filter = wanted.filter.clone();
    let kind = |kind: &HitKind| match kind {
        HitKind::Session => Kind::Session,
        HitKind::Command => Kind::Command,
        HitKind::Request => Kind::Request,
    };
    let default = if wanted.json { FOR_SCRIPTS } else { FOR_PEOPLE };
    Query {
        text: wanted.words.join(" "),
        kinds: wanted.kind.iter().map(kind).collect(),
        user: filter.user,
        cluster: filter.cluster,
        namespace: filter.namespace,
        pod: filter.pod,
        container: filter.container,
        from: filter.since,
        until: filter.until,
        limit: wanted.limit.unwrap_or(default).clamp(1, FOR_SCRIPTS),
        ..Query::default()
    }
}

/// A search that finds nothing because nobody indexes must not look like one that finds nothing.
async fn tell_if_behind(config: &Config, index: &Index) {
    let Ok(recordings) = wiring::recordings(config).await else { return };
    let Ok(newest) = recordings.page(None, 1).await else { return };
    if let Some(id) = newest.first()
        && matches!(index.session(*id), Ok(None))
    {
        eprintln!(
            "kubetape: the index does not have the newest recording yet: `kubetape serve` keeps it up while it runs; \
             without it, run `kubetape reindex`"
        );
    }
}

fn table(hits: &[Hit]) -> Table {
    let mut table = Table::new(["TIME", "SESSION", "AT", "USER", "WHERE", "KIND", "TEXT"]);
    for hit in hits {
        let plain = |text: String| (text, Tone::Plain);
        let place: Vec<&str> = [&hit.cluster, &hit.namespace, &hit.pod].into_iter().map(String::as_str).collect();
        table.row([
            plain(time::clock(hit.at)),
            (hit.session.map(|id| id.to_string()).unwrap_or_default(), Tone::Faint),
            plain(hit.micros_in_session.map(time::length).unwrap_or_default()),
            plain(hit.user.clone()),
            plain(place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")),
            plain(hit.kind.name().to_owned()),
            plain(hit.snippet.text.clone()),
        ]);
    }
    table
}
