//! Document numbers: passport and worker's card.

use super::IdentityError;

/// A passport number in its normal form: one or two letters, six or seven digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Passport(String);

impl Passport {
    /// Reads a number as printed; case, white space and hyphens do not matter.
    ///
    /// # Errors
    /// [`IdentityError`] for field `passport` where it has another form.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let number = normal(text);
        let letters = number.bytes().take_while(u8::is_ascii_uppercase).count();
        let digits = &number.as_bytes()[letters..];
        let right = (1..=2).contains(&letters)
            && (6..=7).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit);
        if !right {
            return Err(IdentityError::new("passport", "one or two letters and six or seven digits"));
        }
        Ok(Self(number))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a worker's card (KTKLN, E-KTKLN, E-PMI, E-KPMI) in its normal form. The cards' patterns are not
/// published, so only length and alphabet are checked, and separators are dropped: `E-PMI/2023 01` is `EPMI202301`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CardNumber(String);

impl CardNumber {
    /// Reads a number as printed; case, white space, `-`, `/` and `.` do not matter.
    ///
    /// # Errors
    /// [`IdentityError`] for field `card` where fewer than 4, more than 32 or other characters remain.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let number: String = normal(text).chars().filter(|c| !matches!(c, '/' | '.')).collect();
        if !(4..=32).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(IdentityError::new("card", "4 to 32 letters and digits"));
        }
        Ok(Self(number))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn normal(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    kept.map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_passport_have_one_normal_form() {
        for text in ["X1234567", "x 1234567", " x-123-4567 "] {
            assert_eq!(Passport::parse(text).expect("valid").as_str(), "X1234567");
        }
        assert!(Passport::parse("AB123456").is_ok(), "older passports");
        for wrong in ["", "1234567", "X12345", "X12345678", "ABC123456", "X12345é7", "X123456789012"] {
            assert_eq!(Passport::parse(wrong).expect_err("refused").field, "passport", "{wrong:?}");
        }
    }

    #[test]
    fn spellings_of_one_card_have_one_normal_form() {
        for text in ["E-PMI/2023.0001", "epmi 2023 0001"] {
            assert_eq!(CardNumber::parse(text).expect("valid").as_str(), "EPMI20230001");
        }
        for wrong in ["", "--", "abc", "kartu#12345", &"9".repeat(33)] {
            assert_eq!(CardNumber::parse(wrong).expect_err("refused").field, "card", "{wrong:?}");
        }
    }
}
