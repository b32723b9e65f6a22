use serde::{Deserialize, Serialize};

/// How a person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A client certificate signed by Kubetape's own CA.
    ClientCertificate,
    /// A bearer token made by `kubetape token create`.
    Token,
    /// None was seen: the name is what an imported recording says.
    Claimed,
}

/// Someone who was authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The name policies and journals know the person by.
    pub name: String,
    /// Groups of the person, as the identity source gave them.
    pub groups: Vec<String>,
    /// What the person showed.
    pub credential: Credential,
    /// Which one of the person's credentials it was: certificate serial or token id. Never the secret.
    pub credential_id: String,
}
