use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use identity::WebSession;
use jiff::Timestamp;
use recording::{Key, RecordingId, journal::JournalEntry};
use serde::Deserialize;
use serde_json::Value;
use storage::{
    Store, StoreError,
    journal::{JournalError, JournalObject, JournalReader},
};

use super::{
    layout::{Layout, NavItem, render},
    standing::reason,
    time_label::{self, TimeLabel},
    visible_text::VisibleText,
};
use crate::{
    context::{evidence::Evidence, site::Site},
    http::failure::Failure,
};

/// Entries after which a page ends. It may have some more: objects are shown whole.
const PAGE_ENTRIES: usize = 100;

/// Objects read for a page at most.
const PAGE_OBJECTS: usize = 100;

/// Days that can be chosen.
const MAX_DAYS: usize = 400;

/// Objects listed at once.
const LIST_PAGE: usize = 1000;

#[derive(Template)]
#[template(path = "journal.html")]
struct JournalPage {
    page: Layout,
    gateways: Vec<String>,
    gateway: String,
    days: Vec<String>,
    day: String,
    rows: Vec<JournalRow>,
    /// What is wrong with the objects that the rows are of.
    findings: Vec<VisibleText>,
    newest: Option<String>,
    older: Option<String>,
}

/// An entry of the journal, or an object that cannot be read.
struct JournalRow {
    at: TimeLabel,
    user: VisibleText,
    event: VisibleText,
    session: Option<RecordingId>,
    text: VisibleText,
}

/// Which part of which journal the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JournalParams {
    gateway: String,
    day: String,
    /// Objects before this number.
    before: Option<u64>,
}

/// `GET /journal?gateway=NAME&day=YYYY/MM/DD&before=NUMBER`
pub(crate) async fn page(
    State(evidence): State<Arc<Evidence>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Query(params): Query<JournalParams>,
) -> Result<Response, Failure> {
    let reader = JournalReader::new(Arc::clone(&evidence.store));
    let gateways = reader.gateways().await.map_err(unreadable)?;
    let exists = |name: &String| gateways.contains(name);
    let gateway = Some(params.gateway).filter(exists).or_else(|| Some(site.gateway_name.clone()).filter(exists));
    let gateway = gateway.or_else(|| gateways.first().cloned()).unwrap_or_default();
    let days = days(&*evidence.store, &gateway).await.map_err(|error| unreadable(error.into()))?;
    let day = Some(params.day).filter(|day| days.contains(day)).or_else(|| days.first().cloned()).unwrap_or_default();
    let mut objects = objects(&*evidence.store, &gateway, &day).await.map_err(|error| unreadable(error.into()))?;
    objects.retain(|object| params.before.is_none_or(|before| object.seq < before));
    let (rows, shown, oldest) = rows(&reader, objects).await?;
    let findings = evidence.inspector.journal(&gateway, &shown).await;
    let findings = findings.map_err(|error| unreadable(error.into()))?;
    let address = |before: Option<u64>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("gateway", &gateway).append_pair("day", &day);
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        format!("/journal?{}", query.finish())
    };
    Ok(render(&JournalPage {
        page: Layout::new(&site, &login, NavItem::Journal, "Journal"),
        rows,
        findings: findings.iter().map(reason).collect(),
        newest: params.before.map(|_| address(None)),
        older: oldest.map(|seq| address(Some(seq))),
        gateways,
        days,
        gateway,
        day,
    }))
}

/// The days that a gateway has journal objects of, the newest first.
async fn days(store: &dyn Store, gateway: &str) -> Result<Vec<String>, StoreError> {
    let mut days = Vec::new();
    if gateway.is_empty() {
        return Ok(days);
    }
    let prefix = format!("journal/{gateway}/");
    for year in store.children(&prefix).await?.into_iter().rev() {
        for month in store.children(&format!("{prefix}{year}/")).await?.into_iter().rev() {
            for day in store.children(&format!("{prefix}{year}/{month}/")).await?.into_iter().rev() {
                days.push(format!("{year}/{month}/{day}"));
            }
        }
        if days.len() >= MAX_DAYS {
            break;
        }
    }
    days.truncate(MAX_DAYS);
    Ok(days)
}

async fn objects(store: &dyn Store, gateway: &str, day: &str) -> Result<Vec<JournalObject>, StoreError> {
    let mut objects = Vec::new();
    if day.is_empty() {
        return Ok(objects);
    }
    let mut after: Option<Key> = None;
    loop {
        let page = store.list(&format!("journal/{gateway}/{day}/"), after.as_ref(), LIST_PAGE).await?;
        let full = page.len() == LIST_PAGE;
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

/// The newest entries, the objects that they are of, and the number of the oldest one of these, or `None` if there are no older
/// ones.
async fn rows(
    reader: &JournalReader,
    objects: Vec<JournalObject>,
) -> Result<(Vec<JournalRow>, Vec<Key>, Option<u64>), Failure> {
    let (now, mut rows, mut shown) = (Timestamp::now(), Vec::new(), Vec::new());
    let total = objects.len();
    for (read, object) in objects.into_iter().rev().enumerate() {
        match reader.read(&object).await {
            Ok(entries) => rows.extend(entries.into_iter().rev().map(|entry| JournalRow::new(entry, now))),
            Err(JournalError::Store(error)) => return Err(unreadable(error.into())),
            Err(_) => rows.push(JournalRow::damaged(&object, now)),
        }
        shown.push(object.key);
        if rows.len() >= PAGE_ENTRIES || read + 1 >= PAGE_OBJECTS {
            return Ok((rows, shown, (read + 1 < total).then_some(object.seq)));
        }
    }
    Ok((rows, shown, None))
}

impl JournalRow {
    fn new(entry: JournalEntry, now: Timestamp) -> Self {
        let event = serde_json::to_value(&entry.what).unwrap_or_default();
        let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            at: TimeLabel::new(time_label::timestamp(entry.time), now),
            user: VisibleText::clipped(&entry.user, 120),
            event: VisibleText::new(&field("event").replace('_', " ")),
            session: field("session").parse().ok(),
            text: VisibleText::clipped(&with_origin(text(&event), &entry.from), 400),
        }
    }

    /// Stands for the entries of an object that cannot be read.
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

fn with_origin(text: String, from: &str) -> String {
    if from.is_empty() { text } else { format!("{text}  from={from}") }
}

/// What an entry says beside who, when and which session: `verb=get code=200 …`, for any fields.
fn text(event: &Value) -> String {
    let mut parts = Vec::new();
    let fields = event.as_object().into_iter().flatten();
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
