//! Who sends a request, whether they may, and what the journal learns of a refusal.

pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod impersonate;
pub(crate) mod own_namespace;
pub(crate) mod policy;
pub(crate) mod refusals;
