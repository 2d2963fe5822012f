//! The gRPC services on one router: transport limits, health, reflection.

use std::{io, sync::Arc, time::Duration};

use anyhow::Context;
use simpul_admission::Admission;
use simpul_audit::{AccessLog, Published};
use simpul_directory_service::{DirectoryEdge, Enrolments};
use simpul_log::Reader;
use simpul_projection::ReadModels;
use simpul_proto::v1::legality_service_server::LegalityServiceServer;
use simpul_publisher::Outbox;
use simpul_runtime::{Metrics, System};
use simpul_signing::SigningKey;
use simpul_types::Clock;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{connection::Connection, rates::Rates, records::RecordsOf};

/// Every service that health knows by name; the empty name stands for the whole hub.
pub(crate) const NAMES: &[&str] = &[
    "",
    "simpul.v1.SubmissionService",
    "simpul.v1.LegalityService",
    "simpul.v1.PictureService",
    "simpul.v1.SubscriptionService",
    "simpul.v1.AuditService",
    "simpul.v1.DirectoryService",
    "simpul.v1.HubService",
];

/// Largest request: a submission of 4 MiB with its envelope.
const REQUEST_BYTES_MAX: usize = 5 * 1_024 * 1_024;
/// Unread bytes a client may have on the way, per stream: a few submissions in flight over a line of 100 ms.
const STREAM_WINDOW_BYTES: u32 = 4 * 1_024 * 1_024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1_024 * 1_024;
/// Larger frames cost fewer turns of the loop for submissions of hundreds of kilobytes.
const FRAME_BYTES_MAX: u32 = 256 * 1_024;
/// Calls of one connection at once.
const STREAMS_MAX: u32 = 1_024;
/// How often a silent connection is asked whether it lives; a dead one is closed after the timeout.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// How long its answer may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of a request's headers; ours have some hundred.
const HEADER_BYTES_MAX: u32 = 16 * 1_024;
/// Streams that a client may reset before they were taken up; more end the connection (CVE-2023-44487).
const RESETS_MAX: usize = 64;
/// Until an answer begins: nothing takes so long but a client that does not finish its question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What the services are made of.
pub(crate) struct Backends {
    pub(crate) admission: Admission,
    pub(crate) access: Arc<AccessLog>,
    pub(crate) reader: Reader,
    pub(crate) read_models: ReadModels,
    pub(crate) outbox: Outbox,
    pub(crate) verdict: Arc<SigningKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) calendar: Arc<dyn Clock>,
    pub(crate) published: Published,
    pub(crate) enrolments: Arc<Enrolments>,
}

/// Services that are being served.
pub(crate) struct Serving {
    pub(crate) task: JoinHandle<()>,
    pub(crate) reporter: HealthReporter,
    picture: simpul_picture_service::Service,
}

impl Serving {
    /// Ends what would stay open for ever, so that a stop need not wait for it.
    pub(crate) fn end_subscriptions(&self) {
        self.picture.end_subscriptions();
    }
}

/// Serves on accepted connections until `stopping` is cancelled and the last connection has ended.
pub(crate) async fn serve(
    backends: Backends,
    metrics: &Metrics,
    connections: mpsc::Receiver<io::Result<Connection>>,
    rates: Rates,
    stopping: CancellationToken,
) -> anyhow::Result<Serving> {
    let Backends {
        admission,
        access,
        reader,
        read_models,
        outbox,
        verdict,
        clock,
        calendar,
        published,
        enrolments,
    } = backends;
    let directory = admission.directory();
    let records = Arc::new(RecordsOf::new(read_models.clone(), outbox.clone()));
    let legality = simpul_legality_service::Service::new(simpul_legality_service::Parts {
        read_models: read_models.clone(),
        access: access.clone(),
        directory: directory.clone(),
        key: verdict.clone(),
        clock: clock.clone(),
        calendar,
        ids: Arc::new(System),
    });
    metrics.register(|registry| legality.register_metrics(registry));
    let picture = simpul_picture_service::Service::new(simpul_picture_service::Parts {
        read_models,
        outbox,
        access: access.clone(),
        directory: directory.clone(),
        clock: clock.clone(),
        ids: Arc::new(System),
    });
    let submission = simpul_submission_service::Submission::new(admission).into_server();
    let edge = simpul_audit_service::AuditEdge::new(reader, access.clone(), directory.clone(), clock.clone());
    let edge = edge.with_published(published).with_records(records, verdict);
    let (status, audit) = (edge.clone().into_hub_server(), edge.into_server());
    let directory = DirectoryEdge::new(directory, access, clock, enrolments).into_server();
    let legality = LegalityServiceServer::new(legality);

    let (reporter, health) = tonic_health::server::health_reporter();
    for name in NAMES {
        reporter.set_service_status(*name, ServingStatus::Serving).await;
    }
    let router = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
        .timeout(ANSWER_TIMEOUT)
        .layer(rates)
        .add_service(health)
        .add_service(reflection().build_v1().context("reflection")?)
        // What most tools of other languages still ask for.
        .add_service(reflection().build_v1alpha().context("reflection")?)
        .add_service(submission.max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(legality.max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(picture.picture_server().max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(picture.subscription_server().max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(status.max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(audit.max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(directory.max_decoding_message_size(REQUEST_BYTES_MAX));
    let task = tokio::spawn(async move {
        let stop = stopping.cancelled_owned();
        let served = router.serve_with_incoming_shutdown(ReceiverStream::new(connections), stop).await;
        if let Err(error) = served {
            tracing::error!(%error, "gRPC is not served any more");
        }
    });
    Ok(Serving { task, reporter, picture })
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(simpul_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
