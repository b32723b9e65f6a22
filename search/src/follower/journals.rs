//! The journals' part of a step.

use storage::{
    Key, StoreError,
    journal::{JournalError, JournalObject},
};

use super::Follower;
use crate::{
    Progress, Result, SearchError,
    document::Stored,
    journal::{Task, tasks},
    run::Run,
};

/// Objects asked for at once.
const PAGE: usize = 500;

impl Follower {
    pub(super) async fn follow_journals(&mut self, report: &mut dyn FnMut(Progress)) -> Result<()> {
        for gateway in self.journal.gateways().await.map_err(store_failed)? {
            self.follow_journal(&gateway, report).await?;
        }
        Ok(())
    }

    async fn follow_journal(&mut self, gateway: &str, report: &mut dyn FnMut(Progress)) -> Result<()> {
        loop {
            let last = self.state().journals.get(gateway).and_then(|name| Key::new(name.as_str()).ok());
            let objects = self.journal.list(gateway, last.as_ref(), PAGE).await.map_err(store_failed)?;
            for object in &objects {
                self.read_object(object).await?;
                self.state().journals.insert(gateway.to_owned(), object.key.as_str().to_owned());
                self.moved = true;
                self.commit_if_many(report).await?;
            }
            if objects.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn read_object(&mut self, object: &JournalObject) -> Result<()> {
        let entries = match self.journal.read(object).await {
            Ok(entries) => entries,
            // Gone since it was listed, or damaged: the next one may be read. A store that fails is waited for.
            Err(
                error @ (JournalError::Store(StoreError::NotFound(_))
                | JournalError::Object { .. }
                | JournalError::Line { .. }),
            ) => {
                tracing::error!(object = %object.key, error = &error as &dyn std::error::Error, "journal object passed over");
                self.progress.damaged += 1;
                return Ok(());
            }
            Err(error) => return Err(store_failed(error)),
        };
        self.progress.journal_objects += 1;
        let mut touched = Vec::new();
        for task in tasks(&object.key, entries) {
            match task {
                Task::Look(session) => self.known.wake(session),
                Task::Add(request) => {
                    self.index.add(&[Stored::Request(*request)])?;
                    self.added(1);
                }
                Task::Join { user, request, micros, session } => {
                    let key = Run::key(&user, &request.target.cluster, &request.kubectl_session);
                    let run = match self.runs.entry(key.clone()) {
                        std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                        std::collections::hash_map::Entry::Vacant(free) => {
                            let known = self.index.run(&key)?;
                            free.insert(known.unwrap_or_else(|| Run::new(&user, &request, micros)))
                        }
                    };
                    if run.add(&request, micros, session) && !touched.contains(&key) {
                        touched.push(key);
                    }
                }
            }
        }
        self.write_runs(touched)
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

fn store_failed(error: JournalError) -> SearchError {
    SearchError::Store(Box::new(error))
}
