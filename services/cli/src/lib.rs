//! What the tool `simpul` can also do for other programs: make a development realm ([`init`]) and invented input for
//! load ([`sample`]). The commands themselves live in the binary.

pub mod init;
pub mod sample;
