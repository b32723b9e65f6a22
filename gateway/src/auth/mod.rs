pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod impersonate;
pub(crate) mod refusals;
