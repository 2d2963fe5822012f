//! The machine readable zone of a passport: ICAO 9303 part 4, format TD3, two lines of 44.
//!
//! | line 2 | 1–9 | 10 | 11–13 | 14–19 | 20 | 21 | 22–27 | 28 | 29–42 | 43 | 44 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | | document number | digit | nationality | birth date | digit | sex | expiry | digit | personal number | digit | digit over 1–10, 14–20, 22–43 |
//!
//! The document number is what a person is looked up by, so its check digit must be right: with one misread character it
//! would be somebody else's passport. The other digits may fail on a damaged page; then the reader is told
//! ([`MrzWarning`]) and the number is still good.

use jiff::{ToSpan, civil::Date};
use simpul_proto::v1::Sex;

use super::IdentityError;

/// Characters in a line.
const LINE: usize = 44;

/// A machine readable zone whose form and document number are right.
#[derive(Clone, PartialEq, Eq)]
pub struct Mrz {
    first: String,
    second: String,
    warnings: Vec<MrzWarning>,
}

/// A field whose check digit does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MrzWarning {
    /// Birth date.
    BirthDate,
    /// Expiry date.
    ExpiryDate,
    /// Personal number.
    PersonalNumber,
    /// The digit over the whole second line.
    Composite,
}

impl Mrz {
    /// Reads two lines, separated by a line break or by nothing; case and white space do not matter.
    ///
    /// # Errors
    /// [`IdentityError`] for `mrz` (length, alphabet), `mrz.document_code` or `mrz.document_number`.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let zone: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        let known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<';
        if zone.len() != 2 * LINE || !zone.bytes().all(known) {
            return Err(IdentityError::new("mrz", "two lines of 44 characters of A-Z, 0-9 and '<' (TD3)"));
        }
        let (first, second) = zone.split_at(LINE);
        if !first.starts_with('P') {
            return Err(IdentityError::new("mrz.document_code", "`P`, a passport"));
        }
        let mut mrz = Self { first: first.into(), second: second.into(), warnings: Vec::new() };
        if mrz.document_number().is_empty()
            || mrz.document_number().contains('<')
            || !mrz.digit_fits(&mrz.second[0..9], 9)
        {
            return Err(IdentityError::new("mrz.document_number", "a number whose check digit fits"));
        }
        let composite = [&mrz.second[0..10], &mrz.second[13..20], &mrz.second[21..43]].concat();
        let checks = [
            (MrzWarning::BirthDate, mrz.digit_fits(&mrz.second[13..19], 19)),
            (MrzWarning::ExpiryDate, mrz.digit_fits(&mrz.second[21..27], 27)),
            (MrzWarning::PersonalNumber, mrz.digit_fits(&mrz.second[28..42], 42)),
            (MrzWarning::Composite, mrz.digit_fits(&composite, 43)),
        ];
        mrz.warnings = checks.into_iter().filter(|(_, fits)| !fits).map(|(warning, _)| warning).collect();
        Ok(mrz)
    }

    /// Check digits that do not fit, in the order of the zone. Empty where all do.
    pub fn warnings(&self) -> &[MrzWarning] {
        &self.warnings
    }

    /// The document number without fillers, for example `X1234567`.
    pub fn document_number(&self) -> &str {
        self.second[0..9].trim_end_matches('<')
    }

    /// Issuing state, ISO 3166-1 alpha-3 or a code of ICAO 9303.
    pub fn issuing_state(&self) -> &str {
        self.first[2..5].trim_end_matches('<')
    }

    /// Nationality, ISO 3166-1 alpha-3 or a code of ICAO 9303.
    pub fn nationality(&self) -> &str {
        self.second[10..13].trim_end_matches('<')
    }

    /// Primary identifier. A mononym stands here whole.
    pub fn surname(&self) -> String {
        self.names().0.replace('<', " ")
    }

    /// Secondary identifier; empty for a mononym.
    pub fn given_names(&self) -> String {
        self.names().1.replace('<', " ")
    }

    /// Birth date. `None` where it is partly unknown or cannot be. The zone has no century: the later one is taken
    /// where the person would have been born five years before the document ends, the shortest usual validity.
    pub fn birth_date(&self) -> Option<Date> {
        let later = self.date(13..19, 2000);
        let earlier = self.date(13..19, 1900);
        let issued_by = self.expiry_date().and_then(|expiry| expiry.checked_sub(5.years()).ok());
        match (later, issued_by) {
            (Some(later), Some(issued_by)) if later <= issued_by => Some(later),
            (Some(later), None) if earlier.is_none() => Some(later),
            _ => earlier,
        }
    }

    /// Last valid day. `None` where it cannot be a date.
    pub fn expiry_date(&self) -> Option<Date> {
        self.date(21..27, 2000)
    }

    /// Sex; unspecified where the zone has `<` or `X`.
    pub fn sex(&self) -> Sex {
        match self.second.as_bytes()[20] {
            b'F' => Sex::Female,
            b'M' => Sex::Male,
            _ => Sex::Unspecified,
        }
    }

    fn names(&self) -> (&str, &str) {
        let field = self.first[5..].trim_matches('<');
        field.split_once("<<").map_or((field, ""), |(surname, given)| (surname, given.trim_matches('<')))
    }

    fn date(&self, range: std::ops::Range<usize>, century: i16) -> Option<Date> {
        let digits = &self.second[range];
        let number = |range: std::ops::Range<usize>| digits[range].parse::<i8>().ok();
        Date::new(century + i16::from(number(0..2)?), number(2..4)?, number(4..6)?).ok()
    }

    fn digit_fits(&self, field: &str, at: usize) -> bool {
        let found = self.second.as_bytes()[at];
        let expected = check_digit(field);
        // An empty optional field may carry a filler for its digit (ICAO 9303 part 4, 4.2.2.2).
        found == b'0' + expected || (found == b'<' && field.bytes().all(|byte| byte == b'<'))
    }
}

