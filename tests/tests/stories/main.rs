//! The acceptance stories of `domain.md` §6.2: real hub, real NATS, real TLS, everything through the command line that people
//! use. Every person is invented.
#![allow(clippy::unwrap_used, reason = "a test")]

mod a6_cafe;
mod a7_shelter_full;
mod a8_licence_revoked;
mod act;
mod one_winner;
mod path;
mod scene;
mod shared_picture;
