//! What stands between a socket and HTTP, for the gateway and the pages alike.
//!
//! ```text
//!   accepted ─▶ proxy_header ─▶ (TLS) ─▶ heads ─▶ HTTP
//!      │        whose address            one length for each body
//!      └─ places: of strangers by address, of people by name; the oldest stranger makes room
//! ```

pub mod heads;
pub mod places;
pub mod proxy_header;
mod sampler;
mod trusted;

pub use heads::{Head, Heads, OneLength};
pub use places::{HeadBudget, NoRoom, PersonFull, Place, PlaceLimits, Places, network};
pub use sampler::Sampler;
pub use trusted::{ProxyError, TrustedProxies};
