use serde::{Deserialize, Serialize};

/// How a person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A client certificate signed by Kubetape's own CA.
    ClientCertificate,
    /// A bearer token made by `kubetape token create`.
    Token,
    /// No credential was seen: the name is what an imported recording says.
    Claimed,
}

/// A person who was authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The person's name in policies and in the journal.
    pub name: String,
    /// The person's groups, as the source of the identity gave them.
    pub groups: Vec<String>,
    /// What kind of credential the person showed.
    pub credential: Credential,
    /// Which one it was: the certificate's serial number or the token's id. Never the secret.
    pub credential_id: String,
}
