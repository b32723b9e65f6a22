use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use recording::RecordingId;

use crate::session::writer::SessionWriter;

/// The sessions under way, so that one task does for all of them what time alone does.
#[derive(Default)]
pub(crate) struct ActiveRecordings {
    all: Mutex<HashMap<RecordingId, Weak<SessionWriter>>>,
}

impl ActiveRecordings {
    pub(crate) fn enter(&self, id: RecordingId, shelf: &Arc<SessionWriter>) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::downgrade(shelf));
    }

    pub(crate) fn tick(&self) {
        let mut shelves = Vec::new();
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, weak| {
            let shelf = weak.upgrade();
            let there = shelf.is_some();
            shelves.extend(shelf);
            there
        });
        shelves.iter().for_each(|shelf| shelf.tick());
    }
}
