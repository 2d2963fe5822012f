//! Dates and times as agencies write them: `17/08/1995`, `17-08-95` (refused: no century), `17 Agustus 1995`.
//!
//! | token | takes |
//! |---|---|
//! | `dd` `mm` | one or two digits |
//! | `yyyy` | four digits |
//! | `mmmm` | an Indonesian or English month, whole or its first three letters |
//! | `hh` `mi` `ss` | one or two digits |
//! | anything else | itself |

use jiff::{
    civil::{Date, DateTime},
    tz::Offset,
};
use simpul_types::Timestamp;

/// Indonesian months and their English spelling where it differs in the first three letters.
const MONTHS: [&[&str]; 12] = [
    &["januari", "january"],
    &["februari", "february", "pebruari"],
    &["maret", "march"],
    &["april"],
    &["mei", "may"],
    &["juni", "june"],
    &["juli", "july"],
    &["agustus", "august"],
    &["september"],
    &["oktober", "october"],
    &["november", "nopember"],
    &["desember", "december"],
];

/// Why a pattern cannot be used.
pub(super) const PATTERN_RULE: &str =
    "`rfc3339` or a pattern of dd, mm or mmmm, yyyy and, for times, hh, mi, ss";

/// One way of writing a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Rfc3339,
    Tokens(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Day,
    Month,
    MonthName,
    Year,
    Hour,
    Minute,
    Second,
    Literal(char),
}

impl Pattern {
    /// Reads a pattern; `None` where it names no whole date.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "rfc3339" {
            return Some(Self::Rfc3339);
        }
        const WORDS: [(&str, Token); 7] = [
            ("yyyy", Token::Year),
            ("mmmm", Token::MonthName),
            ("dd", Token::Day),
            ("mm", Token::Month),
            ("hh", Token::Hour),
            ("mi", Token::Minute),
            ("ss", Token::Second),
        ];
        let mut rest = text;
        let mut tokens = Vec::new();
        while let Some(first) = rest.chars().next() {
            if let Some((word, token)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
                tokens.push(*token);
                rest = &rest[word.len()..];
            } else {
                tokens.push(Token::Literal(first));
                rest = &rest[first.len_utf8()..];
            }
        }
        let has = |token| tokens.contains(&token);
        let whole = has(Token::Day) && has(Token::Year) && (has(Token::Month) || has(Token::MonthName));
        whole.then_some(Self::Tokens(tokens))
    }

    /// The date that `text` is; `None` where it is none by this pattern.
    pub(super) fn date(&self, text: &str) -> Option<Date> {
        match self {
            Self::Rfc3339 => {
                text.get(..10).filter(|_| text.len() == 10 || text.as_bytes()[10] == b'T')?.parse().ok()
            }
            Self::Tokens(tokens) => Some(read(tokens, text)?.date()),
        }
    }

    /// The moment that `text` is, on clocks `offset` ahead of UTC.
    pub(super) fn moment(&self, text: &str, offset: Offset) -> Option<Timestamp> {
        let moment = match self {
            Self::Rfc3339 => text.parse::<jiff::Timestamp>().ok()?,
            Self::Tokens(tokens) => offset.to_timestamp(read(tokens, text)?).ok()?,
        };
        Some(Timestamp::from_us(moment.as_microsecond()))
    }
}

fn read(tokens: &[Token], text: &str) -> Option<DateTime> {
    let (mut year, mut month, mut day, mut hour, mut minute, mut second) = (0_i16, 0, 0, 0, 0, 0);
    let mut rest = text;
    for token in tokens {
        match token {
            Token::Literal(literal) => rest = rest.strip_prefix(*literal)?,
            Token::Year => {
                let digits =
                    rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
                year = digits.parse().ok()?;
                rest = &rest[4..];
            }
            Token::MonthName => {
                let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
                month = month_named(&rest[..end])?;
                rest = &rest[end..];
            }
            Token::Day => day = number(&mut rest)?,
            Token::Month => month = number(&mut rest)?,
            Token::Hour => hour = number(&mut rest)?,
            Token::Minute => minute = number(&mut rest)?,
            Token::Second => second = number(&mut rest)?,
        }
    }
    rest.is_empty().then_some(())?;
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

fn number(rest: &mut &str) -> Option<i8> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let value = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    Some(value)
}

fn month_named(word: &str) -> Option<i8> {
    let word = word.to_ascii_lowercase();
    let fits = |name: &&str| *name == word || (word.len() == 3 && name.starts_with(&word));
    let index = MONTHS.iter().position(|names| names.iter().any(fits))?;
    i8::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expect: Option<&str>) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        assert_eq!(pattern.date(text).map(|date| date.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn agency_dates_become_iso_dates() {
        check("dd/mm/yyyy", "17/08/1995", Some("1995-08-17"));
        check("dd/mm/yyyy", "7/8/1995", Some("1995-08-07"));
        check("dd-mm-yyyy", "29-02-2024", Some("2024-02-29"));
        check("yyyymmdd", "20240229", Some("2024-02-29"));
        check("dd mmmm yyyy", "17 Agustus 1995", Some("1995-08-17"));
        check("dd mmmm yyyy", "17 AGU 1995", Some("1995-08-17"));
        check("dd mmmm yyyy", "01 Desember 1995", Some("1995-12-01"));
        check("rfc3339", "1995-08-17", Some("1995-08-17"));
        check("rfc3339", "1995-08-17T10:00:00Z", Some("1995-08-17"));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "31/02/2024",
            "29/02/2023",
            "17/08/95",
            "17/13/1995",
            "1995-08-17",
            "17/08/1995 ",
            "",
            "é/é/éééé",
        ] {
            check("dd/mm/yyyy", text, None);
        }
        check("rfc3339", "éééééééééé", None);
        assert!(Pattern::parse("mm/yyyy").is_none());
    }

    #[test]
    fn a_moment_knows_its_offset() {
        let pattern = Pattern::parse("dd/mm/yyyy hh:mi").expect("a pattern");
        let jakarta =
            pattern.moment("01/03/2024 07:30", Offset::from_hours(7).expect("an offset")).expect("a moment");
        assert_eq!(jakarta.to_string(), "2024-03-01T00:30:00.000000Z");
    }
}
