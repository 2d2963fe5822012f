//! Keys that a person is found by, in clear; whoever stores them hashes them first.
//!
//! | key | finds |
//! |---|---|
//! | `2/a/b`, every pair of words | a name, its words in any order, further words more or fewer |
//! | `y/a/1988`, every word with the year of birth | a name of which one word is quite wrong |
//! | `1/a`, of a name of one word | a mononym |
//!
//! A single word of a longer name is no key: half a million women are called Siti.

use crate::name::Name;

/// Keys of one name at most: of eight words 28 pairs and eight years, cut.
pub const KEYS_MAX: usize = 16;

/// Keys of a name, the more telling ones first. `birth_date` is `YYYY-MM-DD`, `YYYY`, or anything else where it is not known.
///
/// ```
/// let stored = simpul_identity::keys(&simpul_identity::Name::of("Siti Nurhayati"), "1988-02-29");
/// let asked = simpul_identity::keys(&simpul_identity::Name::of("NOERHAYATIE SITTI"), "");
/// assert!(asked.iter().all(|key| stored.contains(key)));
/// ```
pub fn keys(name: &Name, birth_date: &str) -> Vec<String> {
    let sounds = name.sounds();
    let mut keys = Vec::new();
    if let [only] = &sounds[..] {
        keys.push(format!("1/{only}"));
    }
    if let Some(year) = year(birth_date) {
        keys.extend(sounds.iter().map(|sound| format!("y/{sound}/{year}")));
    }
    for (n, one) in sounds.iter().enumerate() {
        keys.extend(sounds[n + 1..].iter().map(|other| format!("2/{one}/{other}")));
    }
    keys.truncate(KEYS_MAX);
    keys
}

/// The year of a date or of a year.
pub(crate) fn year(birth_date: &str) -> Option<&str> {
    let year = birth_date.get(..4)?;
    let whole = birth_date.len() == 4 || birth_date.as_bytes().get(4) == Some(&b'-');
    (whole && year.bytes().all(|digit| digit.is_ascii_digit())).then_some(year)
}
