use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;
use crossterm::{event::KeyEvent, terminal};
use player::Player;
use recording::{Micros, RecordingId};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Screen,
    bookmarks::Bookmarks,
    clock::Clock,
    cursor::{POLL_INTERVAL, PlaybackCursor, ScreenChange},
    keys::{self, KeyAction, Question, QuestionState},
    progress::{PlayState, Progress, fit},
};
use crate::cli;

/// Viewing often the progress line is drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// A command that comes sooner than this after the moment that is shown is not the next one.
const JUST_BEFORE: Duration = Duration::from_millis(100);

/// A command that was entered less than this before the moment that is shown is not the previous one.
const JUST_AFTER: Duration = Duration::from_millis(500);

/// Plays with keys, and restores the terminal however it ends.
pub async fn play(cursor: PlaybackCursor, player: &Player, id: RecordingId, options: &cli::Play) -> Result<()> {
    let mut keys = keys::listen();
    let _raw = RawTerminal::enter()?;
    let clock = Clock::new(options.speed, options.idle_limit.map(|limit| limit.0));
    let screen = Screen::of(cursor.header.kubetape.tty);
    let mut playback = Playback {
        recorded: (cursor.header.width, cursor.header.height),
        cursor,
        player,
        id,
        clock,
        screen,
        at: Micros::ZERO,
        paused: false,
        follows: options.follow,
        quits: options.quit_at_end,
        over: false,
        question: None,
        places: Bookmarks::default(),
        help: false,
    };
    clear()?;
    let mut from = Micros::from(options.from.0);
    if from == Micros::ZERO && options.follow && playback.cursor.length().is_none() {
        from = player.duration(id).await?;
    }
    if from > Micros::ZERO {
        playback.seek(from).await?;
    }
    playback.run(&mut keys).await
}

struct Playback<'a> {
    cursor: PlaybackCursor,
    player: &'a Player,
    id: RecordingId,
    clock: Clock,
    screen: Screen,
    /// The moment that is shown.
    at: Micros,
    paused: bool,
    /// At the end of what is stored it waits for more.
    follows: bool,
    /// At the end it quits by itself.
    quits: bool,
    /// Everything was shown, and it does not wait for more.
    over: bool,
    /// The text to look for, while it is being typed; meanwhile playback is paused.
    question: Option<Question>,
    places: Bookmarks,
    help: bool,
    /// Columns and rows of the recorded terminal.
    recorded: (u16, u16),
}

