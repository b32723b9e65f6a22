//! kubectl's way in: TLS, identity, permit, upgrade, splice.
//!
//! [`Gateway::new`] takes [`Settings`], [`Gateway::serve`] a listener. The folders follow a request, and each names only
//! those below it:
//!
//! ```text
//!            kubectl
//!               │ TLS
//!   listener    ▼     connections, the first head, HTTP/1.1 and h2; bounds until a credential is seen
//!               │ head
//!   session     │     exec, attach, portforward: record, dial, answer, then move bytes; what is under way
//!               │ ▲
//!   proxy       │ │   API servers, and requests that are handed on to them as they are
//!               ▼ │ Permitted
//!   auth        ● ┘   Received ─▶ Authenticated ─▶ Classified ─▶ Permitted, or a refusal that is journalled
//!               │
//!   request     ▼     path, headers, resource, options: what a request says; how the gateway answers
//!   transport         sockets and TLS, for both ends
//! ```

mod auth;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod listener;
mod proxy;
mod request;
mod session;
mod settings;
mod transport;

pub use gateway::{Gateway, GatewayError, PolicyExchangeError, Terminated};
pub use proxy::clusters;
pub use request::reason::{Reason, ReasonError};
pub use settings::{ForwardLatency, Limits, Settings, TlsSettings};
pub use transport::TlsError;
