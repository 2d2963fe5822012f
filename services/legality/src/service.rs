//! The service: one check, and a line-up of them.

use std::{pin::Pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt};
use prometheus_client::registry::Registry;
use prost::Message;
use simpul_audit::{AccessDraft, AccessLog, QUOTA_EXCEEDED, SubjectId};
use simpul_legality::{Assessment, Facts, RuleBook, evaluate};
use simpul_policy::{Action, Ask, Decision, Directory, Embargo};
use simpul_projection::{PersonId, ReadModels, StateError};
use simpul_proto::{
    status,
    v1::{AccessEmbargo, CheckFault, CheckRequest, CheckResponse, legality_service_server::LegalityService},
};
use simpul_signing::SigningKey;
use simpul_types::{Caller, Clock, FieldClass, IdSource, Position, RejectReason, Rejection, Timestamp};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    answer::{self, Circumstances},
    fault,
    metrics::Metrics,
    question::Question,
};

/// How long `at_least_position` is waited for.
const POSITION_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks of one line-up that run at once: enough to share the access log's flushes, few enough that one caller does not
/// crowd out the others.
const BATCH_IN_FLIGHT: usize = 64;

/// What the service needs.
pub struct Parts {
    /// Where persons, placements and licences are read.
    pub read_models: ReadModels,
    /// Where every look-up is recorded before it is answered.
    pub access: Arc<AccessLog>,
    /// Who may ask.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Signs the verdicts.
    pub key: Arc<SigningKey>,
    /// Tells when it is answered, and what is allowed then.
    pub clock: Arc<dyn Clock>,
    /// Tells what day it is: that of the machine, also where [`Self::clock`] waits for it.
    pub calendar: Arc<dyn Clock>,
    /// Names incidents.
    pub ids: Arc<dyn IdSource>,
}

/// The gRPC service `simpul.v1.LegalityService`. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    key_id: String,
    metrics: Metrics,
}

impl Service {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let key_id = parts.key.key_id().to_string();
        Self { inner: Arc::new(Inner { parts, key_id, metrics: Metrics::new() }) }
    }

    /// Registers the service's metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.inner.metrics.register(registry);
    }

    /// Answers one question of a caller; what the gRPC calls do.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field, UNIMPLEMENTED, PERMISSION_DENIED, UNAVAILABLE or RESOURCE_EXHAUSTED where the
    /// access could not be recorded or the position was not reached, INTERNAL with an incident id.
    pub async fn check(&self, caller: &Caller, request: &CheckRequest) -> Result<CheckResponse, Status> {
        self.inner.check(caller, request).await
    }
}

impl Inner {
    /// A question that fails leaves its entry like one that is answered: who tries is told too.
    async fn check(&self, caller: &Caller, request: &CheckRequest) -> Result<CheckResponse, Status> {
        let checked = self.answer(caller, request).await;
        if let Err(error) = &checked
            && let Some(class) = status::failure_class(error.code())
        {
            self.record_failure(caller, request, class).await?;
        }
        checked
    }

