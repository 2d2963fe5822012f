//! Which shelter fits a person: constraints first, then the nearest and the most suitable. Never by address: who asks learns codes.

use std::collections::BTreeSet;

/// What a shelter says of itself, and which of its beds are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelter {
    /// Opaque code.
    pub code: String,
    /// Two digits; empty abroad.
    pub province: String,
    /// ISO 3166-1 alpha-3.
    pub country: String,
    /// Whom it takes.
    pub takes_women: bool,
    /// Whom it takes.
    pub takes_men: bool,
    /// Whom it takes.
    pub takes_children: bool,
    /// Whom it takes.
    pub takes_families: bool,
    /// Without steps.
    pub step_free: bool,
    /// 1 open, 2 guarded, 3 secret and guarded.
    pub security_level: u32,
    /// How many.
    pub beds: u32,
    /// Numbers of beds held or occupied on the day.
    pub taken: BTreeSet<u32>,
    /// Opaque ids of the persons who sleep there.
    pub guests: BTreeSet<String>,
}

/// What a person needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Two digits; empty: anywhere.
    pub province: String,
    /// ISO 3166-1 alpha-3.
    pub country: String,
    /// Of the person; neither: not recorded, so both must be taken.
    pub woman: bool,
    /// Of the person.
    pub man: bool,
    /// Under 18.
    pub child: bool,
    /// Comes with family.
    pub family: bool,
    /// Cannot climb steps.
    pub step_free: bool,
    /// At least this level.
    pub security_level: u32,
    /// Opaque ids of people who must not be under the same roof: suspects of the person's case where the person is its victim, and the other
    /// way round (story A4).
    pub apart_from: BTreeSet<String>,
}

/// A shelter that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its code.
    pub code: String,
    /// The lowest free bed.
    pub bed: u32,
    /// Beds free.
    pub free: u32,
    /// Why it stands where it stands in the list.
    pub reasons: Vec<&'static str>,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Best first.
    pub found: Vec<Match>,
    /// Shelters that would fit, were it not for who sleeps there.
    pub kept_apart: usize,
    /// Shelters that would fit and have no bed free.
    pub full: usize,
}

/// Shelters that meet every constraint and have a free bed, best first: in the province asked for, then with the lowest security level that
/// is enough, then with the most room; codes break ties, so that the order is the same for everyone.
pub fn match_shelters(need: &Need, shelters: &[Shelter]) -> Matches {
    let mut matches = Matches::default();
    let mut found: Vec<(bool, u32, u32, Match)> = Vec::new();
    for shelter in shelters.iter().filter(|shelter| fits(need, shelter)) {
        if !shelter.guests.is_disjoint(&need.apart_from) {
            matches.kept_apart += 1;
            continue;
        }
        let beds = 1..=shelter.beds;
        let Some(bed) = beds.clone().find(|bed| !shelter.taken.contains(bed)) else {
            matches.full += 1;
            continue;
        };
        let taken = shelter.taken.iter().filter(|bed| beds.contains(bed)).count();
        let free = shelter.beds - u32::try_from(taken).unwrap_or(shelter.beds);
        let near = !need.province.is_empty() && shelter.province == need.province;
        let mut reasons = Vec::new();
        if near {
            reasons.push("IN_THE_PROVINCE");
        }
        if shelter.security_level > need.security_level {
            reasons.push("MORE_SECURE_THAN_NEEDED");
        }
        let one = Match { code: shelter.code.clone(), bed, free, reasons };
        found.push((!near, shelter.security_level, u32::MAX - free, one));
    }
    found.sort_by(|a, b| (a.0, a.1, a.2, &a.3.code).cmp(&(b.0, b.1, b.2, &b.3.code)));
    matches.found = found.into_iter().map(|(.., one)| one).collect();
    matches
}

/// Stream of a bed: one, whoever holds it, so that of two who hold it at once one has it and the other is told who.
pub fn bed_stream(shelter_code: &str, bed: u32) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{shelter_code}\n{bed}").as_bytes());
    format!("shelter-bed/{}", data_encoding::HEXLOWER.encode(&digest.as_ref()[..16]))
}

fn fits(need: &Need, shelter: &Shelter) -> bool {
    let sex = match (need.woman, need.man) {
        (true, false) => shelter.takes_women,
        (false, true) => shelter.takes_men,
        _ => shelter.takes_women && shelter.takes_men,
    };
    let people = if need.family { shelter.takes_families } else { sex };
    people
        && shelter.country == need.country
        && (!need.child || shelter.takes_children)
        && (!need.step_free || shelter.step_free)
        && shelter.security_level >= need.security_level
}
