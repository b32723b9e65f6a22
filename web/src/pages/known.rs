use search::Values;

use crate::{http::failure::Failure, state::AppState};

/// Names in each list at most.
const MOST: usize = 200;

/// Bytes of a name that is offered; longer ones are left out.
const LONGEST: usize = 256;

/// The names that occur, for a form to offer.
pub(crate) struct FilterOptions(Values);

impl FilterOptions {
    pub(crate) async fn of(state: &AppState) -> Result<Self, Failure> {
        Ok(Self(state.find(|index| index.values()).await?))
    }

    /// Field and names, as the filters' form needs them.
    pub(crate) fn lists(&self) -> [(&'static str, Vec<&str>); 3] {
        [
            ("user", offered(&self.0.users)),
            ("cluster", offered(&self.0.clusters)),
            ("namespace", offered(&self.0.namespaces)),
        ]
    }
}

fn offered(names: &[String]) -> Vec<&str> {
    let names = names.iter().map(String::as_str).filter(|name| !name.is_empty() && name.len() <= LONGEST);
    names.take(MOST).collect()
}
