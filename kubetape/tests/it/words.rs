//! `commands` and `text`, of a session that bash had.

use serde_json::Value;

use crate::program::{GOOD, Installation};

/// bash 5.2 as it was recorded in a pty: `echo hi`, `ls /none`, and a line that was given up.
const CAST: &str = concat!(
    "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1795363184,\"title\":\"a session\"}\n",
    "[0.5,\"o\",\"\\u001b[?2004hann@web:~$ \"]\n",
    "[1.0,\"o\",\"e\"]\n[1.1,\"o\",\"cho hi\"]\n",
    "[2.0,\"o\",\"\\r\\n\\u001b[?2004l\\rhi\\r\\n\\u001b[?2004hann@web:~$ \"]\n",
    "[3.0,\"o\",\"rm -rf precious\"]\n",
    "[4.0,\"o\",\"^C\\u001b[?2004l\\r\\u001b[?2004h\\u001b[?2004l\\r\\r\\n\\u001b[?2004hann@web:~$ \"]\n",
    "[5.0,\"o\",\"ls /none\"]\n",
    "[6.5,\"o\",\"\\r\\n\\u001b[?2004l\\rls: cannot access '/none': No such file or directory\\r\\n\"]\n",
    "[7.0,\"o\",\"\\u001b[?2004hann@web:~$ \"]\n",
);

fn imported() -> (Installation, String) {
    let installation = Installation::new(GOOD);
    std::fs::write(installation.path("session.cast"), CAST).unwrap();
    let done = installation.run(&["import", "--json", "--cluster", "one", "session.cast"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    let files: Value = serde_json::from_str(&done.stdout).unwrap();
    let id = files[0]["id"].as_str().unwrap().to_owned();
    (installation, id)
}

#[test]
fn the_commands_of_a_recording_have_times_and_evidence() {
    let (installation, id) = imported();
    let done = installation.run(&["commands", &id, "--json"]);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""));
    let commands: Value = serde_json::from_str(&done.stdout).unwrap();
    let texts: Vec<_> = commands.as_array().unwrap().iter().map(|command| command["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["echo hi", "ls /none"]);
    let first = &commands[0];
    let times = [&first["ready"], &first["offset"], &first["ended"]].map(|time| time.as_f64().unwrap());
    assert_eq!(times, [0.5, 2.0, 2.0]);
    assert_eq!((first["source"].as_str(), first["evidence"].as_str()), (Some("typed"), Some("bracketed")));
    assert_eq!(first["prompt"].as_str(), Some("ann@web:~$ "));

    let table = installation.run(&["commands", &id]).stdout;
    assert!(table.lines().nth(1).is_some_and(|line| line.contains("0:02") && line.ends_with("echo hi")), "{table}");
}

#[test]
fn the_text_of_a_recording_is_what_could_be_read() {
    let (installation, id) = imported();
    let done = installation.run(&["text", &id]);
    assert_eq!(done.status, Some(0), "{done:?}");
    let expected = [
        "    0:01   ann@web:~$ echo hi",
        "    0:02   hi",
        "    0:04   ann@web:~$ rm -rf precious^C",
        "    0:05   ann@web:~$ ls /none",
        "    0:06   ls: cannot access '/none': No such file or directory",
        "    0:07   ann@web:~$",
    ];
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), expected);
    let json = installation.run(&["text", &id, "--json"]).stdout;
    let second: Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!((second["text"].as_str(), second["stream"].as_str()), (Some("hi"), Some("stdout")));
}

#[test]
fn a_recording_that_is_not_there_is_said() {
    let (installation, _) = imported();
    for command in ["commands", "text"] {
        let done = installation.run(&[command, "0198f200-0000-7000-8000-000000000000"]);
        assert_eq!(done.status, Some(1));
        assert!(done.stderr.contains("there is no recording"), "{}", done.stderr);
    }
}
