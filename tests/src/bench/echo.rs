//! The floor of streaming: submissions without content, answered without content, over the same mutual TLS.

use std::{
    fs,
    path::Path,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt, stream};
use simpul_connector::{ClientConfig, connect_channel};
use simpul_proto::v1::{
    ConnectorState, GetConnectorStateRequest, Submission, SubmitOutcome,
    submission_service_client::SubmissionServiceClient,
    submission_service_server::{SubmissionService, SubmissionServiceServer},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

use super::{
    floors::FLOOR,
    measure::{Row, row},
};

struct Echo;

#[tonic::async_trait]
impl SubmissionService for Echo {
    async fn submit(&self, _: Request<Submission>) -> Result<Response<SubmitOutcome>, Status> {
        Ok(Response::new(SubmitOutcome::default()))
    }

    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<SubmitOutcome, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<Submission>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let answers = request.into_inner().map(|message| message.map(|_| SubmitOutcome::default()));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_connector_state(
        &self,
        _: Request<GetConnectorStateRequest>,
    ) -> Result<Response<ConnectorState>, Status> {
        Ok(Response::new(ConnectorState::default()))
    }
}

/// Messages there and back over one stream, with the realm's certificates.
///
/// # Panics
/// Where loopback or TLS fails.
pub async fn stream(realm: &Path, client: &ClientConfig, time: Duration) -> Row {
    let read = |name: &str| fs::read(realm.join("hub").join(name)).expect("the realm's files are there");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("tls.pem"), read("tls.key")))
        .client_ca_root(Certificate::from_pem(read("ca.pem")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = Server::builder()
        .tls_config(tls)
        .expect("certificates of the realm")
        .add_service(SubmissionServiceServer::new(Echo))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);

    let mut files = client.tls_files();
    files.endpoint = format!("https://127.0.0.1:{port}");
    let channel = connect_channel(&files).await.expect("connected");
    let (start, mut messages) = (Instant::now(), 0);
    let sent = stream::repeat_with(Submission::default).take_while(move |_| {
        let on = start.elapsed() < time;
        async move { on }
    });
    let answers = SubmissionServiceClient::new(channel).submit_stream(sent).await.expect("answered");
    let mut answers = answers.into_inner();
    while answers.message().await.expect("whole").is_some() {
        messages += 1;
    }
    let took = start.elapsed();
    server.abort();
    let mut row = row("empty stream over TLS, messages", FLOOR, false, messages, vec![took], took);
    (row.p50_us, row.p99_us) = (0.0, 0.0);
    row
}
