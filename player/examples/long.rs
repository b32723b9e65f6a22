//! Writes a long day in a terminal as an asciicast v2 file: `long FILE [HOURS] [MEGABYTES]`, by default ten hours and
//! 1,000 MB. Equal arguments give equal files.
//!
//! It is for measurements: `kubetape import FILE` makes a recording of it, with chunks, commands and a signed manifest,
//! and `e2e/measure_player.py` opens that in a browser. It holds what people do all day: commands typed by hand, lists,
//! logs that are followed, builds that print faster than anybody reads, `top`, an editor, progress bars, lunch. The
//! recording's time stands on every screen, so that a measurement can check that it sees the right one.

use std::{
    fs::File,
    io::{BufWriter, Write},
    time::Duration,
};

/// The most that one read of a pty returns.
const READ: usize = 4096;

const COLUMNS: usize = 180;
const ROWS: usize = 45;

fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = "long FILE [HOURS] [MEGABYTES]";
    let path = words.next().expect(usage);
    let hours: u64 = words.next().map_or(10, |word| word.parse().expect(usage));
    let megabytes: u64 = words.next().map_or(1000, |word| word.parse().expect(usage));
    let mut day = Day::new(BufWriter::new(File::create(path)?), Duration::from_hours(hours), megabytes * 1_000_000)?;
    while day.now < day.end {
        day.scene()?;
    }
    day.out.flush()?;
    println!(
        "{} s, {} MB printed in {} events, {} commands",
        day.now.as_secs(),
        day.printed / 1_000_000,
        day.events,
        day.commands
    );
    Ok(())
}

/// The day so far.
struct Day {
    out: BufWriter<File>,
    dice: Dice,
    /// Time since the start.
    now: Duration,
    end: Duration,
    printed: u64,
    /// What will have been printed at the end.
    amount: u64,
    events: u64,
    commands: u64,
}

impl Day {
    fn new(mut out: BufWriter<File>, end: Duration, amount: u64) -> std::io::Result<Self> {
        let header = serde_json::json!({
            "version": 2, "width": COLUMNS, "height": ROWS, "timestamp": 1_795_363_184, "command": "bash -l",
            "title": "a long day",
        });
        writeln!(out, "{header}")?;
        Ok(Self {
            out,
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            now: Duration::from_millis(200),
            end,
            printed: 0,
            amount,
            events: 0,
            commands: 0,
        })
    }

    fn scene(&mut self) -> std::io::Result<()> {
        match self.dice.below(12) {
            0..=3 => self.lists(),
            4 | 5 => self.logs(),
            6 | 7 => self.build(),
            8 => self.top(),
            9 => self.editor(),
            10 => self.download(),
            _ => self.pause(),
        }
    }

    /// A few commands with short answers.
    fn lists(&mut self) -> std::io::Result<()> {
        for _ in 0..self.dice.between(2, 8) {
            let namespace = self.dice.of(&["shop", "prod", "ingress", "data"]);
            let command = format!("kubectl get pods -n {namespace} -o wide | head -{}", self.dice.between(5, 60));
            self.command(&command)?;
            let mut answer =
                "NAME                          READY   STATUS    RESTARTS   AGE     IP            NODE\r\n".to_owned();
            for _ in 0..self.dice.between(4, 60) {
                let pod = format!("{}-{:05x}", self.dice.of(SERVICES), self.dice.below(1 << 20));
                let (ip, restarts) = (self.dice.below(250), self.dice.below(9));
                answer += &format!(
                    "{pod:<29} 1/1     Running   {restarts:<10} {}d      10.0.{}.{ip:<8} node-{:<4} {}\r\n",
                    self.dice.below(90),
                    self.dice.below(16),
                    self.dice.below(40),
                    stamp(self.now)
                );
            }
            self.print(&answer, 2_000)?;
            self.wait(1_000, 15_000);
        }
        Ok(())
    }

    /// Logs that are followed for some minutes.
    fn logs(&mut self) -> std::io::Result<()> {
        let service = self.dice.of(SERVICES);
        self.command(&format!("kubectl logs -f deploy/{service} -n prod"))?;
        let until = self.now + Duration::from_secs(self.dice.between(60, 420));
        while self.now < until {
            let mut lines = String::new();
            for _ in 0..self.dice.between(1, 12) {
                lines += &self.log_line(service);
            }
            self.print(&lines, 500)?;
            self.wait(20, 600);
        }
        self.print("^C\r\n", 0)
    }

    /// Prints as much as is behind what the day is to have printed by now, as quickly as a build does.
    fn build(&mut self) -> std::io::Result<()> {
        self.command("make -j8 image 2>&1 | tee build.log")?;
        let due = (u128::from(self.amount) * self.now.as_micros() / self.end.as_micros()) as u64;
        let until = due.max(self.printed + 100_000);
        while self.printed < until {
            let mut lines = String::new();
            while lines.len() < READ {
                let (krate, minor, patch) = (self.dice.of(CRATES), self.dice.below(40), self.dice.below(20));
                lines += &format!(
                    "\x1b[1m\x1b[32m   Compiling\x1b[0m {krate} v1.{minor}.{patch} (/build/vendor/{krate}-1.{minor}.{patch}) [{:016x}] {}\r\n",
                    self.dice.next(),
                    stamp(self.now)
                );
            }
            self.print(&lines, 100)?;
            self.wait(1, 3);
        }
        self.print(&format!("\x1b[1m\x1b[32m    Finished\x1b[0m at {}\r\n", stamp(self.now)), 0)
    }

