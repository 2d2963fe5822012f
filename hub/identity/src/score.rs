//! How well two descriptions of a person agree.

use strsim::jaro_winkler;

use crate::{key::year, name::Name, rules::NameRules};

/// Below it two words are two words.
const WORD_ALIKE_MIN: f64 = 0.80;
/// Words that are read alike agree a little less than words that are written alike.
const SPOKEN_WEIGHT: f64 = 0.97;
/// Below it two names written together have nothing to say: the measure is generous with long texts.
const JOINED_ALIKE_MIN: f64 = 0.90;
/// Written together they agree a little less than word by word.
const JOINED_WEIGHT: f64 = 0.95;

/// What is compared. Fields that are not known are empty or `None` and count neither way.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// The name.
    pub name: Name,
    /// `YYYY-MM-DD`, or `YYYY` where only the year is known.
    pub birth_date: String,
    /// Any code of the sex, the same code on both sides.
    pub sex: Option<i32>,
    /// Wilayah code of the place of origin, 2 to 10 digits; a province asked for agrees with its villages.
    pub origin: String,
}

/// 0: nothing agrees; 100: everything that both sides know agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(pub u8);

/// Compares what is asked for with what a source says. Names weigh most: with other names nothing else matters.
///
/// The name gives up to 100. A birth date that is another takes 30, one that has day and month exchanged or differs in
/// one place 8, a year that is next to it 15; another sex takes 15, another origin 10, another father 10.
pub fn score(asked: &Described, said: &Described) -> Score {
    let mut points = 100.0 * names(asked.name.words(), said.name.words());
    points -= match dates(&asked.birth_date, &said.birth_date) {
        Date::Same | Date::Unknown => 0.0,
        Date::Slip => 8.0,
        Date::NextYear => 15.0,
        Date::Other => 30.0,
    };
    if let (Some(asked), Some(said)) = (asked.sex, said.sex)
        && asked != said
    {
        points -= 15.0;
    }
    let (origin, of) = (&asked.origin, &said.origin);
    if !origin.is_empty()
        && !of.is_empty()
        && !of.starts_with(origin.as_str())
        && !origin.starts_with(of.as_str())
    {
        points -= 10.0;
    }
    let (father, of) = (asked.name.father(), said.name.father());
    if !father.is_empty() && !of.is_empty() && names(father, of) < WORD_ALIKE_MIN {
        points -= 10.0;
    }
    Score(points.clamp(0.0, 100.0).round() as u8)
}

/// How well the words agree: one by one, or written together where one side joins what the other divides (Ratna Sari,
/// Ratnasari).
fn names(asked: &[String], said: &[String]) -> f64 {
    let joined = jaro_winkler(&asked.concat(), &said.concat());
    let joined = if joined < JOINED_ALIKE_MIN { 0.0 } else { JOINED_WEIGHT * joined };
    apart(asked, said).max(joined)
}

/// The share of letters that stand in words which have one alike on the other side, in any order; further words on one side
/// weigh half, since sources leave names out.
fn apart(asked: &[String], said: &[String]) -> f64 {
    if asked.is_empty() || said.is_empty() {
        return 0.0;
    }
    let mut free: Vec<&String> = said.iter().collect();
    let (mut alike, mut whole) = (0.0, 0.0);
    for word in asked {
        let best = free
            .iter()
            .enumerate()
            .map(|(n, other)| (n, words(word, other)))
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        let weight = word.chars().count() as f64;
        match best.filter(|(_, alike)| *alike >= WORD_ALIKE_MIN) {
            Some((n, how)) => {
                alike += how * weight;
                whole += weight;
                free.remove(n);
            }
            // A word that nothing is left to stand against weighs as a word left out.
            None => whole += if free.is_empty() { weight / 2.0 } else { weight },
        }
    }
    whole += free.iter().map(|word| word.chars().count() as f64 / 2.0).sum::<f64>();
    alike / whole
}

/// A word against another; an initial agrees with what begins so, a little.
fn words(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    let initial = one.chars().count() == 1 || other.chars().count() == 1;
    if initial && one.chars().next() == other.chars().next() {
        return 0.85;
    }
    let rules = NameRules::builtin();
    let spoken = jaro_winkler(&rules.spoken(one), &rules.spoken(other));
    jaro_winkler(one, other).max(SPOKEN_WEIGHT * spoken)
}

enum Date {
    Unknown,
    Same,
    Slip,
    NextYear,
    Other,
}

fn dates(one: &str, other: &str) -> Date {
    let (Some(year_of_one), Some(year_of_other)) = (year(one), year(other)) else { return Date::Unknown };
    if one.len() == 10 && other.len() == 10 {
        if one == other {
            return Date::Same;
        }
        let exchanged =
            year_of_one == year_of_other && one[5..7] == other[8..10] && one[8..10] == other[5..7];
        let places = one.bytes().zip(other.bytes()).filter(|(one, other)| one != other).count();
        if exchanged || places == 1 {
            return Date::Slip;
        }
    } else if year_of_one == year_of_other {
        return Date::Same;
    }
    match (year_of_one.parse::<i32>(), year_of_other.parse::<i32>()) {
        (Ok(one), Ok(other)) if (one - other).abs() == 1 => Date::NextYear,
        _ => Date::Other,
    }
}
