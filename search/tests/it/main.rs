//! The index, fed with recordings and journals as gateways write them.

mod expressions;
mod following;
mod joining;
mod library;
mod lists;
mod outputs;
mod places;
mod queries;
mod spool;
mod texts;

use std::time::Duration;

use library::Library;
use search::{Follower, Index, Masks};

/// An index in a folder of its own, and what keeps it up.
struct Bench {
    library: Library,
    folder: tempfile::TempDir,
    index: Index,
    follower: Follower,
}

impl Bench {
    fn new() -> Self {
        Self::of(Library::new())
    }

    fn of(library: Library) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (index, follower) = follow(&library, folder.path());
        Self { library, folder, index, follower }
    }

    /// Ends the follower and starts another.
    fn restart(self) -> Self {
        let Self { library, folder, index, follower } = self;
        drop((index, follower));
        let (index, follower) = follow(&library, folder.path());
        Self { library, folder, index, follower }
    }

    async fn step(&mut self) {
        self.follower.step().await.unwrap();
    }
}

fn follow(library: &Library, folder: &std::path::Path) -> (Index, Follower) {
    let index = Index::open(&folder.join("index"), Masks::default()).unwrap();
    let follower = Follower::new(library.store.clone(), index.clone(), Duration::from_secs(1));
    (index, follower)
}
