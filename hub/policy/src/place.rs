//! Where a unit is competent: regions by their codes of wilayah, countries by ISO 3166-1.

use std::{fmt, str::FromStr};

/// Lengths of a code of wilayah: province, regency or city, district, village (Kepmendagri 300.2.2-2138/2025).
const REGION_DIGITS: [usize; 4] = [2, 4, 6, 10];

/// A region or a country.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Box<str>);

/// It is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code of wilayah of 2, 4, 6 or 10 digits, or a country of three letters A-Z")]
pub struct PlaceError;

impl Place {
    /// Whether it is that place or a part of it.
    pub fn lies_in(&self, other: &Self) -> bool {
        // A country's code is no beginning of another's: all have three letters.
        self.0.starts_with(&*other.0)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let region = REGION_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let country = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if region || country { Ok(Self(text.into())) } else { Err(PlaceError) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn a_region_lies_in_what_its_code_begins_with_and_a_country_in_itself() {
        assert!(place("2171").lies_in(&place("21")));
        assert!(place("21").lies_in(&place("21")));
        assert!(!place("21").lies_in(&place("2171")));
        assert!(!place("2171").lies_in(&place("2172")));
        assert!(place("MYS").lies_in(&place("MYS")));
        assert!(!place("MYS").lies_in(&place("MMR")));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "2", "217", "21.71", "my", "mys", "MYSS", "*"] {
            assert_eq!(text.parse::<Place>(), Err(PlaceError), "{text}");
        }
    }
}
