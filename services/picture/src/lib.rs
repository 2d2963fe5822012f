//! gRPC edge of the shared picture: one document at a time (`PictureService`), and every change that an agency is sent
//! (`SubscriptionService`).
//!
//! ```text
//! form ─▶ policy, per field class ─▶ wait for position ─▶ look up ─▶ cut ─▶ access entry (durable) ─▶ answer
//!            └─ nothing allowed ─────────────────────────────────────────▶ access entry (durable) ─▶ PERMISSION_DENIED
//! ```
//!
//! QRY-1: nothing leaves before the record of who asked is durable, be it a document, a refusal or the word that there is
//! no such document. What policy withholds is named by the view's list of classes, so the names tell nothing of the person.

mod document;
mod emergency;
mod fault;
mod find;
mod gate;
mod shelters;
mod statistics;
mod watch;

use std::{pin::Pin, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::Stream;
use simpul_audit::AccessLog;
use simpul_policy::Directory;
use simpul_projection::ReadModels;
use simpul_proto::v1::{
    self, picture_service_server::PictureService, subscription_service_server::SubscriptionService,
};
use simpul_publisher::Outbox;
use simpul_types::{Clock, IdSource};
use tokio::sync::watch as signal;
use tonic::{Request, Response, Status};

use gate::{action, noted};

pub use v1::{
    picture_service_server::PictureServiceServer, subscription_service_server::SubscriptionServiceServer,
};

/// What the services need.
pub struct Parts {
    /// Where documents are read.
    pub read_models: ReadModels,
    /// What every agency is sent.
    pub outbox: Outbox,
    /// Where every look-up is recorded before it is answered.
    pub access: Arc<AccessLog>,
    /// Who may see what.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Which night it is, where none is asked for.
    pub clock: Arc<dyn Clock>,
    /// Names incidents.
    pub ids: Arc<dyn IdSource>,
}

/// `simpul.v1.PictureService` and `simpul.v1.SubscriptionService`. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    parts: Arc<Parts>,
    stopping: signal::Sender<bool>,
}

impl Service {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), stopping: signal::channel(false).0 }
    }

    /// The picture service, ready for a router.
    pub fn picture_server(&self) -> PictureServiceServer<Self> {
        PictureServiceServer::new(self.clone())
    }

    /// The subscription service, ready for a router.
    pub fn subscription_server(&self) -> SubscriptionServiceServer<Self> {
        SubscriptionServiceServer::new(self.clone())
    }

    /// Ends every open subscription with UNAVAILABLE, so that a stopping hub need not wait for those who follow.
    pub fn end_subscriptions(&self) {
        self.stopping.send_replace(true);
    }
}

#[tonic::async_trait]
impl PictureService for Service {
    async fn get_case(
        &self,
        request: Request<v1::GetCaseRequest>,
    ) -> Result<Response<v1::ViewDocument>, Status> {
        let answer = document::case(&self.parts, &request).await;
        noted(&self.parts, action::CASE, &request, answer).await.map(Response::new)
    }

    async fn get_placement(
        &self,
        request: Request<v1::GetPlacementRequest>,
    ) -> Result<Response<v1::ViewDocument>, Status> {
        let answer = document::placement(&self.parts, &request).await;
        noted(&self.parts, action::PLACEMENT, &request, answer).await.map(Response::new)
    }

    async fn get_record(
        &self,
        request: Request<v1::GetRecordRequest>,
    ) -> Result<Response<v1::ViewDocument>, Status> {
        let answer = document::record(&self.parts, &request).await;
        noted(&self.parts, action::RECORD, &request, answer).await.map(Response::new)
    }

    async fn list_definitions(
        &self,
        request: Request<v1::ListDefinitionsRequest>,
    ) -> Result<Response<v1::ListDefinitionsResponse>, Status> {
        let answer = statistics::definitions(&self.parts, &request).await;
        noted(&self.parts, action::DEFINITIONS, &request, answer).await.map(Response::new)
    }

    async fn count(&self, request: Request<v1::CountRequest>) -> Result<Response<v1::CountResponse>, Status> {
        let answer = statistics::count(&self.parts, &request).await;
        noted(&self.parts, action::COUNT, &request, answer).await.map(Response::new)
    }

    async fn find_persons(
        &self,
        request: Request<v1::FindPersonsRequest>,
    ) -> Result<Response<v1::FindPersonsResponse>, Status> {
        let answer = find::persons(&self.parts, &request).await;
        noted(&self.parts, action::FIND_PERSONS, &request, answer).await.map(Response::new)
    }

    async fn match_shelters(
        &self,
        request: Request<v1::MatchSheltersRequest>,
    ) -> Result<Response<v1::MatchSheltersResponse>, Status> {
        let answer = shelters::match_shelters(&self.parts, &request).await;
        noted(&self.parts, action::MATCH_SHELTERS, &request, answer).await.map(Response::new)
    }

    async fn get_position(
        &self,
        request: Request<v1::GetPositionRequest>,
    ) -> Result<Response<v1::GetPositionResponse>, Status> {
        let answer = document::position(&self.parts, &request).await;
        noted(&self.parts, action::POSITION, &request, answer).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl SubscriptionService for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::ViewChange, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let changes = watch::watch(Arc::clone(&self.parts), self.stopping.subscribe(), &request).await;
        let changes = noted(&self.parts, action::WATCH, &request, changes).await?;
        Ok(Response::new(Box::pin(changes)))
    }
}
