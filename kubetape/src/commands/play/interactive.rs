use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;
use crossterm::{event::KeyEvent, terminal};
use player::Player;
use recording::RecordingId;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Screen,
    clock::Clock,
    keys::{self, Asked, KeyAction, Question},
    places::Bookmarks,
    progress::{Progress, State, fit},
    reel::{LOOK, PlaybackCursor, What},
};
use crate::cli;

/// How often the progress line is drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// Plays with keys. Restores the terminal however it ends.
pub async fn play(reel: PlaybackCursor, player: &Player, id: RecordingId, wanted: &cli::Play) -> Result<()> {
    let mut keys = keys::listen();
    let _raw = RawTerminal::enter()?;
    let clock = Clock::new(wanted.speed, wanted.idle_limit.map(|limit| limit.0));
    let screen = Screen::of(reel.header.kubetape.tty);
    let mut playback = Playback {
        recorded: (reel.header.width, reel.header.height),
        reel,
        player,
        id,
        clock,
        screen,
        at: 0,
        paused: false,
        follows: wanted.follow,
        quits: wanted.quit_at_end,
        over: false,
        question: None,
        places: Bookmarks::default(),
        help: false,
    };
    clear()?;
    let mut from = u64::try_from(wanted.from.0.as_micros())?;
    if from == 0 && wanted.follow && playback.reel.length().is_none() {
        from = player.duration(id).await?;
    }
    if from > 0 {
        playback.seek(from).await?;
    }
    playback.run(&mut keys).await
}

struct Playback<'a> {
    reel: PlaybackCursor,
    player: &'a Player,
    id: RecordingId,
    clock: Clock,
    screen: Screen,
    /// Microseconds since the recording's start.
    at: u64,
    paused: bool,
    /// At the end of what is stored, more is waited for.
    follows: bool,
    /// At the end it ends by itself.
    quits: bool,
    /// Everything was shown, and no more is waited for.
    over: bool,
    /// What is being typed to be looked for; meanwhile nothing moves.
    question: Option<Question>,
    places: Bookmarks,
    help: bool,
    /// Columns and rows of the recorded terminal.
    recorded: (u16, u16),
}

