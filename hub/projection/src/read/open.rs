//! From rows to the events they point at.

use std::sync::Arc;

use simpul_legality::Sourced;
use simpul_proto::registry::LicenceRecorded;
use simpul_types::{AgencyCode, Header, Position, Timestamp};

use super::{LICENCES_KEPT, Shared};
use crate::{
    error::StateError,
    event::{self, Payload},
    key::{self, Id},
    licences,
    row::{Kind, Pointer, Record, Snapshot},
};

/// A record as it stood at some position, with its payload. Holds personal data: no `Debug`.
pub(crate) struct Standing {
    pub(crate) record: Id,
    pub(crate) snapshot: Snapshot,
    pub(crate) payload: Payload,
}

impl Snapshot {
    pub(crate) fn at(&self) -> Position {
        Position::new(self.position)
    }

    /// A fact of this snapshot.
    pub(crate) fn sourced<T>(&self, value: T) -> Result<Sourced<T>, StateError> {
        let source: AgencyCode = self.source.parse().map_err(|_| StateError::Row)?;
        let observed_at = Timestamp::from_us(self.observed_at);
        Ok(Sourced { value, position: self.at(), source, observed_at })
    }
}

impl Shared {
    /// Header and payload of an event; `None` where its payload does not open, for example because its key is destroyed.
    pub(crate) fn open_at(&self, position: Position) -> Result<Option<(Header, Payload)>, StateError> {
        let stored = self.reader.event(position)?;
        Ok(event::open(&self.reader, &stored)?)
    }

    /// The snapshot that stood for a record before `until`.
    pub(crate) fn snapshot_at(
        &self,
        record: &Id,
        until: Position,
    ) -> Result<Option<(Kind, Snapshot)>, StateError> {
        let Some(row) = self.state.row::<Record>(&key::record(record))? else { return Ok(None) };
        let kind = row.kind();
        if row.newest.at() < until {
            return Ok(Some((kind, row.newest)));
        }
        let mut earlier = self.state.range_back(key::earlier_of(record)..key::earlier(record, until));
        let Some(item) = earlier.next() else { return Ok(None) };
        Ok(Some((kind, crate::row::decode(&item?.1)?)))
    }

    /// The record before `until`, opened.
    pub(crate) fn standing_at(&self, record: &Id, until: Position) -> Result<Option<Standing>, StateError> {
        let Some((_, snapshot)) = self.snapshot_at(record, until)? else { return Ok(None) };
        let opened = self.open_at(snapshot.at())?;
        Ok(opened.map(|(_, payload)| Standing { record: *record, snapshot, payload }))
    }

    /// Positions of a record's snapshots before `until`: the newest `limit`, oldest first.
    pub(crate) fn history(
        &self,
        record: &Id,
        until: Position,
        limit: usize,
    ) -> Result<Vec<Position>, StateError> {
        let mut positions = Vec::new();
        if let Some(row) = self.state.row::<Record>(&key::record(record))?
            && row.newest.at() < until
        {
            positions.push(row.newest.at());
        }
        let earlier = self.state.range_back(key::earlier_of(record)..key::earlier(record, until));
        for item in earlier.take(limit.saturating_sub(positions.len())) {
            positions.push(key::position_at(&item?.0, 17).ok_or(StateError::Row)?);
        }
        positions.reverse();
        Ok(positions)
    }

    /// The licence that holds a number now, as it stood before `until`; `None` where its record held another number then.
    pub(crate) fn licence(
        &self,
        number: &str,
        until: Position,
    ) -> Result<Option<Sourced<LicenceRecorded>>, StateError> {
        if number.trim().is_empty() {
            return Ok(None);
        }
        let id = licences::id(&self.state.blind, number);
        let Some(record) = self.licence_record(&id)? else { return Ok(None) };
        let Some((_, snapshot)) = self.snapshot_at(&record, until)? else { return Ok(None) };
        if snapshot.licence != id {
            return Ok(None);
        }
        let cached = self.licences().get(&snapshot.position).cloned();
        let licence = match cached {
            Some(licence) => licence,
            None => match self.open_at(snapshot.at())? {
                Some((_, Payload::Licence(licence))) => {
                    let licence = Arc::new(*licence);
                    let mut kept = self.licences();
                    if kept.len() >= LICENCES_KEPT {
                        kept.clear();
                    }
                    kept.insert(snapshot.position, Arc::clone(&licence));
                    licence
                }
                _ => return Ok(None),
            },
        };
        snapshot.sourced(LicenceRecorded::clone(&licence)).map(Some)
    }

    /// The record that holds a licence number now.
    pub(crate) fn licence_record(&self, licence: &Id) -> Result<Option<Id>, StateError> {
        let pointer: Option<Pointer> = self.state.row(&key::licence(licence))?;
        Ok(pointer.and_then(|pointer| key::one(&pointer.record)))
    }
}
