//! Embargoes: looks of one agency in one case, or of one of its officials, that are kept from the person for a time, by an article of law. Two keys of the
//! authority order one, each signing for the other; it ends by itself.

use simpul_proto::{directory as wire, v1};
use simpul_types::{AgencyCode, Position, Timestamp};

use super::{
    Directory, DirectoryError, TEXT_BYTES_MAX, name, optional_time, reference, register::pseudonym, text,
};
use crate::change::ControlError;

/// Bytes of a case's reference, as in queries.
const CASE_REF_BYTES_MAX: usize = 128;
/// Longest embargo: who must hide a look for longer orders it again.
const DAYS_MAX: i64 = 366;
const US_A_DAY: i64 = 86_400_000_000;

/// An embargo that was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embargo {
    /// Its reference.
    pub reference: String,
    /// Whose looks.
    pub agency: AgencyCode,
    /// Which of them.
    pub covers: Covers,
    /// The article of law.
    pub article: String,
    /// Number of the order.
    pub order_ref: String,
    /// First moment at which it no longer holds.
    pub until: Timestamp,
    /// Where it was ordered.
    pub position: Position,
}

/// Which looks an embargo keeps back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// In a case: the reference as the agency's questions give it.
    Case(String),
    /// All of an official's, by pseudonym.
    Official(String),
}

impl Embargo {
    /// As an access entry has it.
    pub fn to_wire(&self) -> v1::AccessEmbargo {
        v1::AccessEmbargo {
            embargo: self.reference.clone(),
            article: self.article.clone(),
            until_us: self.until.as_us(),
        }
    }
}

impl Directory {
    pub(super) fn order_embargo(
        &mut self,
        ordered: wire::EmbargoOrdered,
        position: Position,
    ) -> Result<(), DirectoryError> {
        if !self.dual_control {
            return Err(ControlError::NotCountersigned.into());
        }
        let reference = reference("embargo", &ordered.embargo)?;
        let agency: AgencyCode = name("agency", &ordered.agency)?;
        if !self.agencies.contains_key(&agency) {
            return Err(DirectoryError::NotDeclared { field: "agency", name: agency.to_string() });
        }
        let covers = match (ordered.case_ref.as_str(), ordered.official.as_str()) {
            ("", official) if !official.is_empty() => {
                pseudonym(official)?;
                Covers::Official(official.into())
            }
            (case_ref, "") => {
                text("case_ref", case_ref, CASE_REF_BYTES_MAX)?;
                Covers::Case(case_ref.into())
            }
            _ => {
                let rule = "a case or an official, not both".into();
                return Err(DirectoryError::Field { field: "official", rule });
            }
        };
        text("article", &ordered.article, TEXT_BYTES_MAX)?;
        text("order_ref", &ordered.order_ref, TEXT_BYTES_MAX)?;
        let until = optional_time(ordered.until_us)
            .ok_or(DirectoryError::Field { field: "until_us", rule: "required".into() })?;
        let wire::EmbargoOrdered { article, order_ref, .. } = ordered;
        // What is hidden under one stays what it is: the same looks, for longer or less long.
        let other = self.embargoes.get(&reference);
        if other.is_some_and(|known| known.agency != agency || known.covers != covers) {
            let rule = "was used for another agency, case or official".into();
            return Err(DirectoryError::Field { field: "embargo", rule });
        }
        let embargo =
            Embargo { reference: reference.clone(), agency, covers, article, order_ref, until, position };
        self.embargoes.insert(reference, embargo);
        Ok(())
    }

    /// What of an order depends on the clock.
    pub(super) fn judge_embargo(ordered: &wire::EmbargoOrdered, at: Timestamp) -> Result<(), DirectoryError> {
        let latest = at.as_us().saturating_add(DAYS_MAX * US_A_DAY);
        let right = ordered.until_us > at.as_us() && ordered.until_us <= latest;
        let rule = || format!("in the future, at most {DAYS_MAX} days ahead");
        right.then_some(()).ok_or_else(|| DirectoryError::Field { field: "until_us", rule: rule() })
    }

    pub(super) fn end_embargo(&mut self, ended: &wire::EmbargoEnded) -> Result<(), DirectoryError> {
        text("reason", &ended.reason, TEXT_BYTES_MAX)?;
        let at = optional_time(ended.ended_at_us)
            .ok_or(DirectoryError::Field { field: "ended_at_us", rule: "required".into() })?;
        let unknown = || DirectoryError::Field { field: "embargo", rule: "was never ordered".into() };
        let embargo = self.embargoes.get_mut(&ended.embargo).ok_or_else(unknown)?;
        embargo.until = embargo.until.min(at);
        Ok(())
    }

    /// The embargo on a look of an agency's official in a case, either of which may be empty; of several the one that ends last.
    pub fn embargo(
        &self,
        agency: &AgencyCode,
        case_ref: &str,
        official: &str,
        at: Timestamp,
    ) -> Option<&Embargo> {
        let of = |embargo: &&Embargo| {
            let covered = match &embargo.covers {
                Covers::Case(case) => case == case_ref,
                Covers::Official(pseudonym) => pseudonym == official,
            };
            covered && embargo.agency == *agency && embargo.until > at
        };
        self.embargoes.values().filter(of).max_by_key(|embargo| embargo.until)
    }

    /// All embargoes that were ever ordered, by reference.
    pub fn embargoes(&self) -> impl Iterator<Item = &Embargo> {
        self.embargoes.values()
    }
}
