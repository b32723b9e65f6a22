use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;
use crossterm::{
    event::{self, KeyCode, KeyEventKind, KeyModifiers},
    terminal,
};
use player::Player;
use storage::RecordingId;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Screen,
    clock::Clock,
    reel::{Reel, What},
};
use crate::{cli, time};

/// How far the arrow keys go, in microseconds.
const LEAP: u64 = 5_000_000;
/// How often the progress line is drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// Plays with keys. Restores the terminal however it ends.
pub async fn play(reel: Reel, player: &Player, id: RecordingId, wanted: &cli::Play) -> Result<()> {
    let mut keys = keys();
    let _raw = RawTerminal::enter()?;
    let clock = Clock::new(wanted.speed, wanted.idle_limit.map(|limit| limit.0));
    let screen = Screen::new(reel.header.kubetape.tty);
    let mut playback = Playback {
        recorded: (reel.header.width, reel.header.height),
        reel,
        player,
        id,
        clock,
        screen,
        at: 0,
        paused: false,
    };
    clear()?;
    let from = u64::try_from(wanted.from.0.as_micros())?;
    if from > 0 {
        playback.seek(from).await?;
    }
    playback.run(&mut keys).await
}

struct Playback<'a> {
    reel: Reel,
    player: &'a Player,
    id: RecordingId,
    clock: Clock,
    screen: Screen,
    /// Microseconds since the recording's start.
    at: u64,
    paused: bool,
    /// Columns and rows of the recorded terminal.
    recorded: (u16, u16),
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    Quit,
    Pause,
    Step,
    Forward,
    Back,
    Start,
    Speed(f64),
    Idle,
}

impl Playback<'_> {
    async fn run(&mut self, keys: &mut mpsc::Receiver<Wish>) -> Result<()> {
        loop {
            self.progress()?;
            let Some(next) = self.reel.peek().await?.map(|shown| shown.micros) else { return self.end() };
            let wait = self.clock.pause(self.at, next);
            let began = Instant::now();
            tokio::select! {
                biased;
                wish = keys.recv() => {
                    self.pass(began.elapsed(), next);
                    match wish {
                        None | Some(Wish::Quit) => return self.end(),
                        Some(wish) => self.grant(wish).await?,
                    }
                }
                () = tokio::time::sleep(wait.min(TICK)), if !self.paused => {
                    if wait <= TICK {
                        self.show_next().await?;
                    } else {
                        self.pass(began.elapsed(), next);
                    }
                }
            }
        }
    }

    /// Time went by without an event. Skipped idle time is passed at once, at its end.
    fn pass(&mut self, waited: Duration, next: u64) {
        if self.paused {
            return;
        }
        let left = self.clock.pause(self.at, next).saturating_sub(waited);
        let behind = next.saturating_sub(self.clock.progress(left));
        self.at = behind.max(self.at).min(next);
    }

    async fn show_next(&mut self) -> Result<()> {
        let Some(shown) = self.reel.next().await? else { return Ok(()) };
        self.at = self.at.max(shown.micros);
        if let What::Size(width, height) = shown.what {
            self.recorded = (width, height);
        }
        Ok(self.screen.show(&shown)?)
    }

    async fn grant(&mut self, wish: Wish) -> Result<()> {
        match wish {
            Wish::Quit => Ok(()),
            Wish::Pause => {
                self.paused = !self.paused;
                Ok(())
            }
            Wish::Step if self.paused => self.show_next().await,
            Wish::Step => Ok(()),
            Wish::Forward => self.seek(self.at.saturating_add(LEAP)).await,
            Wish::Back => self.seek(self.at.saturating_sub(LEAP)).await,
            Wish::Start => self.seek(0).await,
            Wish::Speed(factor) => {
                self.clock.change_speed(factor);
                Ok(())
            }
            Wish::Idle => {
                self.clock.toggle_idle();
                Ok(())
            }
        }
    }

    /// Draws the screen of a moment and goes on from there.
    async fn seek(&mut self, to: u64) -> Result<()> {
        let to = self.reel.length().map_or(to, |length| to.min(length));
        clear()?;
        self.screen = Screen::new(self.reel.header.kubetape.tty);
        if to > 0 {
            let screen = self.player.screen_at(self.id, to).await?;
            self.recorded = (screen.cols, screen.rows);
            // The emulator's own dump is a terminal's output: its lines end in both.
            let mut drawn = Screen::new(true);
            drawn.write(screen.init.as_bytes())?;
        }
        self.at = to;
        if to == 0 { self.reel.rewind().await } else { self.reel.seek(to).await }
    }

    /// The last row of this terminal, where the recording does not need it or stands still.
    fn progress(&self) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        if rows <= self.recorded.1 && !self.paused {
            return Ok(());
        }
        let length = self.reel.length().map_or_else(|| "live".to_owned(), time::length);
        let state = if self.paused { "paused" } else { "playing" };
        let idle = if self.clock.skips() { ", idle time skipped" } else { "" };
        let small = if columns < self.recorded.0 || rows < self.recorded.1 {
            format!(" (recorded at {}x{}: this terminal is smaller)", self.recorded.0, self.recorded.1)
        } else {
            String::new()
        };
        let line = format!(
            " {state} {} / {length}  {}x{idle}{small}  space pause, arrows seek, +- speed, q quit",
            time::length(self.at),
            self.clock.speed()
        );
        let line: String = line.chars().take(columns.into()).collect();
        let mut out = io::stdout().lock();
        write!(out, "\x1b7\x1b[{rows};1H\x1b[0;7m\x1b[2K{line}\x1b[0m\x1b8")?;
        out.flush()
    }

    fn end(&self) -> Result<()> {
        let (_, rows) = terminal::size()?;
        let mut out = io::stdout().lock();
        write!(out, "\x1b7\x1b[{rows};1H\x1b[0m\x1b[2K\x1b8")?;
        Ok(out.flush()?)
    }
}

fn clear() -> io::Result<()> {
    let mut out = io::stdout().lock();
    // Soft reset, main screen, no attributes, cleared.
    write!(out, "\x1b[!p\x1b[?1049l\x1b[?69l\x1b[r\x1b(B\x0f\x1b[0m\x1b[2J\x1b[H")?;
    out.flush()
}

/// Raw mode; dropped, the terminal is as it was.
struct RawTerminal;

impl RawTerminal {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _ = write!(out, "\x1b[!p\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[?69l\x1b[r\x1b(B\x0f\x1b[0m\r\n")
            .and_then(|()| out.flush());
        let _ = terminal::disable_raw_mode();
    }
}

/// Keys are read by a thread of their own, which ends with the process.
fn keys() -> mpsc::Receiver<Wish> {
    let (send, receive) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let Some(wish) = wish(&event) else { continue };
            if send.blocking_send(wish).is_err() {
                return;
            }
        }
    });
    receive
}

fn wish(event: &event::Event) -> Option<Wish> {
    let event::Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Wish::Quit);
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char(' ') => Some(Wish::Pause),
        KeyCode::Char('.') => Some(Wish::Step),
        KeyCode::Char('+' | '=' | '>') => Some(Wish::Speed(2.0)),
        KeyCode::Char('-' | '<') => Some(Wish::Speed(0.5)),
        KeyCode::Char('i') => Some(Wish::Idle),
        KeyCode::Right => Some(Wish::Forward),
        KeyCode::Left => Some(Wish::Back),
        KeyCode::Home | KeyCode::Char('0') => Some(Wish::Start),
        _ => None,
    }
}
