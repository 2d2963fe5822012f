//! gRPC edge of the directory: who takes part, and why something is or is not allowed. Only declared agencies
//! are answered, and every answer has left an access entry before (QRY-1).
//!
//! Read [`DirectoryEdge`] first, then `question.rs` for how a request becomes a question to the policy.

mod encode;
mod enrolments;
mod question;

use std::sync::Arc;

use arc_swap::ArcSwap;
use prost::Message;
use simpul_audit::{AccessDraft, AccessLog};
use simpul_policy::{AUTHORITY_AGENCY, Directory, Proposal};
use simpul_proto::v1::{
    self,
    directory_service_server::{DirectoryService, DirectoryServiceServer},
};
use simpul_types::{Caller, Clock};
use tonic::{Request, Response, Status};

pub use enrolments::{Enrolments, NotTaken};

/// The service.
pub struct DirectoryEdge {
    directory: Arc<ArcSwap<Directory>>,
    access: Arc<AccessLog>,
    clock: Arc<dyn Clock>,
    enrolments: Arc<Enrolments>,
}

impl DirectoryEdge {
    /// The service on the directory that admission keeps.
    pub fn new(
        directory: Arc<ArcSwap<Directory>>,
        access: Arc<AccessLog>,
        clock: Arc<dyn Clock>,
        enrolments: Arc<Enrolments>,
    ) -> Self {
        Self { directory, access, clock, enrolments }
    }

    /// The same as a tonic server.
    pub fn into_server(self) -> DirectoryServiceServer<Self> {
        DirectoryServiceServer::new(self)
    }

    /// The caller and the directory it is declared in; one directory per request, so that the answer is of
    /// one position.
    fn enter<T>(&self, request: &Request<T>) -> Result<(Caller, Arc<Directory>), Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller =
            caller.ok_or_else(|| Status::unauthenticated("this connection has no client certificate"))?;
        let directory = self.directory.load_full();
        if directory.agency(&caller.sender.agency).is_none() {
            return Err(Status::permission_denied("this agency is not declared in the directory"));
        }
        Ok((caller, directory))
    }

    /// QRY-1: durable before the answer leaves; without it there is no answer.
    async fn record(&self, draft: AccessDraft) -> Result<(), Status> {
        self.access.record(draft).await.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "an access could not be recorded and was not answered");
            Status::unavailable("the access log could not be written; try again later")
        })
    }
}

#[tonic::async_trait]
impl DirectoryService for DirectoryEdge {
    async fn list_agencies(
        &self,
        request: Request<v1::ListAgenciesRequest>,
    ) -> Result<Response<v1::ListAgenciesResponse>, Status> {
        let (caller, directory) = self.enter(&request)?;
        let (agency, now) = (caller.sender.agency.clone(), self.clock.now());
        // Pseudonyms are for those who can lead them back, and for those who watch over them.
        let kind = directory.agency(&agency).map(|record| record.kind.as_str());
        let every = matches!(kind, Some(AUTHORITY_AGENCY | "oversight"));
        let officials = directory.officials().filter(|(of, ..)| every || **of == agency);
        self.record(AccessDraft {
            caller: Some(caller),
            action: "directory.list",
            answer: "LISTED".into(),
            directory_position: directory.position(),
            ..AccessDraft::default()
        })
        .await?;
        Ok(Response::new(v1::ListAgenciesResponse {
            agencies: directory.agencies().map(encode::agency).collect(),
            directory_position: directory.position().get(),
            policy_version: directory.policy_version().into(),
            units: directory.units().map(encode::unit).collect(),
            officials: officials.map(|official| encode::official(official, now)).collect(),
            purposes: directory.purposes().map(encode::purpose).collect(),
            rule_book: Some(encode::rule_book(directory.rules())),
        }))
    }

    /// Answers any declared agency: what agencies have agreed is public among those who take part.
    async fn list_agreements(
        &self,
        request: Request<v1::ListAgreementsRequest>,
    ) -> Result<Response<v1::ListAgreementsResponse>, Status> {
        let (caller, directory) = self.enter(&request)?;
        let authority = caller.sender.agency.as_str() == AUTHORITY_AGENCY;
        self.record(AccessDraft {
            caller: Some(caller),
            action: "directory.agreements",
            answer: "LISTED".into(),
            directory_position: directory.position(),
            ..AccessDraft::default()
        })
        .await?;
        let now = self.clock.now();
        // What is hidden is known to the authority alone, also while it is only proposed.
        let shown = |proposal: &&Proposal| authority || !proposal.event_type.contains(".Embargo");
        let proposals = directory.proposals().filter(shown);
        Ok(Response::new(v1::ListAgreementsResponse {
            agreements: directory.agreements().map(|agreement| encode::agreement(agreement, now)).collect(),
            proposals: proposals.map(|proposal| encode::proposal(proposal, now)).collect(),
            dual_control: directory.dual_control(),
            directory_position: directory.position().get(),
        }))
    }

    /// Answers for any agency: policies are public among those who take part.
    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let (caller, directory) = self.enter(&request)?;
        let request = request.into_inner();
        let question = question::Question::read(&request).map_err(Status::invalid_argument)?;
        let now = self.clock.now();
        let explained = question.ask(&directory, now);
        let v1::ExplainResponse { allowed, policies, .. } = &explained;
        self.record(AccessDraft {
            caller: Some(caller),
            action: "directory.explain",
            purpose: request.purpose.clone(),
            answer: if *allowed { "ALLOWED" } else { "DENIED" }.into(),
            directory_position: directory.position(),
            policies: policies.clone(),
            parameters: request.encode_to_vec().into(),
            ..AccessDraft::default()
        })
        .await?;
        Ok(Response::new(explained))
    }

    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolResponse>, Status> {
        let (caller, directory) = self.enter(&request)?;
        let asked = self.enrolments.ask(&request.get_ref().request);
        let answer = match &asked {
            Ok(answer) => answer.state.clone(),
            Err(_) => "REFUSED".into(),
        };
        self.record(AccessDraft {
            caller: Some(caller),
            action: "directory.enrol",
            answer,
            directory_position: directory.position(),
            ..AccessDraft::default()
        })
        .await?;
        asked.map(Response::new).map_err(|refused| {
            let text = refused.to_string();
            match refused {
                NotTaken::Used => Status::already_exists(text),
                NotTaken::Full => Status::resource_exhausted(text),
                NotTaken::Request(_) | NotTaken::NotInvited | NotTaken::Expired(_) => {
                    Status::invalid_argument(text)
                }
            }
        })
    }

    async fn list_enrolments(
        &self,
        request: Request<v1::ListEnrolmentsRequest>,
    ) -> Result<Response<v1::ListEnrolmentsResponse>, Status> {
        let (caller, directory) = self.enter(&request)?;
        let authority = caller.sender.agency.as_str() == AUTHORITY_AGENCY;
        self.record(AccessDraft {
            caller: Some(caller),
            action: "directory.enrolments",
            answer: if authority { "LISTED" } else { "DENIED" }.into(),
            directory_position: directory.position(),
            ..AccessDraft::default()
        })
        .await?;
        if !authority {
            return Err(Status::permission_denied("enrolments are for the directory authority alone"));
        }
        Ok(Response::new(v1::ListEnrolmentsResponse { enrolments: self.enrolments.list() }))
    }
}
