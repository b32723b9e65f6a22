use std::time::Duration;

use crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

/// Most characters of a text that is looked for.
const LONGEST: usize = 200;

/// The keys, in a line.
pub const HELP: &str = "space pause  left right 5 s  page up down 1 min  home end  , ; command  / find n N  +- speed  i idle  . step  q quit";

/// How far the arrow keys go and the page keys: as far as in the browser.
const STEP: Duration = Duration::from_secs(5);
const LEAP: Duration = Duration::from_secs(60);

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyAction {
    Quit,
    Pause,
    Step,
    Forward(Duration),
    Back(Duration),
    Start,
    End,
    Speed(f64),
    Idle,
    NextCommand,
    PreviousCommand,
    Find,
    NextPlace,
    PreviousPlace,
    Help,
}

/// Keys are read by a thread of their own, which ends with the process.
pub fn listen() -> mpsc::Receiver<KeyEvent> {
    let (send, receive) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let event::Event::Key(key) = event else { continue };
            if key.kind != KeyEventKind::Release && send.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receive
}

/// What a key does while no text is being typed. The browser's player has the same keys, where it has one.
pub fn action(key: &KeyEvent) -> Option<KeyAction> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(KeyAction::Quit);
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(KeyAction::Quit),
        KeyCode::Char(' ') => Some(KeyAction::Pause),
        KeyCode::Char('.') => Some(KeyAction::Step),
        KeyCode::Char('+' | '=' | '>') => Some(KeyAction::Speed(2.0)),
        KeyCode::Char('-' | '<') => Some(KeyAction::Speed(0.5)),
        KeyCode::Char('i') => Some(KeyAction::Idle),
        KeyCode::Char(';' | ']') => Some(KeyAction::NextCommand),
        KeyCode::Char(',' | '[') => Some(KeyAction::PreviousCommand),
        KeyCode::Char('/') => Some(KeyAction::Find),
        KeyCode::Char('n') => Some(KeyAction::NextPlace),
        KeyCode::Char('N') => Some(KeyAction::PreviousPlace),
        KeyCode::Char('?' | 'h') => Some(KeyAction::Help),
        KeyCode::Right => Some(KeyAction::Forward(STEP)),
        KeyCode::Left => Some(KeyAction::Back(STEP)),
        KeyCode::PageDown => Some(KeyAction::Forward(LEAP)),
        KeyCode::PageUp => Some(KeyAction::Back(LEAP)),
        KeyCode::Home | KeyCode::Char('0') => Some(KeyAction::Start),
        KeyCode::End => Some(KeyAction::End),
        _ => None,
    }
}

/// The text to look for, while it is being typed.
#[derive(Debug, Default)]
pub struct Question {
    pub text: String,
}

/// Where a question is after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum QuestionState {
    More,
    /// The text is complete. If it is empty, nothing is looked for any more.
    Done,
    Cancelled,
    Quit,
}

impl Question {
    pub fn press(&mut self, key: &KeyEvent) -> QuestionState {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return QuestionState::Quit,
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Char(c) if !control && self.text.chars().count() < LONGEST => self.text.push(c),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Enter => return QuestionState::Done,
            KeyCode::Esc => return QuestionState::Cancelled,
            _ => {}
        }
        QuestionState::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn a_question_takes_letters_that_are_wishes_elsewhere() {
        let mut question = Question::default();
        for c in "qi?x".chars() {
            assert_eq!(question.press(&key(KeyCode::Char(c))), QuestionState::More);
        }
        question.press(&key(KeyCode::Backspace));
        assert_eq!((question.press(&key(KeyCode::Enter)), question.text.as_str()), (QuestionState::Done, "qi?"));
        assert_eq!(question.press(&key(KeyCode::Esc)), QuestionState::Cancelled);
        let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!((question.press(&quit), action(&quit)), (QuestionState::Quit, Some(KeyAction::Quit)));
    }

    #[test]
    fn the_help_has_every_key() {
        assert!(HELP.len() < 120);
        for part in ["space", "left", "page", "home end", ", ;", "/", "n N", "+-", "i ", ".", "q"] {
            assert!(HELP.contains(part), "{part}");
        }
    }
}
