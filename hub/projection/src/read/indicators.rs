//! The document of an indicator that several records name.

use simpul_proto::prevention::IndicatorClaim;
use simpul_types::Position;

use super::Shared;
use crate::{
    document::Document,
    error::StateError,
    event::{Payload, entry::Entry},
    indicators,
    key::{self, Id},
    render::{self, SightingPart},
    row::{Indicator, Sighting},
};

/// Records that the document names; of more, the newest.
const SIGHTINGS_MAX: usize = 100;

impl Shared {
    /// Who has seen it before `until`; `None` where nobody, or one record only.
    pub(super) fn indicator_document(
        &self,
        id: &Id,
        until: Position,
    ) -> Result<Option<Document>, StateError> {
        if self.state.row::<Indicator>(&key::indicator(id))?.is_none() {
            return Ok(None);
        }
        let mut sightings: Vec<(Position, Id)> = Vec::new();
        for item in self.state.scan(&key::sightings(id)) {
            let (key, bytes) = item?;
            let record = key.get(17..).and_then(key::one).ok_or(StateError::Row)?;
            let row: Sighting = crate::row::decode(&bytes)?;
            sightings.push((Position::new(row.position), record));
        }
        sightings.retain(|(position, _)| *position < until);
        if sightings.len() < 2 {
            return Ok(None);
        }
        sightings.sort_unstable();
        let total = sightings.len();
        let mut parts = Vec::new();
        for (position, record) in sightings.split_off(total.saturating_sub(SIGHTINGS_MAX)) {
            let Some((_, snapshot)) = self.snapshot_at(&record, position.plus(1))? else { continue };
            let entry = match self.open_at(position)? {
                Some((_, Payload::Entry(entry))) => Some(entry),
                _ => None,
            };
            let claim = entry.as_ref().and_then(|entry| self.claim_of(id, entry));
            parts.push(SightingPart { reference: key::text(&record), snapshot, entry, claim });
        }
        Ok(Some(render::indicator(key::text(id), total, &parts)))
    }

    fn claim_of(&self, id: &Id, entry: &Entry) -> Option<IndicatorClaim> {
        entry
            .indicators()
            .into_iter()
            .find(|claim| indicators::id(&self.state.blind, claim).as_ref() == Some(id))
    }
}
