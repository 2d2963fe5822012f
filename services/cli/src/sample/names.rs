//! Invented names, put together from syllables: nobody is called so on purpose.

use super::draw::Draw;

const FIRST: &[&str] =
    &["Ba", "Da", "Ka", "La", "Ma", "Na", "Ra", "Sa", "Ta", "Wa", "Ju", "Ru", "Su", "Wi", "Ye", "Lo"];
const MIDDLE: &[&str] =
    &["ri", "ni", "lu", "mi", "ndo", "ngga", "rta", "sti", "wa", "ya", "bi", "do", "ka", "le"];
const FEMALE: &[&str] = &["nah", "ti", "sih", "wati", "ni", "yah", "lin", "ri"];
const MALE: &[&str] = &["no", "to", "min", "di", "man", "rjo", "dun", "wan"];
const TOWNS: &[&str] = &["Karang", "Sumber", "Rawa", "Tanjung", "Muara", "Lembah", "Bukit", "Padang"];
const FIRMS: &[&str] = &["Bina", "Cipta", "Graha", "Karya", "Mitra", "Panca", "Sinar", "Tirta"];

/// A person's name; one in twelve has one word only.
pub(super) fn person(draw: &mut Draw, female: bool) -> String {
    let mut name = word(draw, female);
    if !draw.share(1, 12) {
        for _ in 0..=draw.below(2) {
            name.push(' ');
            name.push_str(&word(draw, female));
        }
    }
    name
}

fn word(draw: &mut Draw, female: bool) -> String {
    let mut word = String::from(draw.pick(FIRST));
    for _ in 0..=draw.below(2) {
        word.push_str(draw.pick(MIDDLE));
    }
    word.push_str(draw.pick(if female { FEMALE } else { MALE }));
    word
}

/// A placing company.
pub(super) fn company(draw: &mut Draw, number: u64) -> String {
    format!("PT {} {} Sampel {number:03}", draw.pick(FIRMS), draw.pick(TOWNS))
}

/// An employer abroad.
pub(super) fn employer(draw: &mut Draw, household: bool) -> String {
    let name = word(draw, false);
    if household { format!("Rumah tangga {name}") } else { format!("{name} Sample Works Ltd") }
}
