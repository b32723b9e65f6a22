//! What every [`Backend`] must do. The suite to which all implementations are put; it panics if one does not conform.
//!
//! It applies documents as a follower does, made from headers, manifests and journal entries, and finds them through the
//! trait.
