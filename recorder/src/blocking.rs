use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

/// Runs work that would hold up a worker of the runtime, such as unpacking a chunk, where Tokio lets tasks block. A panic of the
/// work is one of the caller's.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is stopping, and drops its tasks.
        Err(Err(_)) => std::future::pending().await,
    }
}
