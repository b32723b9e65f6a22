//! The program, as a person or a script runs it.

mod config;
mod demo;
mod help;
mod names;
mod play;
mod program;
mod reload;
mod tamper;
mod tokens;
mod words;
