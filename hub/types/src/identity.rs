//! The identifiers a person is found by: NIK, passport number, worker's card number, machine readable zone.
//!
//! Each is parsed and normalised once, so that the same person asked for in two spellings is looked up by the same key.
//! All hold personal data: `Debug` shows the type and nothing else, and an [`IdentityError`] names the field and the
//! rule but never repeats the value.
//!
//! ```
//! use simpul_types::identity::{Nik, Passport};
//! let nik = Nik::parse("3201 0152 0695 0001")?; // a woman, born 12 June 1995 (day + 40)
//! assert!(nik.agrees_with("1995-06-12".parse().unwrap()));
//! assert_eq!(Passport::parse("x 123 4567")?.as_str(), "X1234567");
//! # Ok::<(), simpul_types::identity::IdentityError>(())
//! ```

use std::fmt;

mod mrz;
mod nik;
mod number;
mod odd;
mod vessel;

pub use mrz::{Mrz, MrzWarning};
pub use nik::Nik;
pub use number::{CardNumber, Passport};
pub use odd::oddities;
pub use vessel::imo_number_is_valid;

/// Why text is not the identifier it was said to be. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {rule}")]
pub struct IdentityError {
    /// Which field, for example `nik` or `mrz.document_number`.
    pub field: &'static str,
    /// Its rule, as a sentence's end.
    pub rule: &'static str,
}

impl IdentityError {
    pub(crate) const fn new(field: &'static str, rule: &'static str) -> Self {
        Self { field, rule }
    }
}

/// `Debug` of an identifier: its type only.
macro_rules! redacted {
    ($($name:ty),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )+};
}

redacted!(Nik, Passport, CardNumber, Mrz);
