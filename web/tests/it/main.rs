//! The web over a socket, as a browser or a script meets it.

mod browser;
mod end;
mod escaping;
mod exports;
mod filters;
mod headers;
mod lock;
mod login;
mod sample;
mod searches;
#[path = "sample/site.rs"]
mod site;
mod strangers;
mod tls;
