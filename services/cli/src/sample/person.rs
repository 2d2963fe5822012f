//! Invented persons. A person is a function of seed and index.

use jiff::{ToSpan, civil::Date};

use super::{
    draw::{Draw, spread},
    names,
};

/// How many persons there are NIKs for: 800 districts with 9,999 numbers each.
pub(super) const PERSONS_MAX: u64 = DISTRICTS * NUMBERS;
const DISTRICTS: u64 = 800;
const NUMBERS: u64 = 9_999;
/// Passports of one letter, of which the digits are unique already.
const PASSPORTS: u64 = 10_000_000;
const CARDS: u64 = 10_000_000_000;

/// Codes of regencies that send workers abroad; each stands for twenty districts.
const REGENCIES: &[u16] = &[
    1871, 3201, 3204, 3205, 3209, 3212, 3213, 3215, 3301, 3302, 3304, 3305, 3308, 3311, 3315, 3318, 3324,
    3327, 3328, 3402, 3501, 3502, 3504, 3505, 3506, 3507, 3509, 3510, 3518, 3519, 3604, 5102, 5201, 5202,
    5203, 5301, 5302, 5304, 6101, 7501,
];

/// Who a person is, whatever any source says.
pub(super) struct Person {
    pub(super) nik: String,
    pub(super) passport: String,
    pub(super) card: String,
    pub(super) name: String,
    pub(super) female: bool,
    pub(super) birth: Date,
    pub(super) village: String,
    pub(super) phone: String,
}

impl Person {
    /// Person `index`, of an age at `departure` that the published figures know; `child` makes it 17.
    pub(super) fn new(seed: u64, index: u64, departure: Date, child: bool) -> Self {
        let mut draw = Draw::new(seed, "person", index);
        // Two of three placements are women's.
        let female = draw.share(2, 3);
        let name = names::person(&mut draw, female);
        let years = if child { 17 } else { draw.between(20, 49) };
        let birth = departure.saturating_sub((years * 365 + years / 4 + draw.between(30, 300)).days());
        let place = spread(seed, "nik", index, PERSONS_MAX);
        let (district, number) = (place / NUMBERS, place % NUMBERS + 1);
        let area = format!("{:04}{:02}", REGENCIES[(district / 20) as usize], district % 20 + 1);
        let day = birth.day() + if female { 40 } else { 0 };
        Self {
            nik: format!("{area}{day:02}{:02}{:02}{number:04}", birth.month(), birth.year() % 100),
            passport: format!(
                "{}{:07}",
                draw.pick(&["C", "E", "X"]),
                spread(seed, "passport", index, PASSPORTS)
            ),
            card: format!("EKP{:010}", spread(seed, "card", index, CARDS)),
            name,
            female,
            birth,
            village: format!("{area}{:04}", 2_001 + draw.below(14)),
            // 0899 9… is what this sample uses; no operator hands such numbers out one by one.
            phone: format!("+628999{:07}", spread(seed, "phone", index, PASSPORTS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use simpul_types::identity::{Nik, Passport};

    use super::*;

    #[test]
    fn identifiers_are_well_formed_and_unique() {
        let (mut niks, mut passports) = (HashSet::new(), HashSet::new());
        for index in 0..5_000 {
            let person = Person::new(7, index, Date::constant(2025, 3, 1), index % 100 == 0);
            let nik = Nik::parse(&person.nik).expect("a NIK");
            assert!(nik.birth_dates().into_iter().any(|date| date == person.birth), "{index}");
            assert!(Passport::parse(&person.passport).is_ok(), "{index}");
            assert!(niks.insert(person.nik) && passports.insert(person.passport), "{index}");
            let adult = person.birth.saturating_add(18.years()) <= Date::constant(2025, 3, 1);
            assert_eq!(adult, index % 100 != 0, "{index}");
        }
    }
}
