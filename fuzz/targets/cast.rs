//! Lines of a recording. What is read is written and read again, and must be equal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recording::cast::{Event, Header, events, write_event};

fuzz_target!(|input: &[u8]| {
    for line in input.split(|&byte| byte == b'\n') {
        if let Ok(header) = Header::parse(line) {
            assert_eq!(Header::parse(&header.to_line()).expect("a header of ours"), header);
        }
    }
    for event in events(input).flatten() {
        let mut line = Vec::new();
        write_event(&mut line, event.time, event.code, &event.data);
        assert_eq!(Event::parse(&line).expect("a line of ours"), event);
        let _ = (event.bytes(), event.size());
    }
});
