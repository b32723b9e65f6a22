//! Limits of what a manifest holds, for uploads and for the finalizer. What is beyond them is in the recording only.

/// Most typed commands.
pub(crate) const COMMANDS: usize = 10_000;
/// Most bytes of all typed commands.
pub(crate) const TYPED_BYTES: usize = 1 << 20;
/// Most bytes of a command; a longer one is cut.
pub(crate) const COMMAND_BYTES: usize = 8 << 10;
/// Most annotations.
pub(crate) const ANNOTATIONS: usize = 100;
