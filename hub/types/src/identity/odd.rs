//! What is odd about what sources say of one person. Notes for a reader: nothing is ever refused or decided by them.

use jiff::civil::Date;
use simpul_proto::v1::PersonClaim;

use super::{Mrz, Nik};

/// Codes, each once, in the order they come up: `NIK_MALFORMED`, `NIK_DATE_MISMATCH` (a NIK is not corrected when a birth date
/// is), `SEVERAL_NIKS`, `MRZ_CHECK_DIGIT`, `MONONYM`.
pub fn oddities<'a>(claims: impl IntoIterator<Item = &'a PersonClaim>) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut first_nik: Option<Nik> = None;
    for claim in claims {
        let mut odd = Vec::new();
        if !claim.nik.is_empty() {
            match Nik::parse(&claim.nik) {
                Ok(nik) => {
                    if claim.birth_date.parse::<Date>().is_ok_and(|born| !nik.agrees_with(born)) {
                        odd.push("NIK_DATE_MISMATCH");
                    }
                    if first_nik.get_or_insert_with(|| nik.clone()) != &nik {
                        odd.push("SEVERAL_NIKS");
                    }
                }
                Err(_) => odd.push("NIK_MALFORMED"),
            }
        }
        let mrz_agrees = || Mrz::parse(&claim.mrz).is_ok_and(|mrz| mrz.warnings().is_empty());
        if !claim.mrz.is_empty() && !mrz_agrees() {
            odd.push("MRZ_CHECK_DIGIT");
        }
        if claim.name.split_whitespace().count() == 1 {
            odd.push("MONONYM");
        }
        for code in odd {
            if !found.contains(&code) {
                found.push(code);
            }
        }
    }
    found
}
