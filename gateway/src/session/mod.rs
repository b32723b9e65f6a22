mod buffer;
pub(crate) mod fallback;
mod image;
pub(crate) mod limits;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod splice;
mod terminate;
pub(crate) mod upgrade;
