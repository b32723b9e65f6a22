//! One channel byte per message: exec and attach, and port-forward's older form.

mod forward;
mod message;
mod session;

pub(crate) use forward::Forward;
pub(crate) use session::{Session, other};
