use askama::Template;
use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use jiff::Timestamp;
use recording::{Key, RecordingId, journal::JournalEntry};
use serde::Deserialize;
use serde_json::Value;
use storage::{
    StoreError,
    journal::{JournalError, JournalObject, JournalReader},
};

use crate::{
    http::failure::Failure,
    pages::layout::{Layout, Part, render},
    pages::time_label::{self, TimeLabel},
    pages::visible_text::VisibleText,
    state::{AppState as Running, Shared},
};
use identity::web_sessions::WebSession;

/// Entries of a page, about: objects are shown whole.
const ENTRIES: usize = 100;

/// Objects read for a page at most.
const OBJECTS: usize = 100;

/// Days that can be chosen.
const DAYS: usize = 400;

/// Objects listed at once.
const LISTED: usize = 1000;

#[derive(Template)]
#[template(path = "journal.html")]
struct JournalPage {
    page: Layout,
    gateways: Vec<String>,
    gateway: String,
    days: Vec<String>,
    day: String,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
}

/// An entry.
struct Row {
    at: TimeLabel,
    user: VisibleText,
    event: VisibleText,
    session: Option<RecordingId>,
    text: VisibleText,
}

/// What the address may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    gateway: String,
    day: String,
    /// Objects before this number.
    before: Option<u64>,
}

/// `GET /journal?gateway=NAME&day=YYYY/MM/DD&before=NUMBER`
pub(crate) async fn page(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let reader = JournalReader::new(shared.store.clone());
    let gateways = reader.gateways().await.map_err(unreadable)?;
    let known = |name: &String| gateways.contains(name);
    let gateway = Some(wanted.gateway).filter(known).or_else(|| Some(shared.gateway_name.clone()).filter(known));
    let gateway = gateway.or_else(|| gateways.first().cloned()).unwrap_or_default();
    let days = days(&shared, &gateway).await.map_err(|error| unreadable(error.into()))?;
    let day = Some(wanted.day).filter(|day| days.contains(day)).or_else(|| days.first().cloned()).unwrap_or_default();
    let mut objects = objects(&shared, &gateway, &day).await.map_err(|error| unreadable(error.into()))?;
    objects.retain(|object| wanted.before.is_none_or(|before| object.seq < before));
    let (rows, oldest) = rows(&reader, objects).await?;
    let to = |before: Option<u64>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("gateway", &gateway).append_pair("day", &day);
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        format!("/journal?{}", query.finish())
    };
    Ok(render(&JournalPage {
        page: Layout::new(&shared, &login, Part::Journal, "Journal"),
        rows,
        newest: wanted.before.map(|_| to(None)),
        older: oldest.map(|seq| to(Some(seq))),
        gateways,
        days,
        gateway,
        day,
    }))
}

/// The newest first.
async fn days(shared: &Running, gateway: &str) -> Result<Vec<String>, StoreError> {
    let mut days = Vec::new();
    if gateway.is_empty() {
        return Ok(days);
    }
    let prefix = format!("journal/{gateway}/");
    for year in shared.store.children(&prefix).await?.into_iter().rev() {
        for month in shared.store.children(&format!("{prefix}{year}/")).await?.into_iter().rev() {
            for day in shared.store.children(&format!("{prefix}{year}/{month}/")).await?.into_iter().rev() {
                days.push(format!("{year}/{month}/{day}"));
            }
        }
        if days.len() >= DAYS {
            break;
        }
    }
    days.truncate(DAYS);
    Ok(days)
}

async fn objects(shared: &Running, gateway: &str, day: &str) -> Result<Vec<JournalObject>, StoreError> {
    let mut objects = Vec::new();
    if day.is_empty() {
        return Ok(objects);
    }
    let mut after: Option<Key> = None;
    loop {
        let page = shared.store.list(&format!("journal/{gateway}/{day}/"), after.as_ref(), LISTED).await?;
        let full = page.len() == LISTED;
        after = page.last().map(|entry| entry.key.clone());
        objects.extend(page.into_iter().filter_map(|entry| {
            let seq = entry.key.journal_seq()?;
            Some(JournalObject { seq, key: entry.key })
        }));
        if !full {
            return Ok(objects);
        }
    }
}

/// The newest entries, and the number of the oldest object among them where there are older ones.
async fn rows(reader: &JournalReader, objects: Vec<JournalObject>) -> Result<(Vec<Row>, Option<u64>), Failure> {
    let (now, mut rows) = (Timestamp::now(), Vec::new());
    let total = objects.len();
    for (read, object) in objects.into_iter().rev().enumerate() {
        match reader.read(&object).await {
            Ok(entries) => rows.extend(entries.into_iter().rev().map(|entry| Row::new(entry, now))),
            Err(JournalError::Store(error)) => return Err(unreadable(error.into())),
            Err(_) => rows.push(Row::damaged(&object, now)),
        }
        if rows.len() >= ENTRIES || read + 1 >= OBJECTS {
            return Ok((rows, (read + 1 < total).then_some(object.seq)));
        }
    }
    Ok((rows, None))
}

impl Row {
    fn new(entry: JournalEntry, now: Timestamp) -> Self {
        let what = serde_json::to_value(&entry.what).unwrap_or_default();
        let field = |name: &str| what.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            at: TimeLabel::new(time_label::from_micros(entry.micros), now),
            user: VisibleText::clipped(&entry.user, 120),
            event: VisibleText::new(&field("event").replace('_', " ")),
            session: field("session").parse().ok(),
            text: VisibleText::clipped(&text(&what), 400),
        }
    }

    fn damaged(object: &JournalObject, now: Timestamp) -> Self {
        Self {
            at: TimeLabel::new(Timestamp::UNIX_EPOCH, now),
            user: VisibleText::default(),
            event: VisibleText::new("damaged"),
            session: None,
            text: VisibleText::new(&format!("{} cannot be read", object.key)),
        }
    }
}

/// What an entry says beside who, when and which session: `verb=get code=200 …`, whatever its fields are.
fn text(what: &Value) -> String {
    let mut parts = Vec::new();
    let fields = what.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| !matches!(name.as_str(), "event" | "session")) {
        match value {
            Value::Object(inner) => {
                let inner = inner.values().filter_map(Value::as_str).filter(|part| !part.is_empty());
                parts.push(inner.collect::<Vec<_>>().join("/"));
            }
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => parts.push(format!("{name}={text}")),
            other => parts.push(format!("{name}={other}")),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn unreadable(error: JournalError) -> Failure {
    Failure::internal("cannot read the journal", error)
}
