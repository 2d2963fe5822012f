//! Cases, persons and what was published, for the oversight service.

use std::collections::BTreeSet;

use simpul_audit::SubjectId;
use simpul_audit_service::{CaseEvents, PublishedTo, Records, RecordsError, SubjectError};
use simpul_projection::{ReadModels, Subject};
use simpul_proto::v1::check_request;
use simpul_publisher::Outbox;
use simpul_types::{Position, Timestamp, identity::IdentityError};

/// The read models and the outboxes of a hub.
pub(crate) struct RecordsOf {
    read_models: ReadModels,
    outbox: Outbox,
}

impl RecordsOf {
    pub(crate) fn new(read_models: ReadModels, outbox: Outbox) -> Self {
        Self { read_models, outbox }
    }
}

impl Records for RecordsOf {
    fn events_of(&self, reference: &str) -> Result<Option<CaseEvents>, RecordsError> {
        let Some(case) = self.read_models.case(reference)? else { return Ok(None) };
        let positions = self.read_models.case_events(reference)?.unwrap_or_default();
        let case_ref = case.case_ref.unwrap_or(case.reference);
        Ok((!positions.is_empty()).then_some(CaseEvents { case_ref, positions }))
    }

    fn concerned(&self, positions: &[Position]) -> Result<Vec<SubjectId>, RecordsError> {
        let mut subjects = BTreeSet::new();
        for position in positions {
            let touched = self.read_models.touched(*position)?;
            subjects.extend(touched.persons.iter().map(|person| *person.as_bytes()));
        }
        Ok(subjects.into_iter().collect())
    }

    fn subjects_of(&self, subject: &check_request::Subject) -> Result<BTreeSet<SubjectId>, SubjectError> {
        let subject = Subject::read(subject);
        let subject =
            subject.map_err(|IdentityError { field, rule }| SubjectError::Malformed { field, rule })?;
        let ids = self.read_models.subject_ids(subject.kind, &subject.identifier);
        ids.map_err(|error| SubjectError::Read(error.into()))
    }

    fn published(&self, since: Timestamp, until: Timestamp) -> Result<Vec<PublishedTo>, RecordsError> {
        let before =
            |time: Timestamp| self.read_models.known_by(Timestamp::from_us(time.as_us().saturating_sub(1)));
        let (from, end) = (before(since)?, before(until)?);
        let mut published = Vec::new();
        for agency in self.outbox.agencies() {
            let (first, next) = (self.outbox.first_at(&agency, from)?, self.outbox.first_at(&agency, end)?);
            if first < next {
                published.push(PublishedTo { agency, first_sequence: first, last_sequence: next - 1 });
            }
        }
        Ok(published)
    }
}
