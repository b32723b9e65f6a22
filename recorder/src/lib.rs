//! What was said, as a recording.
