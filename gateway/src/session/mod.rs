//! One exec, attach or portforward, from its permit to the end of its recording; and what is under way at all.

mod buffer;
mod fallback;
mod finish;
mod image;
mod limits;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod sessions;
mod splice;
pub(crate) mod stream;
mod terminate;
pub(crate) mod upgrade;
