//! The pages with made-up recordings, for looking at them: `cargo run -p web --example pages [-- ADDR]`.

#[path = "../tests/it/sample/mod.rs"]
mod sample;
#[path = "../tests/it/sample/site.rs"]
mod site;

use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use recording::{
    Outcome,
    cast::{Code, SessionKind},
};
use sample::{Recording, target};

#[tokio::main]
async fn main() {
    let at = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let store = sample::empty();
    for recording in recordings() {
        recording.store(&store).await;
    }
    let site = site::Site::open(store, &at).await;
    let of_ada = site.links.create("ada", Duration::from_secs(3600)).unwrap();
    println!("auditor@example.com: http://{}{}", site.address, site.link);
    println!("ada: http://{}{of_ada}", site.address);
    println!("or log in as {}, correct horse", site.users.names().unwrap().join(", "));
    tokio::signal::ctrl_c().await.ok();
    site.close().await;
}

fn ago(minutes: i64) -> String {
    (Timestamp::now() - minutes.minutes()).to_string()
}

fn recordings() -> Vec<Recording> {
    let mut all = vec![shell(), live(), build(), failed(), forward(), refused(), odd(), cut()];
    all.extend((0..70).map(|n| {
        Recording {
            user: ["bo@example.com", "chidi@example.com", "dana@example.com"][n % 3].to_owned(),
            ..Recording::exec(&ago(200 + 37 * n as i64), &["cat", &format!("/etc/nginx/conf.d/site-{n}.conf")])
                .prints(20, "server {\n  listen 80;\n}\n")
        }
    }));
    all
}

fn shell() -> Recording {
    Recording {
        size: (100, 28),
        target: target("prod-eu-1", "payments", "ledger-7d4b9c6f5-x2x8p", "ledger"),
        ..Recording::terminal(&ago(12), &["sh", "-c", "TERM=xterm exec sh"])
            .types(300, "ps aux | head -4", "PID   USER     TIME  COMMAND\n    1 app       0:42 /srv/ledger --config /etc/ledger.toml\n   17 app       0:00 sh\n   24 app       0:00 ps aux\n")
            .types(4_000, "cat /etc/ledger.toml", "[database]\nhost = \"10.0.3.7\"\npool = 16\n\n[limits]\nper_minute = \u{1b}[33m600\u{1b}[0m\n")
            .types(9_500, "wget -qO- http://10.0.3.7:8080/healthz", "{\"status\":\"\u{1b}[31mdegraded\u{1b}[0m\",\"lag_seconds\":41}\n")
            .types(17_000, "kill -HUP 1", "")
            .types(21_000, "wget -qO- http://10.0.3.7:8080/healthz", "{\"status\":\"\u{1b}[32mok\u{1b}[0m\",\"lag_seconds\":0}\n")
            .types(26_000, "exit", "")
    }
}

fn live() -> Recording {
    Recording {
        outcome: None,
        user: "grace@example.com".to_owned(),
        ..Recording::terminal(&ago(3), &["bash"]).types(
            500,
            "tail -f /var/log/app.log",
            "GET /cart 200 12ms\nGET /pay 500 3ms\n",
        )
    }
}

fn build() -> Recording {
    let mut build = Recording::exec(&ago(55), &["make", "-j4", "release"]);
    for n in 0..40 {
        build = build.prints(n * 700, &format!("[{n:>2}/40] cc -O2 -c src/part{n}.c\n"));
    }
    build.events.push((29_000, Code::Stderr, "warning: 2 files are newer than their objects\n".to_owned()));
    build
}

fn failed() -> Recording {
    Recording {
        outcome: Some(Outcome::Exited { exit_code: 42 }),
        user: "bo@example.com".to_owned(),
        ..Recording::exec(&ago(80), &["sh", "-c", "echo \"it's broken\" >&2; exit 42", ""]).prints(10, "it's broken\n")
    }
}

fn forward() -> Recording {
    let port = |at, data: &str| (at, Code::Port, data.to_owned());
    Recording {
        events: vec![
            port(120, r#"{"state":"opened","port":5432,"connection":0}"#),
            port(340, r#"{"state":"opened","port":5432,"connection":1}"#),
            port(
                900,
                r#"{"state":"failed","port":5432,"connection":1,"error":"dial tcp 127.0.0.1:5432: connection refused"}"#,
            ),
            port(61_000, r#"{"state":"closed","port":5432,"connection":0,"sent":5321,"received":1893204}"#),
        ],
        kind: SessionKind::PortForward,
        outcome: Some(Outcome::Ended),
        ..Recording::exec(&ago(140), &[])
    }
}

fn refused() -> Recording {
    let message = "pods \"web-9\" is forbidden: User \"chidi@example.com\" cannot create resource \"pods/exec\"";
    Recording {
        outcome: Some(Outcome::FailedToStart { message: message.to_owned() }),
        user: "chidi@example.com".to_owned(),
        target: target("demo", "default", "web-9", ""),
        ..Recording::terminal(&ago(141), &["bash"])
    }
}

fn odd() -> Recording {
    Recording {
        anomalies: vec!["client: data on a channel that the server does not read, at byte 118".to_owned()],
        ..Recording::exec(
            &ago(150),
            &["echo", "<img src=x onerror=alert(1)>", "a\u{202e}b", "\u{1b}]0;title\u{7}", "two\nlines"],
        )
        .prints(5, "<img src=x onerror=alert(1)>\n")
    }
}

fn cut() -> Recording {
    Recording {
        outcome: Some(Outcome::EndedByGateway { reason: "the store is unavailable".to_owned(), by: String::new() }),
        ..Recording::terminal(
            &ago(160),
            &["python3", "-m", "IPython", "--no-banner", "--TerminalInteractiveShell.editing_mode=vi"],
        )
    }
}
