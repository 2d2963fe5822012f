//! Documents by reference, as they stand now or stood at a position.

use simpul_legality::Sourced;
use simpul_proto::registry::{LicenceRecorded, PlacementRecorded};
use simpul_types::{Position, View};

use super::{NOW, ReadModels, Shared, open::Standing, people::HISTORY_MAX};
use crate::{
    cases,
    document::Document,
    error::StateError,
    event::Payload,
    key::{self, Id},
    licences,
    render::{self, CaseParts, Dated, EntryEvent},
    row::{Case, Kind, Pointer, Record, Snapshot},
};

/// Records that a case document shows; of more, the newest. A mass rescue of 554 people is one case.
const CASE_RECORDS_MAX: usize = 600;

/// A case as it is found.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// Opaque reference, that of its document.
    pub reference: String,
    /// The agencies' reference; `None` where the case is that of one police report.
    pub case_ref: Option<String>,
    /// Position of the event that opened it.
    pub opened: Position,
}

impl ReadModels {
    /// The newest record of a placement, by its opaque reference.
    ///
    /// # Errors
    /// The store or the log.
    pub fn placement(&self, reference: &str) -> Result<Option<Sourced<PlacementRecorded>>, StateError> {
        let Some(id) = key::parse(reference) else { return Ok(None) };
        let Some(Standing { snapshot, payload, .. }) = self.shared.standing_at(&id, NOW)? else {
            return Ok(None);
        };
        match payload {
            Payload::Placement(placement) => snapshot.sourced(*placement).map(Some),
            _ => Ok(None),
        }
    }

    /// The newest record of a licence, by its number.
    ///
    /// # Errors
    /// The store or the log.
    pub fn licence(&self, number: &str) -> Result<Option<Sourced<LicenceRecorded>>, StateError> {
        self.shared.licence(number, NOW)
    }

    /// A case by the agencies' reference, by an LP number, or by its opaque reference. A case that was a police report's
    /// own leads to the one that the report has joined.
    ///
    /// # Errors
    /// The store.
    pub fn case(&self, case_ref_or_lp: &str) -> Result<Option<CaseFile>, StateError> {
        let Some(id) = self.shared.find_case(case_ref_or_lp)? else { return Ok(None) };
        let row: Option<Case> = self.shared.state.row(&key::case(&id))?;
        Ok(row.map(|row| CaseFile {
            reference: key::text(&id),
            case_ref: Some(row.case_ref).filter(|text| !text.is_empty()),
            opened: Position::new(row.opened),
        }))
    }

    /// Positions of all events of the records that belong to a case now, in order. Cases are found as by [`Self::case`].
    ///
    /// # Errors
    /// The store.
    pub fn case_events(&self, case_ref_or_lp: &str) -> Result<Option<Vec<Position>>, StateError> {
        let Some(id) = self.shared.find_case(case_ref_or_lp)? else { return Ok(None) };
        let mut positions = Vec::new();
        for item in self.shared.state.scan(&key::members(&id)) {
            let Some(record) = item?.0.get(17..).and_then(key::one) else { return Err(StateError::Row) };
            let standing = self.shared.snapshot_at(&record, NOW)?;
            if standing.is_some_and(|(_, snapshot)| snapshot.case == id) {
                positions.extend(self.shared.history(&record, NOW, usize::MAX)?);
            }
        }
        positions.sort_unstable();
        positions.dedup();
        Ok(Some(positions))
    }

    /// A document as it stands now. Cases are found as by [`Self::case`], licences by number too. Whole: the caller cuts
    /// it to what its reader may see.
    ///
    /// # Errors
    /// The store or the log.
    pub fn document(&self, view: View, reference: &str) -> Result<Option<Document>, StateError> {
        match view {
            View::Case => match self.shared.find_case(reference)? {
                Some(id) => self.shared.case_document(&id, NOW),
                None => Ok(None),
            },
            View::Placement => match key::parse(reference) {
                Some(id) => self.shared.placement_document(&id, NOW),
                None => Ok(None),
            },
            View::Licence => {
                let by_number = licences::id(&self.shared.state.blind, reference);
                for id in [Some(by_number), key::parse(reference)].into_iter().flatten() {
                    if let Some(record) = self.shared.licence_record(&id)? {
                        return self.shared.licence_document(&id, &record, NOW);
                    }
                }
                Ok(None)
            }
            _ => match key::parse(reference) {
                Some(id) => self.shared.entry_document(view, &id, NOW),
                None => Ok(None),
            },
        }
    }
}

impl Shared {
    pub(super) fn find_case(&self, text: &str) -> Result<Option<Id>, StateError> {
        let named = cases::id(&self.state.blind, text);
        if self.state.has(&key::case(&named))? {
            return Ok(Some(named));
        }
        let number = cases::report_id(&self.state.blind, text);
        if let Some(pointer) = self.state.row::<Pointer>(&key::report(&number))? {
            return self.case_of(&pointer.record);
        }
        let Some(id) = key::parse(text) else { return Ok(None) };
        match self.state.row::<Case>(&key::case(&id))? {
            Some(case) if case.own.is_empty() => Ok(Some(id)),
            Some(case) => self.case_of(&case.own),
            None => Ok(None),
        }
    }

    fn case_of(&self, record: &[u8]) -> Result<Option<Id>, StateError> {
        let Some(record) = key::one(record) else { return Ok(None) };
        let row: Option<Record> = self.state.row(&key::record(&record))?;
        Ok(row.and_then(|row| key::one(&row.newest.case)))
    }

