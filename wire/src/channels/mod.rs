//! One channel byte per message: exec and attach, and port-forward's older form.

mod message;
mod port_forward;
mod remote_command;

pub(crate) use port_forward::Forward;
pub(crate) use remote_command::{Session, other};