impl Playback<'_> {
    async fn run(&mut self, keys: &mut mpsc::Receiver<KeyEvent>) -> Result<()> {
        loop {
            let next = self.reel.peek().await?.map(|shown| shown.micros);
            let waits = next.is_none() && self.follows && self.reel.length().is_none();
            self.over = next.is_none() && !waits;
            // Whoever made it stand still has not seen the end yet.
            if self.over && !self.stands() {
                if self.quits {
                    return self.end();
                }
                self.at = self.at.max(self.reel.length().unwrap_or(0));
            }
            self.progress()?;
            let wait = match next {
                Some(next) => self.clock.pause(self.at, next).min(TICK),
                None if waits => LOOK,
                None => TICK,
            };
            // At the end of what is there it stands at its last moment.
            let (until, began) = (next.unwrap_or(self.at), Instant::now());
            tokio::select! {
                biased;
                key = keys.recv() => {
                    self.pass(began.elapsed(), until);
                    let Some(key) = key else { return self.end() };
                    if !self.press(&key).await? {
                        return self.end();
                    }
                }
                () = tokio::time::sleep(wait), if !self.stands() => self.go_on(next, began.elapsed()).await?,
            }
        }
    }

    /// The viewer waited for what comes next, at the moment `next`.
    async fn go_on(&mut self, next: Option<u64>, waited: Duration) -> Result<()> {
        match next {
            Some(next) if self.clock.pause(self.at, next) <= TICK => self.show_next().await,
            Some(next) => {
                self.pass(waited, next);
                Ok(())
            }
            None if self.over => Ok(()),
            None => self.reel.look().await,
        }
    }

    fn stands(&self) -> bool {
        self.paused || self.question.is_some()
    }

    /// False when that was the end.
    async fn press(&mut self, key: &KeyEvent) -> Result<bool> {
        let Some(question) = &mut self.question else {
            match keys::wish(key) {
                Some(KeyAction::Quit) => return Ok(false),
                Some(wish) => self.grant(wish).await?,
                None => {}
            }
            return Ok(true);
        };
        match question.press(key) {
            Asked::More => {}
            Asked::Quit => return Ok(false),
            Asked::Dropped => self.question = None,
            Asked::Done => {
                let text = std::mem::take(&mut question.text);
                self.question = None;
                self.find(text).await?;
            }
        }
        Ok(true)
    }

    async fn find(&mut self, text: String) -> Result<()> {
        self.places = Bookmarks::default();
        if text.trim().is_empty() {
            return Ok(());
        }
        self.line(" looking through the recording…")?;
        let found = self.player.find(self.id, text.trim()).await?;
        self.places = Bookmarks::new(text, &found);
        let first = self.places.from(self.at);
        self.look_at(first).await
    }

    /// Stands still there: what was found would be gone before it is read.
    async fn look_at(&mut self, place: Option<u64>) -> Result<()> {
        let Some(place) = place else { return Ok(()) };
        self.paused = true;
        self.seek(place).await
    }

    async fn command(&mut self, forward: bool) -> Result<()> {
        let markers = self.player.index(self.id).await?.markers;
        let mut moments = markers.iter().map(|(seconds, _)| micros(*seconds));
        let to = if forward {
            moments.find(|moment| *moment > self.at + 100_000)
        } else {
            moments.rfind(|moment| *moment + 500_000 < self.at)
        };
        match to {
            Some(to) => self.seek(to).await,
            None => Ok(()),
        }
    }

    /// Time went by without an event. Skipped idle time is passed at once, at its end.
    fn pass(&mut self, waited: Duration, next: u64) {
        if self.stands() {
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

    async fn grant(&mut self, wish: KeyAction) -> Result<()> {
        match wish {
            KeyAction::Quit => Ok(()),
            // As in the browser: after the end it plays from the start.
            KeyAction::Pause if self.state() == State::Ended => {
                self.paused = false;
                self.seek(0).await
            }
            KeyAction::Pause => {
                self.paused = !self.paused;
                Ok(())
            }
            KeyAction::Step if self.paused => self.show_next().await,
            KeyAction::Step => Ok(()),
            KeyAction::Go(by) => self.seek(self.at.saturating_add_signed(by)).await,
            KeyAction::Start => self.seek(0).await,
            KeyAction::End => self.seek(u64::MAX).await,
            KeyAction::Speed(factor) => {
                self.clock.change_speed(factor);
                Ok(())
            }
            KeyAction::Idle => {
                self.clock.toggle_idle();
                Ok(())
            }
            KeyAction::NextCommand => self.command(true).await,
            KeyAction::PreviousCommand => self.command(false).await,
            KeyAction::Find => {
                self.question = Some(Question::default());
                Ok(())
            }
            KeyAction::NextPlace | KeyAction::PreviousPlace => {
                let place = self.places.step(wish == KeyAction::NextPlace);
                self.look_at(place).await
            }
            KeyAction::Help => {
                self.help = !self.help;
                Ok(())
            }
        }
    }

    /// Draws the screen of a moment, or of the end where that is before it, and goes on from there.
    async fn seek(&mut self, to: u64) -> Result<()> {
        let to = to.min(self.length_by_now(to).await?);
        clear()?;
        self.screen = Screen::of(self.reel.header.kubetape.tty);
        if to > 0 {
            let screen = self.player.screen_at(self.id, to).await?;
            self.recorded = (screen.cols, screen.rows);
            self.screen.draw(&screen.init)?;
        }
        self.at = to;
        if to == 0 { self.reel.rewind().await } else { self.reel.seek(to).await }
    }

    /// Of a session that goes on, what is stored of it: for its start nothing is asked.
    async fn length_by_now(&self, to: u64) -> Result<u64> {
        match self.reel.length() {
            Some(length) => Ok(length),
            None if to == 0 => Ok(0),
            None => Ok(self.player.duration(self.id).await?),
        }
    }

    fn state(&self) -> State {
        let left = self.reel.length().is_some_and(|length| self.at < length);
        match self.paused {
            true if self.over && !left => State::Ended,
            true => State::Stands,
            false if self.over => State::Ended,
            false => State::Plays,
        }
    }

    /// The last row of this terminal, where the recording does not need it or stands still, or something is to be said.
    fn progress(&self) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        if let Some(question) = &self.question {
            return self.line(&format!(" find: {}", question.text));
        }
        if self.help {
            return self.line(&format!(" {}", keys::HELP));
        }
        let state = self.state();
        if rows <= self.recorded.1 && state == State::Plays {
            return Ok(());
        }
        let smaller = columns < self.recorded.0 || rows < self.recorded.1;
        let progress = Progress {
            state,
            at: self.at,
            length: self.reel.length(),
            clock: &self.clock,
            places: &self.places,
            larger: smaller.then_some(self.recorded),
            command: self.reel.command_at(self.at),
        };
        self.line(&progress.line(columns))
    }

    fn line(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        let text = fit(text, columns);
        let mut out = io::stdout().lock();
        write!(out, "\x1b7\x1b[{rows};1H\x1b[0;7m\x1b[2K{text}\x1b[0m\x1b8")?;
        out.flush()
    }

    fn end(&self) -> Result<()> {
        let (_, rows) = terminal::size()?;
        let mut out = io::stdout().lock();
        write!(out, "\x1b7\x1b[{rows};1H\x1b[0m\x1b[2K\x1b8")?;
        Ok(out.flush()?)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment of a recording")]
pub fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
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
