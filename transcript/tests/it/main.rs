//! The crate against what real programs wrote down about themselves.

mod corpus;
mod score;
mod typed;