    async fn answer(&self, caller: &Caller, request: &CheckRequest) -> Result<CheckResponse, Status> {
        let asked_at = self.parts.clock.now();
        let question = Question::read(request, asked_at)?;
        // One directory for the whole answer: who may ask, and by which rules it is judged.
        let directory = self.parts.directory.load_full();
        let mut visit = Visit {
            caller,
            parameters: request.encode_to_vec(),
            subject_ref: self.parts.read_models.subject_ref(question.kind, &question.identifier),
            subject: self.parts.read_models.subject_id(question.kind, &question.identifier),
            decision: directory.decide_shared(&ask(caller, &question, asked_at)),
        };
        if !visit.decision.allowed {
            self.record(&visit, &question, "DENIED", Vec::new(), self.parts.read_models.position()).await?;
            return Err(denied(caller, directory.want(&ask(caller, &question, asked_at))));
        }
        if let Some(position) = question.at_least
            && !self.parts.read_models.wait_for(position, POSITION_TIMEOUT).await
        {
            self.metrics.count("FAILED");
            return Err(Status::unavailable(format!(
                "at_least_position: the read models have not reached it within {} s",
                POSITION_TIMEOUT.as_secs()
            )));
        }
        let failed = |error| {
            self.metrics.count("FAILED");
            fault::of_state(&error, self.parts.ids.as_ref())
        };
        let until = self.known_until(&question).await.map_err(failed)?;
        // Read before the look-up: the answer reflects at least this much of the log.
        let position = until.unwrap_or(Position::new(u64::MAX)).min(self.parts.read_models.position());
        let (person, facts) = self.facts(&question, until).map_err(failed)?;
        if let Some(person) = person {
            visit.subject = *person.as_bytes();
        }
        let assessment = assess(&directory.rules().book, &question, &facts, self.parts.calendar.now());
        let answer = if facts.found { assessment.kind.as_str_name() } else { "NO_RECORD" };
        // Here, where there is an answer: a question that could not be looked up takes nothing.
        if let Err(spent) = self.parts.access.quotas().take(&visit.decision.quotas, asked_at) {
            self.record(&visit, &question, QUOTA_EXCEEDED, Vec::new(), position).await?;
            return Err(fault::spent(&spent));
        }
        let disclosed = vec![FieldClass::Placement.to_string()];
        // QRY-1: durable before anything leaves; the verdict is signed after it, since it carries the entry's index.
        let (access_entry, checkpoint) = self.record(&visit, &question, answer, disclosed, position).await?;
        let answered_at = self.parts.clock.now();
        let around = Circumstances {
            position,
            checkpoint,
            access_entry,
            answered_at,
            subject_ref: visit.subject_ref,
            agency: caller.sender.agency.to_string(),
            purpose: question.purpose.to_string(),
            known_at: question.known_at,
            certificate: question.certificate,
        };
        let response = answer::sign(&self.parts.key, &self.key_id, assessment, around);
        self.metrics.observe(seconds_between(asked_at, self.parts.clock.now()));
        Ok(response)
    }

    fn embargo(&self, visit: &Visit<'_>, question: &Question) -> Option<AccessEmbargo> {
        let (directory, agency) = (self.parts.directory.load(), &visit.caller.sender.agency);
        let (case_ref, official) = (&question.case_ref, &question.official);
        let embargo = directory.embargo(agency, case_ref, official, self.parts.clock.now());
        embargo.map(Embargo::to_wire)
    }

    /// The position below which everything was known at the time asked for; the read models have reached it, or have
    /// been waited for.
    async fn known_until(&self, question: &Question) -> Result<Option<Position>, StateError> {
        let Some(time) = question.known_at else { return Ok(None) };
        let until = self.parts.read_models.known_by(time)?;
        self.parts.read_models.wait_for(until, POSITION_TIMEOUT).await;
        Ok(Some(until))
    }

    /// Nobody found is an answer too: facts that say so.
    fn facts(
        &self,
        question: &Question,
        until: Option<Position>,
    ) -> Result<(Option<PersonId>, Facts), StateError> {
        let models = &self.parts.read_models;
        models.complete()?;
        let person = match until {
            None => models.person_by(question.kind, &question.identifier)?,
            Some(until) => models.person_by_then(question.kind, &question.identifier, until)?,
        };
        let facts = match (person, until) {
            (Some(person), None) => models.facts(&person)?,
            (Some(person), Some(until)) => models.facts_then(&person, until)?,
            (None, _) => Facts::default(),
        };
        Ok((person, facts))
    }

    /// Leaves the durable access entry; gives its index and the checkpoint that it names.
    async fn record(
        &self,
        visit: &Visit<'_>,
        question: &Question,
        answer: &'static str,
        disclosed: Vec<String>,
        position: Position,
    ) -> Result<(u64, String), Status> {
        let checkpoint = self.parts.read_models.head().checkpoint.clone();
        let draft = AccessDraft {
            caller: Some(visit.caller.clone()),
            official: question.official.clone(),
            action: "legality.check",
            purpose: question.purpose.to_string(),
            case_ref: question.case_ref.clone(),
            subject_ref: visit.subject_ref.clone(),
            disclosed,
            answer: answer.to_owned(),
            position,
            directory_position: visit.decision.directory_position,
            policies: visit.decision.grounds(),
            checkpoint: Some(checkpoint.clone()),
            subjects: vec![visit.subject],
            embargo: self.embargo(visit, question),
            parameters: visit.parameters.clone().into(),
        };
        match self.parts.access.record(draft).await {
            Ok(index) => {
                self.metrics.count(answer);
                Ok((index, checkpoint))
            }
            Err(error) => {
                self.metrics.count("FAILED");
                Err(fault::of_access(&error))
            }
        }
    }

