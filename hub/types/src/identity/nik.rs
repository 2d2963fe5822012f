//! NIK, the population number: `PPKKCC DDMMYY SSSS`.
//!
//! | digits | meaning |
//! |---|---|
//! | 1–6 | province, regency, district of the first registration; never corrected later |
//! | 7–12 | birth date; a woman's day is 40 higher; never corrected later |
//! | 13–16 | serial, from 0001 |
//!
//! There is no check digit, and the century is not in it. A birth date that differs from it is therefore a warning for
//! the reader, never a reason to refuse the person.

use jiff::civil::Date;
use simpul_proto::v1::Sex;

use super::IdentityError;

const RULE: &str = "16 digits: region, birth date (a woman's day + 40), serial from 0001";

/// A NIK whose form is right; whether Dukcapil knows it is another question.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nik(String);

impl Nik {
    /// Reads 16 digits; white space between them does not matter.
    ///
    /// # Errors
    /// [`IdentityError`] for field `nik` where length, region, day, month or serial cannot be.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let wrong = IdentityError::new("nik", RULE);
        if digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong);
        }
        let nik = Self(digits);
        let (region, serial) = (nik.number(0..2), nik.number(12..16));
        // Province codes start at 11; the lists of regencies and districts change, so they are not looked at.
        if region < 11 || serial == 0 || nik.birth_dates().is_empty() {
            return Err(wrong);
        }
        Ok(nik)
    }

    /// The 16 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The birth dates it can mean, oldest first: one per century in which that day exists.
    pub fn birth_dates(&self) -> Vec<Date> {
        let (day, month, year) = self.day_month_year();
        [1900, 2000].into_iter().filter_map(|century| Date::new(century + year, month, day).ok()).collect()
    }

    /// Whether it can belong to someone born on `date`.
    pub fn agrees_with(&self, date: Date) -> bool {
        self.day_month_year() == (date.day(), date.month(), date.year().rem_euclid(100))
    }

    /// The sex it was given for.
    pub fn sex(&self) -> Sex {
        if self.number(6..8) > 40 { Sex::Female } else { Sex::Male }
    }

    fn day_month_year(&self) -> (i8, i8, i16) {
        let day = self.number(6..8);
        let day = if day > 40 { day - 40 } else { day };
        let small = |value: u16| i8::try_from(value).unwrap_or(0);
        (small(day), small(self.number(8..10)), i16::try_from(self.number(10..12)).unwrap_or(0))
    }

    /// Digits as a number; all of them are digits, so nothing is lost.
    fn number(&self, range: std::ops::Range<usize>) -> u16 {
        self.0.as_bytes()[range].iter().fold(0, |sum, byte| sum * 10 + u16::from(byte - b'0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_nik_tells_birth_dates_and_sex() {
        let woman = Nik::parse("3201015206950001").expect("valid");
        assert_eq!(woman.sex(), Sex::Female);
        assert_eq!(woman.birth_dates(), [Date::constant(1995, 6, 12), Date::constant(2095, 6, 12)]);
        assert!(woman.agrees_with(Date::constant(1995, 6, 12)));
        assert!(!woman.agrees_with(Date::constant(1995, 6, 13)));
    }

    #[test]
    fn a_leap_day_exists_in_one_century_only() {
        let nik = Nik::parse("3201012902000001").expect("29 February 2000 exists, of 1900 does not");
        assert_eq!(nik.birth_dates(), [Date::constant(2000, 2, 29)]);
        assert_eq!(nik.sex(), Sex::Male);
    }

    #[test]
    fn what_cannot_be_a_nik_is_refused_without_repeating_it() {
        for wrong in [
            "",
            "320101520695000",
            "32010152069500011",
            "3201015206950000",
            "3201010006950001",
            "3201013213950001",
            "3201017206950001",
            "0001015206950001",
            "320101520695000x",
            "3201013002950001",
        ] {
            let error = Nik::parse(wrong).expect_err("refused");
            assert_eq!(error.field, "nik");
            assert!(wrong.is_empty() || !error.to_string().contains(wrong));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,24}", digits in "[0-9]{16}") {
            let _ = Nik::parse(&text);
            if let Ok(nik) = Nik::parse(&digits) {
                for date in nik.birth_dates() {
                    prop_assert!(nik.agrees_with(date));
                }
            }
        }
    }
}
