use std::fmt;

use player::FindResult;
use recording::Micros;

/// Where a text was found, and at which of these places the viewer is.
#[derive(Debug, Default)]
pub struct Bookmarks {
    text: String,
    moments: Vec<Micros>,
    more: bool,
    here: Option<usize>,
}

impl Bookmarks {
    /// What the player found of `text`.
    pub fn new(text: String, found: &FindResult) -> Self {
        let moments = found.places.iter().map(|place| Micros::from_secs_f64(place.offset)).collect();
        Self { text, moments, more: found.more, here: None }
    }

    /// The first place after a moment, or the first of all if there is none.
    pub fn from(&mut self, at: Micros) -> Option<Micros> {
        let here = self.moments.partition_point(|moment| *moment <= at);
        self.go(if here == self.moments.len() { 0 } else { here })
    }

    /// The next place, or the one before. After the last comes the first.
    pub fn step(&mut self, forward: bool) -> Option<Micros> {
        let many = self.moments.len().max(1);
        let here = self.here.unwrap_or(0);
        self.go(if forward { (here + 1) % many } else { (here + many - 1) % many })
    }

    fn go(&mut self, here: usize) -> Option<Micros> {
        let moment = self.moments.get(here).copied();
        self.here = moment.map(|_| here);
        moment
    }
}

/// For the progress line: empty if nothing was looked for.
impl fmt::Display for Bookmarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, many) = (&self.text, self.moments.len());
        match self.here {
            _ if text.is_empty() => Ok(()),
            None => write!(f, "  no line has {text:?}"),
            Some(here) => write!(f, "  {text:?} {} of {}{many}", here + 1, if self.more { "more than " } else { "" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use player::FoundLine;

    use super::*;

    #[test]
    fn places_are_gone_through_in_a_circle() {
        let place = |offset| FoundLine { offset, text: String::new() };
        let found = FindResult { places: [1.0, 2.5, 4.0].map(place).to_vec(), more: false };
        let mut places = Bookmarks::new("x".to_owned(), &found);
        assert_eq!(
            (places.from(Micros::from_secs(1)), places.to_string()),
            (Some(Micros::from_millis(2_500)), "  \"x\" 2 of 3".to_owned())
        );
        assert_eq!([places.step(true), places.step(true)], [Some(Micros::from_secs(4)), Some(Micros::from_secs(1))]);
        assert_eq!(
            [places.step(false), places.from(Micros::from_secs(9))],
            [Some(Micros::from_secs(4)), Some(Micros::from_secs(1))]
        );
        let mut none = Bookmarks::new("y".to_owned(), &FindResult { places: Vec::new(), more: false });
        assert_eq!(
            (none.from(Micros::ZERO), none.step(true), none.to_string()),
            (None, None, "  no line has \"y\"".to_owned())
        );
    }
}
