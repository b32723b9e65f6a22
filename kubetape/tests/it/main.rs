//! The program, as a person or a script runs it.

mod compare_audit;
mod config;
mod demo;
mod help;
mod play;
mod program;
mod reload;
mod tamper;
mod tokens;
mod words;
