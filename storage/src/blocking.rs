use std::io;

/// Runs file calls, compression and digests on a thread where blocking is allowed. A panic of `work`, or a runtime that
/// shuts down, comes as an error.
///
/// # Cancel safety
/// Work that has begun goes on when the future is dropped, and its result is lost.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
