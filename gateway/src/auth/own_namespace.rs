//! The namespace that the gateway itself runs in. Who enters or changes it through the gateway has the gateway: its service
//! account may impersonate everybody, its volumes have keys, its process has every session. So nobody does, whatever policy
//! says; an operator does so past the gateway, with a credential of their own.

use std::collections::HashMap;

use access::{Action, Target};

use crate::request::status::Status;

/// The gateway's own namespace in each cluster that has it.
#[derive(Debug, Default)]
pub(crate) struct OwnNamespaces(HashMap<String, String>);

impl OwnNamespaces {
    /// Takes namespaces by the clusters' names.
    pub(crate) fn new(by_cluster: HashMap<String, String>) -> Self {
        Self(by_cluster)
    }

    /// Refuses everything but reading in the gateway's own namespace. Reading is left to Kubernetes' RBAC: a list over all
    /// namespaces has what is in this one, too.
    ///
    /// # Errors
    /// A 403 that says what to do.
    pub(crate) fn check(&self, user: &str, action: Action, target: &Target) -> Result<(), Status> {
        let Some(own) = self.0.get(&target.cluster).filter(|own| **own == target.namespace) else { return Ok(()) };
        if action == Action::Read {
            return Ok(());
        }
        let cluster = &target.cluster;
        Err(Status::forbidden(format!(
            "{user} may not do this in namespace {own} of cluster {cluster}: kubetape itself runs there, and who changes or enters \
             it could act as the gateway; {action} is refused there through the gateway, whatever its policy says. Who operates \
             the gateway uses a credential of their own for this namespace, and not this gateway"
        )))
    }
}
