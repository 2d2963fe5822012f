//! The acceptance stories of `domain.md` §6.2: real hub, real NATS, real TLS, everything through the command line that people
//! use. Every person is invented.
#![allow(clippy::unwrap_used, reason = "a test")]

mod a10_year_end;
mod a1_line_up;
mod a2_ferry;
mod a3_leave;
mod a4_two_roles;
mod a5_death_at_sea;
mod a6_cafe;
mod a7_shelter_full;
mod a8_licence_revoked;
mod a9_link_cut;
mod act;
mod one_winner;
mod path;
mod placement;
mod scene;
mod shared_picture;
