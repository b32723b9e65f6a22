//! The crate, tested with what real programs wrote about themselves.

mod corpus;
mod score;
mod typed;
