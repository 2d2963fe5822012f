//! Notes for the reader that never change a verdict.

use std::ops::Not;

use simpul_proto::v1::PersonClaim;
use simpul_types::identity::{Mrz, Nik};

use crate::{day::Day, facts::Facts};

/// Codes, each once, in the order they came up.
#[derive(Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    pub(crate) fn add(&mut self, code: &str) {
        if !self.0.iter().any(|known| known == code) {
            self.0.push(code.into());
        }
    }

    pub(crate) fn into_list(self) -> Vec<String> {
        self.0
    }
}

/// What is odd about who the person is said to be.
pub(crate) fn of_claims(facts: &Facts, warnings: &mut Warnings) {
    let own = facts.placements.iter().filter_map(|episode| episode.placement.value.person.as_ref());
    let mut first_nik: Option<Nik> = None;
    for claim in facts.claims.iter().map(|claim| &claim.value).chain(own) {
        if !claim.nik.is_empty() {
            match Nik::parse(&claim.nik) {
                Ok(nik) => {
                    of_nik(claim, &nik, warnings);
                    if first_nik.get_or_insert_with(|| nik.clone()) != &nik {
                        warnings.add("SEVERAL_NIKS");
                    }
                }
                Err(_) => warnings.add("NIK_MALFORMED"),
            }
        }
        if !claim.mrz.is_empty() && Mrz::parse(&claim.mrz).is_ok_and(|mrz| mrz.warnings().is_empty()).not() {
            warnings.add("MRZ_CHECK_DIGIT");
        }
        if claim.name.split_whitespace().count() == 1 {
            warnings.add("MONONYM");
        }
    }
}

fn of_nik(claim: &PersonClaim, nik: &Nik, warnings: &mut Warnings) {
    if Day::parse(&claim.birth_date).date().is_some_and(|born| !nik.agrees_with(born)) {
        warnings.add("NIK_DATE_MISMATCH");
    }
}