    pub(super) fn placement_document(
        &self,
        id: &Id,
        until: Position,
    ) -> Result<Option<Document>, StateError> {
        let Some((Kind::Placement, snapshot)) = self.snapshot_at(id, until)? else { return Ok(None) };
        let history = self.history(id, snapshot.at().plus(1), HISTORY_MAX)?;
        let opened = self.open_at(snapshot.at())?;
        let dated = Dated { reference: key::text(id), snapshot: &snapshot, history: &history };
        Ok(Some(match &opened {
            Some((_, Payload::Placement(placement))) => render::placement(&dated, placement),
            _ => render::unavailable(View::Placement, &dated),
        }))
    }

    pub(super) fn licence_document(
        &self,
        id: &Id,
        record: &Id,
        until: Position,
    ) -> Result<Option<Document>, StateError> {
        let Some((Kind::Licence, snapshot)) = self.snapshot_at(record, until)? else { return Ok(None) };
        let history = self.history(record, snapshot.at().plus(1), HISTORY_MAX)?;
        let opened = self.open_at(snapshot.at())?;
        let dated = Dated { reference: key::text(id), snapshot: &snapshot, history: &history };
        Ok(Some(match &opened {
            Some((_, Payload::Licence(licence))) => render::licence(&dated, licence),
            _ => render::unavailable(View::Licence, &dated),
        }))
    }

    /// A stream of events that the options of the contract describe, by the view that its newest event names.
    pub(super) fn entry_document(
        &self,
        view: View,
        id: &Id,
        until: Position,
    ) -> Result<Option<Document>, StateError> {
        let Some((Kind::Entry, snapshot)) = self.snapshot_at(id, until)? else {
            return if view == View::Indicator { self.indicator_document(id, until) } else { Ok(None) };
        };
        let history = self.history(id, snapshot.at().plus(1), HISTORY_MAX)?;
        let events = self.entry_events(id, &history)?;
        let dated = Dated { reference: key::text(id), snapshot: &snapshot, history: &history };
        Ok(match events.last().map(|event| &event.payload) {
            Some(Some(Payload::Entry(newest))) if newest.kind.view != view.as_str() => None,
            _ => Some(render::entry(view, &dated, &events)),
        })
    }

    pub(super) fn entry_events(
        &self,
        record: &Id,
        history: &[Position],
    ) -> Result<Vec<EntryEvent>, StateError> {
        let mut events = Vec::with_capacity(history.len());
        for position in history {
            if let Some((_, snapshot)) = self.snapshot_at(record, position.plus(1))? {
                let payload = self.open_at(*position)?.map(|(_, payload)| payload);
                events.push(EntryEvent { snapshot, payload });
            }
        }
        Ok(events)
    }

    /// The case with the records that belonged to it before `until`.
    pub(super) fn case_document(&self, id: &Id, until: Position) -> Result<Option<Document>, StateError> {
        Ok(self.case_parts(id, until)?.map(|parts| render::case(&parts)))
    }

    /// What its document is made of.
    pub(super) fn case_parts(&self, id: &Id, until: Position) -> Result<Option<CaseParts>, StateError> {
        let Some(case) = self.state.row::<Case>(&key::case(id))? else { return Ok(None) };
        if case.opened >= until.get() {
            return Ok(None);
        }
        let mut members = Vec::new();
        for item in self.state.scan(&key::members(id)) {
            let Some(record) = item?.0.get(17..).and_then(key::one) else { return Err(StateError::Row) };
            let standing = self.snapshot_at(&record, until)?;
            members.extend(standing.filter(|(_, at)| at.case == id).map(|(_, at)| (record, at)));
        }
        members.sort_by_key(|(_, snapshot)| snapshot.position);
        let total = members.len();
        let shown = members.split_off(total.saturating_sub(CASE_RECORDS_MAX));
        let mut parts = CaseParts {
            reference: key::text(id),
            case_ref: case.case_ref.clone(),
            opened: case.opened,
            records_total: total,
            moved_to: self.moved_to(id, &case, until)?,
            records: Vec::with_capacity(shown.len()),
        };
        for (record, snapshot) in shown {
            parts.records.push(self.case_record(&record, snapshot)?);
        }
        Ok(Some(parts))
    }

    fn case_record(&self, record: &Id, snapshot: Snapshot) -> Result<render::CaseRecord, StateError> {
        let history = self.history(record, snapshot.at().plus(1), HISTORY_MAX)?;
        let (stream, payload) = match self.open_at(snapshot.at())? {
            Some((header, payload)) => {
                let positions = self.reader.stream(&header.stream);
                let version = positions.iter().filter(|position| **position <= snapshot.at()).count();
                (Some((header.stream, version as u64)), Some(payload))
            }
            None => (None, None),
        };
        let events = match payload {
            Some(Payload::Entry(_)) => self.entry_events(record, &history)?,
            _ => Vec::new(),
        };
        let reference = key::text(record);
        Ok(render::CaseRecord { reference, snapshot, history, payload, stream, events })
    }

    /// Where a report's own case has gone, and at which position.
    fn moved_to(
        &self,
        id: &Id,
        case: &Case,
        until: Position,
    ) -> Result<Option<(String, Position)>, StateError> {
        let Some(own) = key::one(&case.own) else { return Ok(None) };
        let Some((_, snapshot)) = self.snapshot_at(&own, until)? else { return Ok(None) };
        let now = key::one(&snapshot.case).filter(|now| now != id);
        Ok(now.map(|now| (key::text(&now), snapshot.at())))
    }
}
