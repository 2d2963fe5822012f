//! Composition root: builds every part in flow order and stops them in the same order.
//!
//! In: `hub.toml`, keys, certificates. Out: a listening hub. No rules here: who may do what stands in the parts.
//! Read [`start`] in `hub.rs` first.

mod accept;
mod config;
mod connection;
mod epochs;
mod folder;
mod guests;
mod hub;
mod material;
mod own_words;
mod producer;
mod rates;
mod records;
mod services;
mod sights;
mod tiles;
mod tls;
mod vitals;

pub use config::{Config, Directory, Keys, Listen, Log, Nats, Projection, Publish, Tls, Witness};
pub use folder::Addresses;
pub use hub::{Hub, check, start, start_at};
pub use producer::{AGENCY, CONNECTOR};
