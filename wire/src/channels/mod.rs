//! One channel byte per message: exec and attach, and the older form of port-forward.

mod message;
mod port_forward;
mod remote_command;

pub(crate) use port_forward::ChannelPortForward;
pub(crate) use remote_command::{RemoteCommand, other};
