pub(crate) mod assets;
pub(crate) mod failure;
pub(crate) mod metrics;
pub(crate) mod serve;
