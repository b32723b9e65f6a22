//! The journals' part of a turn.

use std::collections::hash_map::Entry;

use recording::{Key, journal::JournalEntry};

use super::{
    Follower, OnCommit, ScanMode,
    journal_actions::{JournalAction, RunRequest, actions},
};
use crate::{
    Result, SearchError,
    backend::Batch,
    documents::{Document, kubectl_run::KubectlRun},
};

impl Follower {
    pub(super) async fn follow_journals(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<()> {
        let may_list = mode != ScanMode::Incremental || self.tracker.lists_journals();
        for gateway in self.journal.gateways().await.map_err(SearchError::store)? {
            self.follow_journal(&gateway, may_list, on_commit).await?;
        }
        Ok(())
    }

    /// Takes in what is new of a gateway's journal. A damaged object is skipped.
    async fn follow_journal(&mut self, gateway: &str, may_list: bool, on_commit: OnCommit<'_>) -> Result<()> {
        while !self.is_stopping() {
            let cursor = &self.checkpoint.get_or_insert_default().journals;
            let read = self.journal.next(gateway, cursor, may_list).await.map_err(SearchError::store)?;
            let Some(read) = read else { break };
            match read.entries {
                Ok(entries) => self.take_in(&read.object.key, entries).await?,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(object = %read.object.key, error, "a journal object is skipped");
                    self.progress.damaged += 1;
                }
            }
            self.checkpoint().journals.advance(gateway, &read.object);
            self.commit_if_many(on_commit).await?;
        }
        Ok(())
    }

    /// Takes in the entries of an object. A run is written once, however many of its requests are in the object.
    async fn take_in(&mut self, object: &Key, entries: Vec<JournalEntry>) -> Result<()> {
        self.progress.journal_objects += 1;
        let mut batch = Batch::default();
        let mut changed = Vec::new();
        for action in actions(object, entries, &self.masks) {
            match action {
                JournalAction::LookAt(session) => self.tracker.wake(session),
                JournalAction::AddRequest(request) => batch.add([Document::Request(*request)]),
                JournalAction::JoinRun(request) => {
                    if let Some(key) = self.join(&request).await?
                        && !changed.contains(&key)
                    {
                        changed.push(key);
                    }
                }
            }
        }
        for key in changed {
            if let Some(run) = self.runs.get(&key) {
                batch.replace_run(run.clone());
            }
        }
        self.apply(batch).await
    }

    /// Adds a request to its run. Returns the run's key if that changed the run.
    async fn join(&mut self, of_run: &RunRequest) -> Result<Option<String>> {
        let RunRequest { user, request, time, session } = of_run;
        let key = KubectlRun::key_of(user, &request.target.cluster, &request.kubectl_session);
        let run = match self.runs.entry(key.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let indexed = self.index.kubectl_run(&key).await?;
                free.insert(indexed.unwrap_or_else(|| KubectlRun::new(user, request, *time, &self.masks)))
            }
        };
        Ok(run.add(request, *time, *session, &self.masks).then_some(key))
    }
}
