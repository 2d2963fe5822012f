//! Names of persons as agencies write them: taken apart into words, reduced to how they sound, turned into keys that a
//! look-up can be made by, and compared. Pure; what it knows of Indonesian names is data (`names.toml`).
//!
//! ```text
//! "Hj. Siti Noerhayati binti Achmad, S.Pd."
//!     ─▶ words   siti nurhayati     father   ahmad          Name
//!     ─▶ sounds  st nrt                                     Name::sounds
//!     ─▶ keys    st+nrt · st@1988 · nrt@1988                keys (what is hashed and stored)
//! ```
//!
//! Keys find, [`score`] judges: a key is coarse, so that a misspelt name still hits, and everything that it hits is
//! compared word by word. A score says how well two descriptions agree. It never says that two persons are one: that is
//! decided by a person, as an event.

mod key;
mod name;
mod rules;
mod score;

pub use key::{KEYS_MAX, keys};
pub use name::Name;
pub use rules::{NameRules, RulesError};
pub use score::{Described, Score, score};
