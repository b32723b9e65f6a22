use crate::PlayerError;

/// Runs `work` on the runtime's threads for blocking work: terminal emulation and decompression keep a processor busy.
///
/// # Errors
/// [`PlayerError::Stopped`] if the work panicked or the runtime shuts down.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PlayerError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| PlayerError::Stopped)
}