/// ICAO 9303 part 3, 4.9: weights 7, 3, 1; `<` is 0, `A` is 10. `field` holds A-Z, 0-9 and `<` only.
fn check_digit(field: &str) -> u8 {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    let sum: u32 =
        field.bytes().zip([7, 3, 1].into_iter().cycle()).map(|(byte, weight)| value(byte) * weight).sum();
    u8::try_from(sum % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The specimen of ICAO 9303 part 4, appendix B.
    const SPECIMEN: &str =
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";

    /// A zone of invented people, with digits that fit.
    fn zone(names: &str, number: &str, born: &str, expires: &str) -> String {
        let mut second = format!("{number:<<9}");
        second.push(char::from(b'0' + check_digit(&second)));
        second.push_str("IDN");
        second.push_str(born);
        second.push(char::from(b'0' + check_digit(born)));
        second.push('F');
        second.push_str(expires);
        second.push(char::from(b'0' + check_digit(expires)));
        second.push_str("<<<<<<<<<<<<<<<");
        let composite = [&second[0..10], &second[13..20], &second[21..43]].concat();
        second.push(char::from(b'0' + check_digit(&composite)));
        format!("P<IDN{names:<<39}\n{second}")
    }

    #[test]
    fn the_specimen_of_icao_9303_is_read() {
        let mrz = Mrz::parse(SPECIMEN).expect("valid");
        assert_eq!(mrz.warnings(), []);
        assert_eq!((mrz.surname().as_str(), mrz.given_names().as_str()), ("ERIKSSON", "ANNA MARIA"));
        assert_eq!(
            (mrz.document_number(), mrz.issuing_state(), mrz.nationality()),
            ("L898902C3", "UTO", "UTO")
        );
        assert_eq!(mrz.birth_date(), Some(Date::constant(1974, 8, 12)));
        assert_eq!(mrz.expiry_date(), Some(Date::constant(2012, 4, 15)));
        assert_eq!(mrz.sex(), Sex::Female);
    }

    #[test]
    fn a_mononym_has_no_given_names() {
        let mrz = Mrz::parse(&zone("SURYANINGSIH", "X1234567", "950612", "300101")).expect("valid");
        assert_eq!((mrz.surname().as_str(), mrz.given_names().as_str()), ("SURYANINGSIH", ""));
        assert_eq!(mrz.document_number(), "X1234567");
        assert_eq!(mrz.warnings(), []);
    }

    #[test]
    fn line_breaks_case_and_blanks_do_not_matter() {
        let plain = Mrz::parse(SPECIMEN).expect("valid");
        for text in [SPECIMEN.replace('\n', "\r\n"), SPECIMEN.replace('\n', ""), SPECIMEN.to_lowercase()] {
            assert!(Mrz::parse(&text).expect("valid") == plain);
        }
    }

    #[test]
    fn the_century_follows_from_the_end_of_the_document() {
        let born = |born: &str, expires: &str| {
            Mrz::parse(&zone("A<<B", "X1234567", born, expires)).expect("valid").birth_date()
        };
        assert_eq!(born("100101", "310101"), Some(Date::constant(2010, 1, 1)));
        assert_eq!(born("680101", "310101"), Some(Date::constant(1968, 1, 1)));
        assert_eq!(born("000229", "310101"), Some(Date::constant(2000, 2, 29)));
        assert_eq!(born("95<<<<", "310101"), None, "month and day unknown");
    }

    #[test]
    fn a_wrong_digit_is_an_error_for_the_number_and_a_warning_elsewhere() {
        let number = Mrz::parse(&SPECIMEN.replace("L898902C36", "L898902C35")).expect_err("refused");
        assert_eq!(number.field, "mrz.document_number");
        let misread = Mrz::parse(&SPECIMEN.replace("L898902C36", "L898902C86")).expect_err("refused");
        assert_eq!(misread.field, "mrz.document_number");
        let born = Mrz::parse(&SPECIMEN.replace("7408122F", "7408123F")).expect("usable");
        assert_eq!(born.warnings(), [MrzWarning::BirthDate, MrzWarning::Composite]);
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(Mrz::parse("").expect_err("refused").field, "mrz");
        assert_eq!(Mrz::parse(&SPECIMEN[1..]).expect_err("refused").field, "mrz");
        assert_eq!(Mrz::parse(&SPECIMEN.replace('Z', "é")).expect_err("refused").field, "mrz");
        assert_eq!(
            Mrz::parse(&SPECIMEN.replacen('P', "V", 1)).expect_err("refused").field,
            "mrz.document_code"
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,100}", zone in "P[A-Z0-9<]{87}") {
            let _ = Mrz::parse(&text);
            if let Ok(mrz) = Mrz::parse(&zone) {
                let _ = (mrz.birth_date(), mrz.expiry_date(), mrz.surname(), mrz.given_names());
            }
        }
    }
}
