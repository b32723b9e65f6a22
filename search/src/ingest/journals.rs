//! The journals' part of a step.

use std::collections::hash_map::Entry;

use recording::Key;
use storage::{
    StoreError,
    journal::{JournalError, JournalObject},
};

use super::{Follower, Report, ScanMode};
use crate::{
    Result, SearchError,
    documents::Stored,
    documents::kubectl_run::KubectlRun,
    ingest::journal_actions::{Part, Task, tasks},
};

/// Objects asked for at once.
const PAGE: usize = 500;

impl Follower {
    pub(super) async fn follow_journals(&mut self, care: ScanMode, report: Report<'_>) -> Result<()> {
        for gateway in self.journal.gateways().await.map_err(store_failed)? {
            self.follow_journal(&gateway, care, report).await?;
        }
        Ok(())
    }

    /// Reads what is new of a gateway's journal. Listing a day is dear where it has tens of thousands of objects, and
    /// numbers have no gaps: so the next one of the day is simply asked for, and the listing finds the next day.
    async fn follow_journal(&mut self, gateway: &str, care: ScanMode, report: Report<'_>) -> Result<()> {
        loop {
            let last = self.state().journals.get(gateway).and_then(|name| Key::new(name.as_str()).ok());
            if let Some(next) = last.as_ref().and_then(next_of_day)
                && self.read_object(&next).await?
            {
                self.read_to(gateway, &next, report).await?;
                continue;
            }
            if last.is_some() && care == ScanMode::Incremental && !self.known.lists_journals() {
                return Ok(());
            }
            let objects = self.journal.list(gateway, last.as_ref(), PAGE).await.map_err(store_failed)?;
            for object in &objects {
                self.read_object(object).await?;
                self.read_to(gateway, object, report).await?;
            }
            if objects.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn read_to(&mut self, gateway: &str, object: &JournalObject, report: Report<'_>) -> Result<()> {
        self.state().journals.insert(gateway.to_owned(), object.key.as_str().to_owned());
        self.commit_if_many(report).await
    }

    /// Takes in an object. Says whether it is there; one that is damaged is passed over.
    async fn read_object(&mut self, object: &JournalObject) -> Result<bool> {
        let entries = match self.journal.read(object).await {
            Ok(entries) => entries,
            Err(JournalError::Store(StoreError::NotFound(_))) => return Ok(false),
            Err(error @ JournalError::Store(_)) => return Err(store_failed(error)),
            Err(error @ (JournalError::Object { .. } | JournalError::Line { .. })) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(object = %object.key, error, "a journal object is passed over");
                self.progress.damaged += 1;
                return Ok(true);
            }
        };
        self.progress.journal_objects += 1;
        let mut touched = Vec::new();
        for task in tasks(&object.key, entries, &self.masks) {
            match task {
                Task::Look(session) => self.known.wake(session),
                Task::Add(request) => {
                    self.index.add(&[Stored::Request(*request)])?;
                    self.added(1);
                }
                Task::Join(part) => {
                    if let Some(key) = self.join(&part)?
                        && !touched.contains(&key)
                    {
                        touched.push(key);
                    }
                }
            }
        }
        self.write_runs(touched)?;
        Ok(true)
    }

    /// Joins a request to its run. Gives the run's key where that changed it.
    fn join(&mut self, part: &Part) -> Result<Option<String>> {
        let Part { user, request, micros, session } = part;
        let key = KubectlRun::key(user, &request.target.cluster, &request.kubectl_session);
        let run = match self.runs.entry(key.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let known = self.index.run(&key)?;
                free.insert(known.unwrap_or_else(|| KubectlRun::new(user, request, *micros, &self.masks)))
            }
        };
        Ok(run.add(request, *micros, *session, &self.masks).then_some(key))
    }

    /// Writes each run once for an object, however many of its requests were in it.
    fn write_runs(&mut self, touched: Vec<String>) -> Result<()> {
        for key in touched {
            let Some(run) = self.runs.get(&key) else { continue };
            self.index.replace_run(run.clone())?;
            self.added(1);
        }
        Ok(())
    }
}

/// The object after this one on the same day.
fn next_of_day(last: &Key) -> Option<JournalObject> {
    let seq = last.journal_seq()?.checked_add(1)?;
    let (day, _) = last.as_str().rsplit_once('/')?;
    let key = Key::new(format!("{day}/{seq:012}.jsonl.zst")).ok()?;
    Some(JournalObject { seq, key })
}

fn store_failed(error: JournalError) -> SearchError {
    SearchError::Store(Box::new(error))
}
