//! Machine readable zones of passports (ICAO 9303, TD3).

use jiff::civil::Date;

use super::person::Person;

const LINE: usize = 44;

/// Two lines of 44. A name of one word has no secondary part.
pub(super) fn td3(person: &Person, expiry: Date) -> String {
    let words: Vec<String> = person.name.split(' ').map(str::to_ascii_uppercase).collect();
    let name = match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{last}<<{}", rest.join("<")),
        _ => words.concat(),
    };
    let document = digits(&person.passport, 9);
    let birth = short(person.birth);
    let expiry = short(expiry);
    let optional = digits(&person.nik[..14], 14);
    let composite =
        format!("{}{}{}{}", checked(&document), checked(&birth), checked(&expiry), checked(&optional));
    let second = format!(
        "{}IDN{}{}{}{}{}",
        checked(&document),
        checked(&birth),
        if person.female { 'F' } else { 'M' },
        checked(&expiry),
        checked(&optional),
        check_digit(&composite),
    );
    format!("{:<<LINE$.LINE$}\n{second}", format!("P<IDN{name}"))
}

fn digits(text: &str, width: usize) -> String {
    format!("{text:<<width$}")
}

fn short(date: Date) -> String {
    format!("{:02}{:02}{:02}", date.year() % 100, date.month(), date.day())
}

fn checked(field: &str) -> String {
    format!("{field}{}", check_digit(field))
}

fn check_digit(field: &str) -> u32 {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    field.bytes().zip([7, 3, 1].into_iter().cycle()).map(|(byte, weight)| value(byte) * weight).sum::<u32>()
        % 10
}

#[cfg(test)]
mod tests {
    use simpul_types::identity::Mrz;

    use super::*;

    #[test]
    fn a_made_zone_reads_back_without_a_warning() {
        let day = Date::constant(2025, 1, 1);
        for index in 0..200 {
            let person = Person::new(9, index, day, false);
            let mrz = Mrz::parse(&td3(&person, Date::constant(2031, 5, 6))).expect("a zone");
            assert!(mrz.warnings().is_empty(), "{index}");
            assert_eq!(mrz.document_number(), person.passport);
            assert_eq!(mrz.birth_date(), Some(person.birth));
        }
    }
}
