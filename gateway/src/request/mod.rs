//! What a request says: read once, in one way, before anybody decides about it.

pub(crate) mod head;
pub(crate) mod headers;
mod options;
pub(crate) mod parts;
pub(crate) mod path;
pub(crate) mod protocol;
pub(crate) mod reason;
pub(crate) mod resource;
pub(crate) mod status;