    /// A program that draws the whole screen every second, on the alternate screen.
    fn top(&mut self) -> std::io::Result<()> {
        self.command("top")?;
        self.print("\x1b[?1049h\x1b[?25l", 0)?;
        for _ in 0..self.dice.between(20, 300) {
            let mut screen = format!(
                "\x1b[H\x1b[Jtop - {} up 12 days,  load average: {}.{:02}, 1.42, 1.17\r\n\r\n\x1b[7m    PID USER      PR  NI    VIRT    RES  %CPU  %MEM     TIME+ COMMAND{:110}\x1b[0m",
                stamp(self.now),
                self.dice.below(9),
                self.dice.below(100),
                ""
            );
            for row in 5..=ROWS {
                let (pid, cpu) = (self.dice.below(60_000), self.dice.below(1000));
                screen += &format!(
                    "\x1b[{row};1H{pid:>7} root      20   0 {:>7} {:>6} {:>3}.{}   0.{} {:>9} {}\x1b[K",
                    self.dice.below(9_999_999),
                    self.dice.below(999_999),
                    cpu / 10,
                    cpu % 10,
                    self.dice.below(9),
                    self.dice.below(99_999),
                    self.dice.of(SERVICES)
                );
            }
            self.print(&screen, 300)?;
            self.now += Duration::from_secs(1);
        }
        self.print("\x1b[?25h\x1b[?1049l", 0)
    }

    /// An editor: pages up and down, and typing.
    fn editor(&mut self) -> std::io::Result<()> {
        self.command("vi deployment.yaml")?;
        self.print("\x1b[?1049h\x1b[1;44r", 0)?;
        for _ in 0..self.dice.between(20, 120) {
            let mut page = "\x1b[H".to_owned();
            for row in 1..ROWS {
                page += &format!(
                    "\x1b[{row};1H\x1b[33m{:>4}\x1b[0m   \x1b[36m{}\x1b[0m: {:x}\x1b[K",
                    self.dice.below(2000),
                    self.dice.of(CRATES),
                    self.dice.next()
                );
            }
            page += &format!("\x1b[{ROWS};1H\x1b[7m deployment.yaml {} \x1b[0m\x1b[K", stamp(self.now));
            self.print(&page, 200)?;
            for _ in 0..self.dice.below(30) {
                let letter = char::from(b'a' + self.dice.below(26) as u8);
                self.print(&letter.to_string(), 0)?;
                self.wait(60, 300);
            }
            self.wait(300, 4_000);
        }
        self.print("\x1b[r\x1b[?1049l", 0)
    }

    /// A line that is drawn over itself.
    fn download(&mut self) -> std::io::Result<()> {
        self.command("curl -O https://mirror.internal/images/base.tar")?;
        for tenth in 0..=1000 {
            let bar = "#".repeat(tenth / 20);
            self.print(&format!("\r\x1b[K[{bar:<50}] {:>3}.{} % {}", tenth / 10, tenth % 10, stamp(self.now)), 0)?;
            self.now += Duration::from_millis(100);
        }
        self.print("\r\n", 0)
    }

    /// Nobody is there.
    fn pause(&mut self) -> std::io::Result<()> {
        let lunch = if self.dice.below(4) == 0 { 1_200 } else { 120 };
        self.now += Duration::from_secs(self.dice.between(10, lunch));
        Ok(())
    }

    /// A prompt, and a command typed key by key.
    fn command(&mut self, text: &str) -> std::io::Result<()> {
        self.commands += 1;
        self.print(&format!("\x1b[?2004h\x1b[32mada@web\x1b[0m {} $ ", stamp(self.now)), 0)?;
        self.wait(300, 3_000);
        for key in text.chars() {
            self.print(&key.to_string(), 0)?;
            self.wait(40, 220);
        }
        self.print("\r\n\x1b[?2004l\r", 0)?;
        self.wait(20, 400);
        Ok(())
    }

    fn log_line(&mut self, service: &str) -> String {
        let level = self.dice.of(&[
            "\x1b[32mINFO\x1b[0m",
            "\x1b[32mINFO\x1b[0m",
            "\x1b[33mWARN\x1b[0m",
            "\x1b[31mERROR\x1b[0m",
        ]);
        let path = format!("/api/v1/{}/{:x}", self.dice.of(SERVICES), self.dice.below(1 << 32));
        let (code, took, a, b) = (
            self.dice.of(&["200", "201", "304", "404", "500"]),
            self.dice.below(900),
            self.dice.below(256),
            self.dice.below(256),
        );
        format!(
            "{} {level} {service} request={:016x} client=10.0.{a}.{b} GET {path} {code} {took}ms\r\n",
            stamp(self.now),
            self.dice.next()
        )
    }

    /// Writes text as reads of a pty give it, `apart` microseconds one after the other.
    fn print(&mut self, text: &str, apart: u64) -> std::io::Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            // All of it is ASCII.
            let (read, after) = rest.split_at(rest.len().min(READ));
            let seconds = format!("{}.{:06}", self.now.as_secs(), self.now.subsec_micros());
            writeln!(self.out, "[{seconds},\"o\",{}]", serde_json::Value::from(read))?;
            self.events += 1;
            self.printed += read.len() as u64;
            self.now += Duration::from_micros(apart);
            rest = after;
        }
        Ok(())
    }

    /// Between two times in milliseconds.
    fn wait(&mut self, least: u64, most: u64) {
        self.now += Duration::from_millis(self.dice.between(least, most));
    }
}

/// `@HH:MM:SS`, since the start.
fn stamp(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("@{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// xorshift64*: the same numbers each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const SERVICES: &[&str] =
    &["cart", "checkout", "payments", "catalogue", "search", "gateway", "auth", "mailer", "ledger", "stock"];

const CRATES: &[&str] = &[
    "serde", "tokio", "hyper", "rustls", "bytes", "regex", "axum", "tracing", "clap", "rand", "syn", "quote", "time",
    "url",
];
