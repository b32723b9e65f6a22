pub(crate) mod cookie;
pub(crate) mod guard;
pub(crate) mod login;
pub(crate) mod throttle;
