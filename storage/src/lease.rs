//! Leases: what says in the store that a gateway is alive.
//!
//! A lease is an object `leases/<gateway>/YYYY/MM/DD/<until>-<instance>.json`, created and never changed: `until` is the
//! second since 1970, twelve digits, up to which nobody else may finalize the gateway's sessions; `instance` tells two
//! processes of one name apart. The newest name says how long the last process lives, without a read.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Store, StoreError};
use recording::{InvalidKey, Key};

/// A lease's content, for a person: the name says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The gateway's name: a legal segment of a key.
    pub gateway: String,
    /// The process, of which a gateway's name can have several.
    pub instance: Uuid,
    /// End, seconds since 1970 UTC.
    pub until: i64,
}

impl Lease {
    /// The object's name, under the day of the lease's end.
    ///
    /// # Errors
    /// [`InvalidKey`], if the gateway's name is not a legal segment, or the end lies outside of what a calendar has.
    pub fn key(&self) -> Result<Key, InvalidKey> {
        let Self { gateway, instance, until } = self;
        let day = Timestamp::from_second(*until).map(|at| at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string());
        // A day that is none is no legal segment either.
        let name = format!("leases/{gateway}/{}/{until:012}-{instance}.json", day.unwrap_or_default());
        if gateway.contains('/') { Err(InvalidKey(name)) } else { Key::new(name) }
    }
}

/// Writes a lease. One that exists already is taken for ours: its name has our instance.
///
/// # Errors
/// The store's, or a gateway's name that cannot be part of a key.
pub async fn take(store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
    let key = lease.key().map_err(|error| StoreError::failed("create", "leases/", error))?;
    // Strings and a number: serialising them to memory has no way to fail.
    match store.put_new(&key, serde_json::to_vec(lease).unwrap_or_default().into()).await {
        Err(StoreError::Exists(_)) => Ok(()),
        other => other,
    }
}

/// Until when a gateway of that name is alive, seconds since 1970 UTC; `None` if it never had a lease.
///
/// # Errors
/// The store's.
pub async fn alive_until(store: &dyn Store, gateway: &str) -> Result<Option<i64>, StoreError> {
    let mut prefix = format!("leases/{gateway}/");
    for _ in ["year", "month", "day"] {
        let Some(last) = store.children(&prefix).await?.pop() else { return Ok(None) };
        prefix.push_str(&last);
        prefix.push('/');
    }
    let last = store.children(&prefix).await?.pop();
    Ok(last.and_then(|name| name.split('-').next()?.parse().ok()))
}
