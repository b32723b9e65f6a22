//! What handlers work with, a handle for each thing: a handler takes the ones that it needs.

pub(crate) mod access_journal;
pub(crate) mod evidence;
pub(crate) mod inspector;
pub(crate) mod recent;
pub(crate) mod searcher;
pub(crate) mod site;
pub(crate) mod turns;
