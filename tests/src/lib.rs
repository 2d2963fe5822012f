//! What the end-to-end tests and the benchmarks stand on: a whole realm in a temporary folder, with the real binaries.
//!
//! Read [`world`] first.

pub mod bench;
pub mod drafts;
pub mod foreign;
pub mod forge;
pub mod nats;
pub mod process;
pub mod seeded;
pub mod world;

pub use world::World;
