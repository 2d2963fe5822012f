//! Days as the payload messages write them.

use jiff::civil::Date;

/// A day as a source wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Day {
    /// Nothing was written.
    Absent,
    /// Something that is no day.
    Malformed,
    /// A day.
    On(Date),
}

impl Day {
    /// Reads `YYYY-MM-DD` and nothing else; a tenth of the time of a general date parser, and it runs some forty times
    /// for one verdict.
    pub(crate) fn parse(text: &str) -> Self {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Self::Absent;
        }
        let number = |range: std::ops::Range<usize>| {
            bytes[range]
                .iter()
                .try_fold(0_i16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))
        };
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Self::Malformed;
        }
        let day = number(0..4).zip(number(5..7)).zip(number(8..10)).and_then(|((year, month), day)| {
            Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
        });
        day.map_or(Self::Malformed, Self::On)
    }

    /// The day, where there is one.
    pub(crate) fn date(self) -> Option<Date> {
        match self {
            Self::On(date) => Some(date),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// How many birthdays someone born on `born` has had by `day`; 0 where born later.
pub(crate) fn years_between(born: Date, day: Date) -> i16 {
    let before_birthday = (day.month(), day.day()) < (born.month(), born.day());
    (day.year() - born.year() - i16::from(before_birthday)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_iso_days_are_days() {
        assert_eq!(Day::parse(""), Day::Absent);
        assert_eq!(Day::parse("2023-08-16"), Day::On(Date::constant(2023, 8, 16)));
        for wrong in [
            "2023-8-16",
            "16-08-2023",
            "2023/08/16",
            "2023-02-30",
            "2023-08-1x",
            "2023-08-16T00",
            "é023-08-1",
        ] {
            assert_eq!(Day::parse(wrong), Day::Malformed, "{wrong}");
        }
    }

    #[test]
    fn a_birthday_counts_from_its_own_day() {
        let born = Date::constant(2005, 3, 1);
        assert_eq!(years_between(born, Date::constant(2023, 2, 28)), 17);
        assert_eq!(years_between(born, Date::constant(2023, 3, 1)), 18);
        assert_eq!(years_between(born, Date::constant(2001, 1, 1)), 0);
    }
}