impl Playback<'_> {
    async fn run(&mut self, keys: &mut mpsc::Receiver<KeyEvent>) -> Result<()> {
        loop {
            let next = self.cursor.peek().await?.map(|event| event.time);
            let waits = next.is_none() && self.follows && self.cursor.length().is_none();
            self.over = next.is_none() && !waits;
            // A viewer who paused it has not seen the end yet.
            if self.over && !self.stands() {
                if self.quits {
                    return self.end();
                }
                self.at = self.at.max(self.cursor.length().unwrap_or_default());
            }
            self.progress()?;
            let wait = match next {
                Some(next) => self.clock.pause(self.at, next).min(TICK),
                None if waits => POLL_INTERVAL,
                None => TICK,
            };
            // At the end of what is stored, time stays at its last moment.
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

    /// Called after the viewer waited for the event at the moment `next`.
    async fn go_on(&mut self, next: Option<Micros>, waited: Duration) -> Result<()> {
        match next {
            Some(next) if self.clock.pause(self.at, next) <= TICK => self.show_next().await,
            Some(next) => {
                self.pass(waited, next);
                Ok(())
            }
            None if self.over => Ok(()),
            None => self.cursor.poll().await,
        }
    }

    fn stands(&self) -> bool {
        self.paused || self.question.is_some()
    }

    /// Returns false if the viewer quit.
    async fn press(&mut self, key: &KeyEvent) -> Result<bool> {
        let Some(question) = &mut self.question else {
            match keys::action(key) {
                Some(KeyAction::Quit) => return Ok(false),
                Some(action) => self.act(action).await?,
                None => {}
            }
            return Ok(true);
        };
        match question.press(key) {
            QuestionState::More => {}
            QuestionState::Quit => return Ok(false),
            QuestionState::Cancelled => self.question = None,
            QuestionState::Done => {
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
        self.pause_at(first).await
    }

    /// Goes to a place and pauses: what was found would be gone before it is read.
    async fn pause_at(&mut self, place: Option<Micros>) -> Result<()> {
        let Some(place) = place else { return Ok(()) };
        self.paused = true;
        self.seek(place).await
    }

    async fn command(&mut self, forward: bool) -> Result<()> {
        let markers = self.player.index(self.id).await?.markers;
        let mut moments = markers.iter().map(|(seconds, _)| Micros::from_secs_f64(*seconds));
        let to = if forward {
            moments.find(|moment| *moment > self.at + JUST_BEFORE)
        } else {
            moments.rfind(|moment| *moment + JUST_AFTER < self.at)
        };
        match to {
            Some(to) => self.seek(to).await,
            None => Ok(()),
        }
    }

    /// Moves the time on while no event comes. Idle time that is skipped is passed at once, at its end.
    fn pass(&mut self, waited: Duration, next: Micros) {
        if self.stands() {
            return;
        }
        let left = self.clock.pause(self.at, next).saturating_sub(waited);
        let behind = next - self.clock.progress(left);
        self.at = behind.max(self.at).min(next);
    }

    async fn show_next(&mut self) -> Result<()> {
        let Some(event) = self.cursor.next().await? else { return Ok(()) };
        self.at = self.at.max(event.time);
        if let ScreenChange::Size(width, height) = event.change {
            self.recorded = (width, height);
        }
        Ok(self.screen.show(&event)?)
    }

    async fn act(&mut self, action: KeyAction) -> Result<()> {
        match action {
            KeyAction::Quit => Ok(()),
            // As in the browser: after the end it plays from the start.
            KeyAction::Pause if self.state() == PlayState::Ended => {
                self.paused = false;
                self.seek(Micros::ZERO).await
            }
            KeyAction::Pause => {
                self.paused = !self.paused;
                Ok(())
            }
            KeyAction::Step if self.paused => self.show_next().await,
            KeyAction::Step => Ok(()),
            KeyAction::Forward(by) => self.seek(self.at + by).await,
            KeyAction::Back(by) => self.seek(self.at - by).await,
            KeyAction::Start => self.seek(Micros::ZERO).await,
            KeyAction::End => self.seek(Micros::MAX).await,
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
                let place = self.places.step(action == KeyAction::NextPlace);
                self.pause_at(place).await
            }
            KeyAction::Help => {
                self.help = !self.help;
                Ok(())
            }
        }
    }

    /// Draws the screen of a moment, or of the end if that comes before it, and goes on from there.
    async fn seek(&mut self, to: Micros) -> Result<()> {
        let to = to.min(self.length_by_now(to).await?);
        clear()?;
        self.screen = Screen::of(self.cursor.header.kubetape.tty);
        if to > Micros::ZERO {
            let screen = self.player.screen_at(self.id, to).await?;
            self.recorded = (screen.cols, screen.rows);
            self.screen.draw(&screen.init)?;
        }
        self.at = to;
        if to == Micros::ZERO { self.cursor.rewind().await } else { self.cursor.seek(to).await }
    }

    /// Length of the recording; of a live session, of what is stored. The start is always there: nothing is asked.
    async fn length_by_now(&self, to: Micros) -> Result<Micros> {
        match self.cursor.length() {
            Some(length) => Ok(length),
            None if to == Micros::ZERO => Ok(to),
            None => Ok(self.player.duration(self.id).await?),
        }
    }

    fn state(&self) -> PlayState {
        let left = self.cursor.length().is_some_and(|length| self.at < length);
        match self.paused {
            true if self.over && !left => PlayState::Ended,
            true => PlayState::Paused,
            false if self.over => PlayState::Ended,
            false => PlayState::Playing,
        }
    }

    /// Writes the last row of this terminal, if the recording does not need that row, is paused, or something is typed.
    fn progress(&self) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        if let Some(question) = &self.question {
            return self.line(&format!(" find: {}", question.text));
        }
        if self.help {
            return self.line(&format!(" {}", keys::HELP));
        }
        let state = self.state();
        if rows <= self.recorded.1 && state == PlayState::Playing {
            return Ok(());
        }
        let smaller = columns < self.recorded.0 || rows < self.recorded.1;
        let progress = Progress {
            state,
            at: self.at,
            length: self.cursor.length(),
            clock: &self.clock,
            places: &self.places,
            larger: smaller.then_some(self.recorded),
            command: self.cursor.command_at(self.at),
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

fn clear() -> io::Result<()> {
    let mut out = io::stdout().lock();
    // Soft reset, main screen, no attributes, cleared.
    write!(out, "\x1b[!p\x1b[?1049l\x1b[?69l\x1b[r\x1b(B\x0f\x1b[0m\x1b[2J\x1b[H")?;
    out.flush()
}

/// The terminal's raw mode. Dropping it restores the terminal.
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
