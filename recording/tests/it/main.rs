//! The formats against their description, and asciicast lines against another reader.

mod cast;
mod described;
mod names;
mod sample;
