//! What the registry holds: placing companies with their permits, and one placement for each person.
//!
//! Proportions, from published figures (`domain.md` §2.2, §4.2): schemes as placed from January to October 2025; one
//! placement in 71 has a defect, as 4,191 departures were prevented against 297,434 placements of 2024.

use jiff::{ToSpan, civil::Date};

use super::{draw::Draw, names, person::Person};

/// Placements by scheme: P-to-P, individual, extensions and re-entries, G-to-G.
const SCHEMES: &[(Scheme, u64)] = &[
    (Scheme::PToP, 184_494),
    (Scheme::Individual, 26_008),
    (Scheme::ReEntry, 19_464),
    (Scheme::GToG, 6_398),
];
/// Placements with a defect, of placements in all.
const DEFECT: (u64, u64) = (4_191, 297_434);
/// Placing companies with a licence, April 2024.
const COMPANIES_MAX: u64 = 424;
/// Placements a year for each of them: 297,434 of 424.
const PLACEMENTS_PER_COMPANY: u64 = 701;

/// Destination and its weight, by the occupations they take most.
const DESTINATIONS: &[(Destination, u64)] = &[
    (Destination { code: "HKG", household: true }, 33),
    (Destination { code: "TWN", household: false }, 28),
    (Destination { code: "MYS", household: false }, 18),
    (Destination { code: "SGP", household: true }, 8),
    (Destination { code: "JPN", household: false }, 6),
    (Destination { code: "KOR", household: false }, 4),
    (Destination { code: "ITA", household: false }, 3),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    PToP,
    Individual,
    ReEntry,
    GToG,
}

#[derive(Clone, Copy)]
pub(super) struct Destination {
    pub(super) code: &'static str,
    /// Whether workers there are mostly employed by households.
    household: bool,
}

/// What is wrong with a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    TouristVisa,
    Child,
    NoSocialSecurity,
    SuspendedPlacer,
    ForgedCertificate,
    MedicalTooOld,
    IdentityUnchecked,
}

const DEFECTS: &[Defect] = &[
    Defect::TouristVisa,
    Defect::Child,
    Defect::NoSocialSecurity,
    Defect::SuspendedPlacer,
    Defect::ForgedCertificate,
    Defect::MedicalTooOld,
    Defect::IdentityUnchecked,
];

/// One row of the placement export.
pub(super) struct Placement {
    pub(super) number: String,
    pub(super) person: Person,
    pub(super) scheme: Scheme,
    pub(super) destination: Destination,
    pub(super) occupation: &'static str,
    pub(super) employer: String,
    pub(super) household: bool,
    pub(super) company: Option<u64>,
    pub(super) signed: Date,
    pub(super) departure: Date,
    pub(super) first_departure: Option<Date>,
    pub(super) returned: bool,
    pub(super) defect: Option<Defect>,
}

/// The registry of one sample.
pub(super) struct Registry {
    seed: u64,
    companies: u64,
}

impl Registry {
    pub(super) fn new(seed: u64, persons: u64) -> Self {
        Self { seed, companies: (persons / PLACEMENTS_PER_COMPANY).clamp(4, COMPANIES_MAX) }
    }

    pub(super) fn companies(&self) -> u64 {
        self.companies
    }

    /// The company that is suspended; it places only what is meant to be wrong.
    pub(super) fn suspended_company(&self) -> u64 {
        self.companies - 1
    }

    pub(super) fn permits(&self) -> u64 {
        self.companies * DESTINATIONS.len() as u64
    }

    /// Company and destination of a permit.
    pub(super) fn permit(&self, number: u64) -> (u64, &'static str) {
        let destinations = DESTINATIONS.len() as u64;
        (number / destinations, DESTINATIONS[(number % destinations) as usize].0.code)
    }

    /// Name of a company.
    pub(super) fn company(&self, number: u64) -> String {
        names::company(&mut Draw::new(self.seed, "company", number), number + 1)
    }

    /// Placement `index`; it depends on nothing but seed and index.
    pub(super) fn placement(&self, index: u64) -> Placement {
        let mut draw = Draw::new(self.seed, "placement", index);
        let scheme = draw.weighted(SCHEMES);
        let destination = draw.weighted(DESTINATIONS);
        let departure = Date::constant(2023, 9, 1).saturating_add(draw.between(0, 700).days());
        let placed = scheme == Scheme::PToP;
        let defect = draw.share(DEFECT.0, DEFECT.1).then(|| draw.pick(DEFECTS));
        let defect = defect.filter(|defect| match defect {
            // Whoever places nobody has no licence that could be suspended, and leave is not a first departure.
            Defect::SuspendedPlacer => placed,
            Defect::Child | Defect::ForgedCertificate | Defect::NoSocialSecurity => scheme != Scheme::ReEntry,
            _ => true,
        });
        // An individual may not work for a household, and governments place with institutions.
        let household = destination.household && matches!(scheme, Scheme::PToP | Scheme::ReEntry);
        Placement {
            number: format!("PN-{}-{:08}", departure.year(), index + 1),
            person: Person::new(self.seed, index, departure, defect == Some(Defect::Child)),
            scheme,
            destination,
            occupation: match (household, destination.code) {
                (true, _) => "PEKERJA RUMAH TANGGA",
                (_, "JPN" | "ITA") => "PERAWAT LANSIA",
                _ => "OPERATOR PRODUKSI",
            },
            employer: names::employer(&mut draw, household),
            household,
            company: placed.then(|| match defect {
                Some(Defect::SuspendedPlacer) => self.suspended_company(),
                _ => draw.below(self.suspended_company()),
            }),
            signed: departure.saturating_sub(draw.between(40, 90).days()),
            departure,
            first_departure: (scheme == Scheme::ReEntry)
                .then(|| departure.saturating_sub(draw.between(300, 700).days())),
            returned: draw.share(1, 6),
            defect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_defects_keep_their_published_shares() {
        let registry = Registry::new(5, 50_000);
        let (mut p_to_p, mut defects) = (0_u32, 0_u32);
        for index in 0..50_000 {
            let placement = registry.placement(index);
            p_to_p += u32::from(placement.scheme == Scheme::PToP);
            defects += u32::from(placement.defect.is_some());
        }
        assert!((38_600..39_500).contains(&p_to_p), "{p_to_p}: 78.05 % of all");
        assert!((450..720).contains(&defects), "{defects}: at most 1.41 % of all");
    }
}
