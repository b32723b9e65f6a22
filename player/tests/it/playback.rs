use std::time::Duration;

use player::{Pace, PlayerSettings, Step};
use recording::cast::Code::*;

use crate::test_recording::{Kind, TestRecording};

#[tokio::test]
async fn the_screen_at_a_moment_is_what_stood_there() {
    let mut tape = TestRecording::start(Kind::Tty, "never").await;
    tape.chunk(&[(0, Resize, "20x3"), (1_000_000, Output, "$ ls\r\n"), (2_000_000, Output, "a b\r\n")]).await;
    tape.chunk(&[(3_000_000, Output, "\x1b[2J\x1b[Hcleared")]).await;
    let settings = PlayerSettings { segment_length: Duration::from_secs(1), ..PlayerSettings::default() };
    let player = tape.player(settings);
    let screen = |micros| player.screen_at(tape.id, micros);
    assert_eq!(screen(0).await.unwrap().lines, ["", "", ""]);
    assert_eq!(screen(1_000_000).await.unwrap().lines, ["$ ls", "", ""]);
    assert_eq!(screen(2_999_999).await.unwrap().lines, ["$ ls", "a b", ""]);
    assert_eq!(screen(u64::MAX).await.unwrap().lines, ["cleared", "", ""]);
}

#[tokio::test]
async fn playback_starts_with_the_screen_and_goes_on_with_steps() {
    let mut tape = TestRecording::start(Kind::Tty, "never").await;
    tape.chunk(&[(0, Resize, "20x3"), (10, Output, "a"), (20, Output, "b"), (30, Marker, "ls")]).await;
    tape.chunk(&[(40, Output, "c")]).await;
    let mut playback = tape.player(PlayerSettings::default()).playback(tape.id, 15).await.unwrap();
    assert_eq!(playback.opening().lines, ["a", "", ""]);
    let mut steps = Vec::new();
    while let Some(timed) = playback.next().await.unwrap() {
        steps.push((timed.micros, timed.step));
    }
    let expected =
        [(20, Step::Output("b".to_owned())), (30, Step::Marker("ls".to_owned())), (40, Step::Output("c".to_owned()))];
    assert_eq!(steps, expected);
}

#[test]
fn pace_cuts_pauses_before_it_speeds_up() {
    let pace = Pace { speed: 2.0, idle_limit: Some(Duration::from_secs(4)) };
    assert_eq!(pace.wait(0, 1_000_000), Duration::from_millis(500));
    assert_eq!(pace.wait(0, 3_600_000_000), Duration::from_secs(2));
    assert_eq!(pace.wait(5, 4), Duration::ZERO);
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Pace { speed, idle_limit: None }.wait(0, 1_000_000), Duration::from_secs(1));
    }
}
