//! gRPC edge of submission: decode, call admission, encode. No rule of what is admitted stands here.
//!
//! Read [`Submission`] first, then `stream.rs` for several submissions in flight.

mod stream;

use simpul_admission::Admission;
use simpul_proto::{
    status,
    v1::{
        self,
        submission_service_server::{SubmissionService, SubmissionServiceServer},
    },
};
use simpul_types::{Caller, limits};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Room on the wire beside the events themselves: statement, signature, tags and lengths.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// The service.
pub struct Submission {
    admission: Admission,
}

impl Submission {
    /// The service on an admission.
    pub fn new(admission: Admission) -> Self {
        Self { admission }
    }

    /// The same as a tonic server, which takes messages as large as the limits allow.
    pub fn into_server(self) -> SubmissionServiceServer<Self> {
        SubmissionServiceServer::new(self)
            .max_decoding_message_size(limits::SUBMISSION_BYTES_MAX + ENVELOPE_BYTES_MAX)
    }
}

/// Whoever holds the connection.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::unauthenticated("this connection has no client certificate"))
}

#[tonic::async_trait]
impl SubmissionService for Submission {
    async fn submit(&self, request: Request<v1::Submission>) -> Result<Response<v1::SubmitOutcome>, Status> {
        let caller = caller(&request)?;
        let outcome = self.admission.outcome(&caller, request.into_inner()).await;
        match &outcome.result {
            Ok(_) => Ok(Response::new(outcome.to_wire())),
            Err(rejection) => Err(status::to_status(&rejection.to_wire())),
        }
    }

    type SubmitStreamStream = ReceiverStream<Result<v1::SubmitOutcome, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::Submission>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let lane = self.admission.lane(caller(&request)?);
        Ok(Response::new(stream::run(lane, request.into_inner())))
    }

    async fn get_connector_state(
        &self,
        request: Request<v1::GetConnectorStateRequest>,
    ) -> Result<Response<v1::ConnectorState>, Status> {
        let Caller { sender, .. } = caller(&request)?;
        if !self.admission.directory().load().knows(&sender) {
            return Err(Status::permission_denied("this connector is not declared in the directory"));
        }
        let next_sequence = self.admission.next_sequence(&sender);
        let next_sequence = next_sequence.map_err(|rejection| status::to_status(&rejection.to_wire()))?;
        let (agency, connector) = (sender.agency.into(), sender.connector.into());
        Ok(Response::new(v1::ConnectorState { agency, connector, next_sequence }))
    }
}
