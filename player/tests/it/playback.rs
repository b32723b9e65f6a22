use std::time::Duration;

use player::{PlaybackEvent, PlaybackSpeed, PlayerSettings};
use recording::{Micros, cast::Code::*};

use crate::test_recording::{SessionKind, TestRecording};

#[tokio::test]
async fn the_screen_at_any_time_is_what_stood_there() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(0, Resize, "20x3"), (1_000_000, Output, "$ ls\r\n"), (2_000_000, Output, "a b\r\n")]).await;
    recording.chunk(&[(3_000_000, Output, "\x1b[2J\x1b[Hcleared")]).await;
    let settings = PlayerSettings { segment_length: Duration::from_secs(1), ..PlayerSettings::default() };
    let player = recording.player(settings);
    let screen = |at| player.screen_at(recording.id, Micros::new(at));
    assert_eq!(screen(0).await.unwrap().lines, ["", "", ""]);
    assert_eq!(screen(1_000_000).await.unwrap().lines, ["$ ls", "", ""]);
    assert_eq!(screen(2_999_999).await.unwrap().lines, ["$ ls", "a b", ""]);
    assert_eq!(screen(u64::MAX).await.unwrap().lines, ["cleared", "", ""]);
}

#[tokio::test]
async fn playback_starts_with_the_screen_and_continues_with_events() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(0, Resize, "20x3"), (10, Output, "a"), (20, Output, "b"), (30, Marker, "ls")]).await;
    recording.chunk(&[(40, Output, "c")]).await;
    let mut playback =
        recording.player(PlayerSettings::default()).playback(recording.id, Micros::new(15)).await.unwrap();
    assert_eq!(playback.opening().lines, ["a", "", ""]);
    let mut events = Vec::new();
    while let Some(timed) = playback.next().await.unwrap() {
        events.push((timed.time.get(), timed.event));
    }
    let expected = [
        (20, PlaybackEvent::Output("b".to_owned())),
        (30, PlaybackEvent::Marker("ls".to_owned())),
        (40, PlaybackEvent::Output("c".to_owned())),
    ];
    assert_eq!(events, expected);
}

#[test]
fn the_speed_cuts_pauses_before_it_speeds_up() {
    let speed = PlaybackSpeed { factor: 2.0, idle_limit: Some(Duration::from_secs(4)) };
    assert_eq!(speed.delay(Micros::ZERO, Micros::from_secs(1)), Duration::from_millis(500));
    assert_eq!(speed.delay(Micros::ZERO, Micros::from_secs(3_600)), Duration::from_secs(2));
    assert_eq!(speed.delay(Micros::new(5), Micros::new(4)), Duration::ZERO);
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let speed = PlaybackSpeed { factor, idle_limit: None };
        assert_eq!(speed.delay(Micros::ZERO, Micros::from_secs(1)), Duration::from_secs(1));
    }
}
