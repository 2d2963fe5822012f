//! gRPC edge of oversight: checkpoints and proofs, replay, and who looked at what.
//!
//! Every call goes the same way (QRY-1): read the caller from the connection, ask policy, look it up, leave a durable entry
//! in the access log, answer. A refusal leaves its entry too. Nothing is decided here but that order; `gate.rs` keeps it.

mod breach;
mod bundles;
mod erasures;
mod gate;
mod hub_status;
mod listing;
mod proofs;
mod records;
mod replay;
mod status;
mod subject;

use std::{pin::Pin, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::Stream;
use simpul_audit::{AccessLog, Published};
use simpul_log::Reader;
use simpul_policy::Directory;
use simpul_proto::v1::{self, audit_service_server::AuditService};
use simpul_signing::SigningKey;
use simpul_types::Clock;
use tonic::{Request, Response, Status};

pub use records::{CaseEvents, PublishedTo, Records, RecordsError, SubjectError};
pub use v1::{audit_service_server::AuditServiceServer, hub_service_server::HubServiceServer};

use gate::Gate;

/// A server stream of this service.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// `simpul.v1.AuditService` over a hub's two logs. Cheap to clone.
#[derive(Clone)]
pub struct AuditEdge {
    reader: Reader,
    gate: Gate,
    published: Option<Published>,
    records: Option<Arc<dyn Records>>,
    signs: Option<Arc<SigningKey>>,
}

impl AuditEdge {
    /// Serves the log behind `reader` and the access log; the directory is the one that admission keeps current.
    pub fn new(
        reader: Reader,
        access: Arc<AccessLog>,
        directory: Arc<ArcSwap<Directory>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let gate = Gate::new(reader.clone(), access, directory, clock);
        Self { reader, gate, published: None, records: None, signs: None }
    }

    /// Shows the published checkpoint, with its cosignatures, in place of the newest where it covers what is asked for.
    pub fn with_published(mut self, published: Published) -> Self {
        self.published = Some(published);
        self
    }

    /// Knows cases and persons too: gives out bundles of cases, and reports about persons, which it signs.
    pub fn with_records(mut self, records: Arc<dyn Records>, signs: Arc<SigningKey>) -> Self {
        (self.records, self.signs) = (Some(records), Some(signs));
        self
    }

    fn records(&self) -> Result<&dyn Records, Status> {
        let missing = || Status::unavailable("this hub keeps no read models of cases and persons");
        self.records.as_deref().ok_or_else(missing)
    }

    fn signing_key(&self) -> Result<Arc<SigningKey>, Status> {
        self.signs.clone().ok_or_else(|| Status::unavailable("this hub has no key to sign reports with"))
    }

    /// The published checkpoint and its size, else the newest.
    fn published(&self) -> (String, u64) {
        let note = self.published.as_ref().and_then(|published| {
            let (note, size) = published.note_and_size();
            String::from_utf8(note.into()).ok().map(|note| (note, size))
        });
        note.unwrap_or_else(|| bundles::newest(&self.reader))
    }

    /// `HubService` on the same logs, ready for a router.
    pub fn into_hub_server(self) -> HubServiceServer<Self> {
        HubServiceServer::new(self)
    }

    /// The service, ready for a router.
    pub fn into_server(self) -> AuditServiceServer<Self> {
        AuditServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl AuditService for AuditEdge {
    type ReplayStream = Answers<v1::ReplayLeaf>;
    type ListAccessStream = Answers<v1::AccessRecord>;
    type GetBundleStream = Answers<v1::BundlePart>;
    type GetSubjectReportStream = Answers<v1::BundlePart>;

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        proofs::checkpoint(self, request).await
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        proofs::inclusion(self, request).await
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        proofs::consistency(self, request).await
    }

    async fn replay(
        &self,
        request: Request<v1::ReplayRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        replay::replay(self, request).await
    }

    async fn list_access(
        &self,
        request: Request<v1::ListAccessRequest>,
    ) -> Result<Response<Self::ListAccessStream>, Status> {
        listing::list(self, request).await
    }

    async fn get_bundle(
        &self,
        request: Request<v1::GetBundleRequest>,
    ) -> Result<Response<Self::GetBundleStream>, Status> {
        bundles::bundle(self, request).await
    }

    async fn list_erasures(
        &self,
        request: Request<v1::ListErasuresRequest>,
    ) -> Result<Response<v1::ListErasuresResponse>, Status> {
        erasures::list(self, request).await
    }

    async fn get_subject_report(
        &self,
        request: Request<v1::GetSubjectReportRequest>,
    ) -> Result<Response<Self::GetSubjectReportStream>, Status> {
        subject::report(self, request).await
    }

    async fn get_breach_report(
        &self,
        request: Request<v1::GetBreachReportRequest>,
    ) -> Result<Response<v1::BreachReport>, Status> {
        breach::report(self, request).await
    }
}
