//! The path and query of a URL. What is accepted can be read in one way only.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Request, Subresource};

fuzz_target!(|input: &[u8]| {
    let Ok(url) = std::str::from_utf8(input) else { return };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    gateway::fuzzing::path(path);
    for subresource in [Subresource::Exec, Subresource::Attach, Subresource::PortForward] {
        if let Ok(request) = Request::parse(subresource, query) {
            assert_eq!(Request::parse(subresource, query), Ok(request));
        }
    }
});
