pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod options;
pub(crate) mod path;
pub(crate) mod reason;
pub(crate) mod resource;
pub(crate) mod status;
