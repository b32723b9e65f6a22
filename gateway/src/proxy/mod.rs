pub(crate) mod answer;
pub mod clusters;
pub(crate) mod forward;
pub(crate) mod upstream;
