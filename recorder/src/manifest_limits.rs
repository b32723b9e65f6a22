//! What a manifest has room for, whoever writes it. The rest is in the recording alone.

/// Most typed commands.
pub(crate) const COMMANDS: usize = 10_000;
/// Most bytes of all typed commands.
pub(crate) const TYPED_BYTES: usize = 1 << 20;
/// Most bytes of a command; a longer one is cut.
pub(crate) const COMMAND_BYTES: usize = 8 << 10;
/// Most annotations.
pub(crate) const ANNOTATIONS: usize = 100;
