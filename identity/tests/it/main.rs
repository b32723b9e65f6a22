//! Who someone is, by the files of a state folder.

mod authenticator;
mod authority;
