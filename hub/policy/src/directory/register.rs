//! Who may ask in an agency's name, and what for: officials by pseudonym, and purposes. Each list binds from its first entry on.

use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, Purpose, Timestamp};

use super::{AUTHORITY_AGENCY, Directory, DirectoryError, TEXT_BYTES_MAX, field, name, optional_time, text};
use crate::Ask;

/// Longest pseudonym, bytes: as in questions.
const OFFICIAL_BYTES_MAX: usize = 64;

/// An official, by pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialRecord {
    /// The unit.
    pub unit: Option<String>,
    /// First moment.
    pub valid_from: Timestamp,
    /// First moment at which the official no longer counts.
    pub valid_until: Option<Timestamp>,
}

impl OfficialRecord {
    /// Whether a question that names this official counts at that time.
    pub fn counts(&self, at: Timestamp) -> bool {
        self.valid_from <= at && self.valid_until.is_none_or(|end| at < end)
    }
}

/// A purpose that data may be processed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposeRecord {
    /// In Indonesian.
    pub title_id: String,
    /// In English.
    pub title_en: String,
    /// The norm that allows it.
    pub legal_basis: String,
    /// From when on it no longer counts.
    pub ended_at: Option<Timestamp>,
}

impl PurposeRecord {
    fn counts(&self, at: Timestamp) -> bool {
        self.ended_at.is_none_or(|end| at < end)
    }
}

impl Directory {
    pub(super) fn declare_official(
        &mut self,
        declared: wire::OfficialDeclared,
    ) -> Result<(), DirectoryError> {
        pseudonym(&declared.official)?;
        let agency = self.declared_agency(&declared.agency)?;
        let unit = match declared.unit.as_str() {
            "" if self.units().any(|unit| unit.agency == agency) => {
                return Err(field("unit", "required, since the agency has units"));
            }
            "" => None,
            unit => Some(self.unit_of("unit", unit, &agency)?.unit.clone()),
        };
        let valid_from = optional_time(declared.valid_from_us).ok_or(field("valid_from_us", "required"))?;
        let valid_until = optional_time(declared.valid_until_us);
        if valid_until.is_some_and(|end| end <= valid_from) {
            return Err(field("valid_until_us", "after valid_from_us, or 0"));
        }
        let officials = self.officials.entry(agency).or_default();
        officials.insert(declared.official, OfficialRecord { unit, valid_from, valid_until });
        Ok(())
    }

    pub(super) fn end_official(&mut self, ended: &wire::OfficialEnded) -> Result<(), DirectoryError> {
        let agency = self.declared_agency(&ended.agency)?;
        let at = optional_time(ended.ended_at_us).ok_or(field("ended_at_us", "required"))?;
        text("reason", &ended.reason, TEXT_BYTES_MAX)?;
        let of_agency = self.officials.get_mut(&agency);
        let official = of_agency.and_then(|officials| officials.get_mut(&ended.official));
        let official = official.ok_or(field("official", "was never declared"))?;
        official.valid_until = Some(official.valid_until.map_or(at, |known| known.min(at)));
        Ok(())
    }

    pub(super) fn declare_purpose(&mut self, declared: wire::PurposeDeclared) -> Result<(), DirectoryError> {
        let purpose: Purpose = name("purpose", &declared.purpose)?;
        text("title_id", &declared.title_id, TEXT_BYTES_MAX)?;
        text("title_en", &declared.title_en, TEXT_BYTES_MAX)?;
        text("legal_basis", &declared.legal_basis, TEXT_BYTES_MAX)?;
        let wire::PurposeDeclared { title_id, title_en, legal_basis, .. } = declared;
        self.purposes.insert(purpose, PurposeRecord { title_id, title_en, legal_basis, ended_at: None });
        Ok(())
    }

    pub(super) fn end_purpose(&mut self, ended: &wire::PurposeEnded) -> Result<(), DirectoryError> {
        let purpose: Purpose = name("purpose", &ended.purpose)?;
        let at = optional_time(ended.ended_at_us).ok_or(field("ended_at_us", "required"))?;
        text("reason", &ended.reason, TEXT_BYTES_MAX)?;
        let known = self.purposes.get_mut(&purpose).ok_or(field("purpose", "was never declared"))?;
        known.ended_at = Some(known.ended_at.map_or(at, |known| known.min(at)));
        Ok(())
    }

    /// Whether the official who asks counts. An agency that has declared nobody is not held to a list, and a question that names nobody is the
    /// machine's, which its certificate answers for.
    pub(super) fn official_counts(&self, ask: &Ask<'_>) -> bool {
        let Some(official) = ask.official.filter(|official| !official.is_empty()) else { return true };
        let Some(officials) = self.officials.get(ask.agency) else { return true };
        officials.get(official).is_some_and(|known| known.counts(ask.at))
    }

    /// Whether the purpose counts. Before the first is declared, policies alone say. The authority is not held to the list, or an ended purpose
    /// would lock it out.
    pub(super) fn purpose_counts(&self, ask: &Ask<'_>) -> bool {
        let Some(purpose) = ask.purpose else { return true };
        if self.purposes.is_empty() || ask.agency.as_str() == AUTHORITY_AGENCY {
            return true;
        }
        self.purposes.get(purpose).is_some_and(|known| known.counts(ask.at))
    }

    /// Moments at which a purpose stops counting by itself.
    pub(super) fn purpose_turns(&self) -> impl Iterator<Item = Timestamp> {
        self.purposes.values().filter_map(|purpose| purpose.ended_at)
    }

    /// Officials by agency and pseudonym.
    pub fn officials(&self) -> impl Iterator<Item = (&AgencyCode, &str, &OfficialRecord)> {
        self.officials.iter().flat_map(|(agency, officials)| {
            officials.iter().map(move |(official, record)| (agency, official.as_str(), record))
        })
    }

    /// Purposes by code; none: they are not listed yet.
    pub fn purposes(&self) -> impl Iterator<Item = (&Purpose, &PurposeRecord)> {
        self.purposes.iter()
    }
}

pub(super) fn pseudonym(official: &str) -> Result<(), DirectoryError> {
    let right = (1..=OFFICIAL_BYTES_MAX).contains(&official.len()) && !official.chars().any(char::is_control);
    let rule = || format!("1 to {OFFICIAL_BYTES_MAX} bytes, no control characters");
    right.then_some(()).ok_or_else(|| field("official", &rule()))
}