    /// The entry of a question that was not answered.
    async fn record_failure(
        &self,
        caller: &Caller,
        request: &CheckRequest,
        class: &'static str,
    ) -> Result<(), Status> {
        let (position, parameters) = (self.parts.read_models.position(), request.encode_to_vec());
        let draft = AccessDraft::failed(caller.clone(), "legality.check", class, position, parameters);
        self.parts.access.record(draft).await.map(drop).map_err(|error| fault::of_access(&error))
    }
}

fn assess(rules: &RuleBook, question: &Question, facts: &Facts, now: Timestamp) -> Assessment {
    let today = answer::today(question.known_at.unwrap_or(now));
    let mut assessment = evaluate(rules, facts, question.valid_at, today);
    let code = "MRZ_CHECK_DIGIT";
    if question.damaged_zone && !assessment.warnings.iter().any(|known| known == code) {
        assessment.warnings.push(code.into());
    }
    assessment
}

fn ask<'a>(caller: &'a Caller, question: &'a Question, at: Timestamp) -> Ask<'a> {
    Ask {
        agency: &caller.sender.agency,
        official: Some(&question.official),
        action: Action::CheckLegality,
        resource: "legality",
        field_class: None,
        purpose: Some(&question.purpose),
        provider: None,
        at,
    }
}

/// One question under way.
struct Visit<'a> {
    caller: &'a Caller,
    parameters: Vec<u8>,
    subject_ref: String,
    /// Whom it leads to, or the identifier asked for.
    subject: SubjectId,
    decision: Arc<Decision>,
}

fn denied(caller: &Caller, want: &str) -> Status {
    let message = format!("{want} lets {} check legality for this purpose", caller.sender.agency);
    status::to_status(&Rejection::new(RejectReason::PolicyDenied, message).to_wire())
}

fn seconds_between(from: Timestamp, until: Timestamp) -> f64 {
    Duration::from_micros(until.as_us().saturating_sub(from.as_us()).max(0).unsigned_abs()).as_secs_f64()
}

fn caller_of<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::unauthenticated("the connection carries no agency's certificate"))
}

#[tonic::async_trait]
impl LegalityService for Service {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let caller = caller_of(&request)?;
        self.inner.check(&caller, request.get_ref()).await.map(Response::new)
    }

    type CheckBatchStream = Pin<Box<dyn Stream<Item = Result<CheckResponse, Status>> + Send>>;

    async fn check_batch(
        &self,
        request: Request<Streaming<CheckRequest>>,
    ) -> Result<Response<Self::CheckBatchStream>, Status> {
        let caller = Arc::new(caller_of(&request)?);
        let inner = Arc::clone(&self.inner);
        let answers = request.into_inner().map(move |item| {
            let (inner, caller) = (Arc::clone(&inner), Arc::clone(&caller));
            async move {
                let checked = inner.check(&caller, &item?).await;
                Ok(checked.unwrap_or_else(|error| without_verdict(&error)))
            }
        });
        // Several at once, answered in order; one that cannot be answered does not end the line-up.
        Ok(Response::new(Box::pin(answers.buffered(BATCH_IN_FLIGHT))))
    }
}

/// The response to a question of a line-up that has no verdict.
fn without_verdict(error: &Status) -> CheckResponse {
    let field = status::from_status(error).map(|rejection| rejection.field).unwrap_or_default();
    let message = error.message().to_owned();
    let code = u32::try_from(error.code() as i32).unwrap_or_default();
    CheckResponse { fault: Some(CheckFault { code, field, message }), ..CheckResponse::default() }
}
