//! The index, fed with recordings and journals as gateways write them.

mod conformance;
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

use std::{sync::Arc, time::Duration};

use library::Library;
use search::{Follower, Index, Masks};

/// An index in a folder of its own, with its follower.
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

    /// A bench with one session, in which these commands were typed.
    async fn typed(commands: &[&str]) -> Self {
        let mut bench = Self::new();
        let exited = recording::Outcome::Exited { exit_code: 0 };
        bench.library.record(&library::Session::default(), exited, commands).await;
        bench.step().await;
        bench
    }

    /// Drops the follower and starts another.
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
    let follower = Follower::new(library.store.clone(), Arc::new(index.clone()), Duration::from_secs(1));
    (index, follower)
}
