//! The files of identity.

mod authority;
