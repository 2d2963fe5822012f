//! The order every call keeps: caller, policy, durable access entry, answer (QRY-1).

use std::sync::Arc;

use arc_swap::ArcSwap;
use prost::Message;
use simpul_audit::{AccessDraft, AccessLog, QUOTA_EXCEEDED, SubjectId, quota};
use simpul_log::Reader;
use simpul_policy::{Action, Ask, Decision, Directory, Embargo};
use simpul_types::{AgencyCode, Caller, Clock, FieldClass, Position, Purpose, Timestamp};
use tonic::{Request, Status};

use crate::status;

/// Bytes of an official's pseudonym.
const OFFICIAL_BYTES_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct Gate {
    reader: Reader,
    access: Arc<AccessLog>,
    directory: Arc<ArcSwap<Directory>>,
    clock: Arc<dyn Clock>,
}

/// One call from its arrival on, under one snapshot of the directory.
pub(crate) struct Visit {
    caller: Caller,
    official: String,
    purpose: Option<Purpose>,
    action: &'static str,
    parameters: Vec<u8>,
    directory: Arc<Directory>,
    at: Timestamp,
}

/// What is written about an allowed call.
pub(crate) struct Answered {
    pub(crate) class: &'static str,
    pub(crate) disclosed: Vec<FieldClass>,
    /// Position of the log the answer reflects.
    pub(crate) position: Position,
    /// The agencies' reference of the case that was asked for; empty where none.
    pub(crate) case_ref: String,
    /// Whom it concerns.
    pub(crate) subjects: Vec<SubjectId>,
}

impl Answered {
    /// An answer that discloses nothing about persons.
    pub(crate) fn plain(class: &'static str, position: Position) -> Self {
        Self { class, disclosed: Vec::new(), position, case_ref: String::new(), subjects: Vec::new() }
    }
}

impl Gate {
    pub(crate) fn new(
        reader: Reader,
        access: Arc<AccessLog>,
        directory: Arc<ArcSwap<Directory>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { reader, access, directory, clock }
    }

    pub(crate) fn access(&self) -> &AccessLog {
        &self.access
    }

    pub(crate) fn access_reader(&self) -> &Reader {
        self.access.reader()
    }

    /// Reads who asks, and why.
    pub(crate) fn enter<T: Message>(
        &self,
        request: &Request<T>,
        action: &'static str,
        official: &str,
        purpose: Option<&str>,
    ) -> Result<Visit, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller
            .ok_or_else(|| Status::unauthenticated("the connection carries no agency's certificate"))?;
        if official.len() > OFFICIAL_BYTES_MAX || official.chars().any(char::is_control) {
            return Err(Status::invalid_argument("official: at most 64 bytes, no control characters"));
        }
        let purpose = purpose
            .map(|text| text.parse().map_err(|error| Status::invalid_argument(format!("purpose: {error}"))))
            .transpose()?;
        Ok(Visit {
            caller,
            official: official.to_owned(),
            purpose,
            action,
            parameters: request.get_ref().encode_to_vec(),
            directory: self.directory.load_full(),
            at: self.clock.now(),
        })
    }

    /// Asks policy. A refusal is recorded before it is told.
    pub(crate) async fn allow(
        &self,
        visit: &Visit,
        action: Action,
        resource: &str,
    ) -> Result<Decision, Status> {
        self.settle(visit, action, resource, visit.decide(action, resource)).await
    }

    /// Asks policy whether the references of a view may be seen.
    pub(crate) async fn allow_references(&self, visit: &Visit, view: &str) -> Result<Decision, Status> {
        let decision = visit.decide_class(Action::View, view, Some(FieldClass::Reference));
        self.settle(visit, Action::View, view, decision).await
    }

    async fn settle(
        &self,
        visit: &Visit,
        action: Action,
        resource: &str,
        decision: Decision,
    ) -> Result<Decision, Status> {
        if decision.allowed {
            return Ok(decision);
        }
        let position = self.reader.head().end;
        self.record(visit, &decision, Answered::plain("DENIED", position)).await?;
        let want = visit.directory.want(&visit.ask(action, resource, None, None));
        Err(Status::permission_denied(format!(
            "{want} lets {} {} {resource} for this purpose",
            visit.caller.sender.agency,
            action.as_str()
        )))
    }

    /// Leaves the durable access entry and gives its index; where that fails there is no answer (QRY-1).
    pub(crate) async fn record(
        &self,
        visit: &Visit,
        decision: &Decision,
        mut answered: Answered,
    ) -> Result<u64, Status> {
        let taken = match quota::counts(answered.class) {
            true => self.access.quotas().take(&decision.quotas, visit.at),
            false => Ok(()),
        };
        if taken.is_err() {
            answered = Answered::plain(QUOTA_EXCEEDED, answered.position);
        }
        let case_ref = answered.case_ref;
        let draft = AccessDraft {
            caller: Some(visit.caller.clone()),
            official: visit.official.clone(),
            action: visit.action,
            purpose: visit.purpose.as_ref().map_or_else(String::new, ToString::to_string),
            disclosed: answered.disclosed.iter().map(ToString::to_string).collect(),
            answer: answered.class.to_owned(),
            case_ref: case_ref.clone(),
            position: answered.position,
            directory_position: decision.directory_position,
            policies: decision.grounds(),
            checkpoint: Some(self.reader.head().checkpoint.clone()),
            subjects: answered.subjects,
            embargo: visit
                .directory
                .embargo(&visit.caller.sender.agency, &case_ref, &visit.official, visit.at)
                .map(Embargo::to_wire),
            parameters: visit.parameters.clone().into(),
            ..AccessDraft::default()
        };
        let index = self.access.record(draft).await.map_err(|error| status::of_access(&error))?;
        taken.map(|()| index).map_err(|spent| Status::resource_exhausted(spent.to_string()))
    }
}

impl Visit {
    pub(crate) fn agency(&self) -> &str {
        self.caller.sender.agency.as_str()
    }

    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    pub(crate) fn agency_code(&self) -> &AgencyCode {
        &self.caller.sender.agency
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    pub(crate) fn decide(&self, action: Action, resource: &str) -> Decision {
        self.decide_class(action, resource, None)
    }

    /// Whether payloads of a type may be seen in clear, of anybody or of what one agency brought.
    pub(crate) fn may_open(&self, event_type: &str, provider: Option<&AgencyCode>) -> Arc<Decision> {
        self.directory.decide_shared(&self.ask(Action::OpenPayload, event_type, None, provider))
    }

    fn decide_class(&self, action: Action, resource: &str, field_class: Option<FieldClass>) -> Decision {
        self.directory.decide(&self.ask(action, resource, field_class, None))
    }

    fn ask<'a>(
        &'a self,
        action: Action,
        resource: &'a str,
        field_class: Option<FieldClass>,
        provider: Option<&'a AgencyCode>,
    ) -> Ask<'a> {
        let (agency, official) = (&self.caller.sender.agency, Some(self.official.as_str()));
        Ask {
            agency,
            official,
            action,
            resource,
            field_class,
            purpose: self.purpose.as_ref(),
            provider,
            at: self.at,
        }
    }
}
