//! Cases as the referral mechanism has them, for who acts on them: what is due in a case, whom to tell.

use prost::Message;
use simpul_cases::Case;
use simpul_proto::organisation::UnitDeclared;
use simpul_types::{Position, StreamName};

use super::{NOW, ReadModels, Shared};
use crate::{
    error::StateError,
    event::{Payload, gist},
    key::{self, Id},
    listed, render,
};

/// A case by its opaque id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(pub(crate) Id);

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&key::text(&self.0))
    }
}

/// A case as the fold of its facts.
pub struct CaseInMechanism {
    /// The agencies' reference; of a police report's own case, the opaque one.
    pub case_ref: String,
    /// The fold.
    pub case: Case,
}

/// A task force that hears of missed deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskForce {
    /// Agency it belongs to.
    pub agency: String,
    /// `KAB_KOTA`, `PROVINSI`, `PUSAT`.
    pub level: String,
    /// Wilayah codes; empty: everywhere.
    pub jurisdiction: Vec<String>,
}

impl TaskForce {
    /// Whether it hears of what happens in a region at a level. A place is within a jurisdiction whose code its own begins with; the
    /// centre hears of everything.
    pub fn hears(&self, level: &str, region: &str) -> bool {
        let within = |code: &String| !region.is_empty() && region.starts_with(code.as_str());
        self.level == level && (level == "PUSAT" || self.jurisdiction.iter().any(within))
    }
}

impl ReadModels {
    /// Every case in which an offer, a clock or a hold stands, or once did.
    ///
    /// # Errors
    /// The store.
    pub fn cases_with_something_due(&self) -> Result<Vec<CaseId>, StateError> {
        let keys = self.shared.state.scan(&key::list(listed::DUE, None));
        keys.map(|item| item?.0.get(2..18).and_then(key::one).map(CaseId).ok_or(StateError::Row)).collect()
    }

    /// A case by the fold of its facts.
    ///
    /// # Errors
    /// The store or the log.
    pub fn mechanism(&self, case: CaseId) -> Result<Option<CaseInMechanism>, StateError> {
        let Some(parts) = self.shared.case_parts(&case.0, NOW)? else { return Ok(None) };
        let case_ref = if parts.case_ref.is_empty() { parts.reference } else { parts.case_ref };
        Ok(Some(CaseInMechanism { case_ref, case: Case::of(&render::facts(&parts.records)) }))
    }

    /// The case of the event at a position; `None` where it has none, or does not open.
    ///
    /// # Errors
    /// The store or the log.
    pub fn case_of_event(&self, position: Position) -> Result<Option<CaseId>, StateError> {
        let shared = &self.shared;
        let stored = shared.reader.event(position)?;
        let opened = gist::open(&shared.reader, &shared.state.blind, &stored)?.ok();
        let Some(record) = opened.and_then(|opened| opened.record) else { return Ok(None) };
        let standing = shared.snapshot_at(&record, position.plus(1))?;
        Ok(standing.and_then(|(_, snapshot)| key::one(&snapshot.case)).map(CaseId))
    }

    /// The stream of the event at a position, and how many events it has now.
    ///
    /// # Errors
    /// The log.
    pub fn stream_of_event(&self, position: Position) -> Result<Option<(StreamName, u64)>, StateError> {
        let opened = self.shared.open_at(position)?;
        Ok(opened.map(|(header, _)| {
            let version = self.shared.reader.stream(&header.stream).len();
            (header.stream, version as u64)
        }))
    }

    /// All task forces that the directory of units knows, without those that ended.
    ///
    /// # Errors
    /// The store or the log.
    pub fn task_forces(&self) -> Result<Vec<TaskForce>, StateError> {
        let mut forces = Vec::new();
        for record in self.shared.listed(listed::UNITS, None)? {
            let Some((_, Payload::Entry(entry))) = self.shared.newest_of(&record)? else { continue };
            // A unit that others succeeded has `UnitSucceeded` as its newest word.
            if entry.kind.name() != "simpul.organisation.v1.UnitDeclared" {
                continue;
            }
            let Ok(unit) = entry.message.transcode_to::<UnitDeclared>() else { continue };
            if !unit.task_force_level.is_empty() {
                let UnitDeclared { agency, task_force_level: level, jurisdiction, .. } = unit;
                forces.push(TaskForce { agency, level, jurisdiction });
            }
        }
        Ok(forces)
    }
}

impl Shared {
    /// Records of a list, in the order of their ids.
    pub(super) fn listed(&self, list: u8, of: Option<&Id>) -> Result<Vec<Id>, StateError> {
        let keys = self.state.scan(&key::list(list, of));
        keys.map(|item| item?.0.get(18..).and_then(key::one).ok_or(StateError::Row)).collect()
    }

    /// The newest event of a record, opened.
    pub(super) fn newest_of(&self, record: &Id) -> Result<Option<(Position, Payload)>, StateError> {
        let Some((_, snapshot)) = self.snapshot_at(record, NOW)? else { return Ok(None) };
        Ok(self.open_at(snapshot.at())?.map(|(_, payload)| (snapshot.at(), payload)))
    }
}

/// A typed payload of an entry.
pub(super) fn typed<M: Message + Default>(payload: &Payload) -> Option<M> {
    match payload {
        Payload::Entry(entry) => entry.message.transcode_to().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_force_hears_of_its_level_and_region() {
        let force = |level: &str, jurisdiction: &[&str]| TaskForce {
            agency: "a".into(),
            level: level.into(),
            jurisdiction: jurisdiction.iter().map(ToString::to_string).collect(),
        };
        let (city, province) = (force("KAB_KOTA", &["6172"]), force("PROVINSI", &["61"]));
        assert!(city.hears("KAB_KOTA", "6172") && !city.hears("KAB_KOTA", "6171"));
        assert!(province.hears("PROVINSI", "6172") && province.hears("PROVINSI", "61"));
        assert!(
            !province.hears("PROVINSI", "31") && !province.hears("PROVINSI", ""),
            "no region: the centre alone"
        );
        assert!(!province.hears("KAB_KOTA", "6172") && force("PUSAT", &[]).hears("PUSAT", ""));
    }
}
