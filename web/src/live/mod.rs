pub(crate) mod end;
pub(crate) mod watch;
