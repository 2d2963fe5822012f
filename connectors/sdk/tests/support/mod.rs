//! A small but honest hub: real mutual TLS, real signatures, a real tree, receipts that prove what they say. It admits in
//! order, refuses gaps and forks, and knows submissions and events it has seen. A test can make it slow, full, forgetful
//! of its answers, or a liar.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use prost::Message;
use simpul_connector::{ClientConfig, EventDraft};
use simpul_proto::{
    registry, status,
    v1::{
        self, SubmitOutcome,
        submission_service_server::{SubmissionService, SubmissionServiceServer},
        submit_outcome::Outcome,
    },
};
use simpul_signing::{SUBMISSION_TYPE, SigningKey, VerifyingKey, commitment};
use simpul_tlog::{checkpoint::Checkpoint, leaf_hash, note::NoteSigner, path_of, root_of, tree_hash};
use simpul_types::{
    Digest, Leaf, LeafIndex, Position, Receipt, RejectReason, Rejection, Submission, Timestamp,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

pub const ORIGIN: &str = "simpul.example/test";

/// What the hub has taken and how it shall behave.
#[derive(Default)]
pub struct State {
    pub leaves: Vec<Bytes>,
    hashes: Vec<Digest>,
    /// Event ids in the order of their positions.
    pub events: Vec<[u8; 16]>,
    /// Payloads in the same order.
    pub payloads: Vec<Bytes>,
    submissions: HashMap<[u8; 16], (Bytes, usize, u64, u32)>,
    next_sequence: u64,
    /// Everything that came in, whatever became of it: encoded submissions.
    pub received: Vec<Vec<u8>>,
    /// Answers to give instead of judging, in order.
    pub refuse: VecDeque<Rejection>,
    /// So many admitted submissions are not answered: the stream ends instead.
    pub lose_answers: u32,
    /// How the next receipts lie.
    pub lie: Option<Lie>,
    /// Names no event in its rejections.
    pub vague: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    OtherStatement,
    WrongRoot,
    Shrunk,
    OtherKey,
}

/// The hub, its folder and its keys.
pub struct Hub {
    pub state: Arc<Mutex<State>>,
    /// Submissions are judged while this is true.
    pub open: watch::Sender<bool>,
    address: SocketAddr,
    dir: tempfile::TempDir,
    note: Arc<NoteSigner>,
    key: VerifyingKey,
    server_identity: (String, String),
    ca: String,
    task: Option<JoinHandle<()>>,
}

impl Hub {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signing = SigningKey::generate();
        std::fs::write(dir.path().join("signing.key"), format!("{}\n", signing.to_text().as_str())).unwrap();
        let (ca, server_identity) = certificates(dir.path());
        let state = State { next_sequence: 1, ..State::default() };
        let mut hub = Self {
            state: Arc::new(Mutex::new(state)),
            open: watch::channel(true).0,
            address: "127.0.0.1:0".parse().unwrap(),
            note: Arc::new(NoteSigner::new(ORIGIN, &[7; 32]).unwrap()),
            key: signing.verifying_key(),
            server_identity,
            ca,
            dir,
            task: None,
        };
        hub.serve().await;
        hub
    }

    /// Listens on the port it had before; the log stays.
    pub async fn serve(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (certificate, key) = &self.server_identity;
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(&self.ca));
        let service = Service {
            state: Arc::clone(&self.state),
            open: self.open.subscribe(),
            note: Arc::clone(&self.note),
            key: self.key,
        };
        let service = SubmissionServiceServer::new(service).max_decoding_message_size(8 << 20);
        let server = Server::builder().tls_config(tls).unwrap().add_service(service);
        self.task = Some(tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        }));
    }

    /// Stops listening and cuts every connection: what was under way gets no answer.
    pub async fn kill(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        // Connections are tasks of their own; they end when their stream is told to.
        self.state.lock().unwrap().lose_answers = u32::MAX;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    pub async fn revive(&mut self) {
        self.state.lock().unwrap().lose_answers = 0;
        self.serve().await;
    }

    pub fn config(&self) -> ClientConfig {
        let file = |name: &str| self.dir.path().join(name);
        ClientConfig {
            endpoint: format!("https://localhost:{}", self.address.port()),
            server_name: "localhost".into(),
            ca_pem: file("ca.pem"),
            certificate_pem: file("tls.pem"),
            key_pem: file("tls.key"),
            signing_key: file("signing.key"),
            agency: "kp2mi".parse().unwrap(),
            connector: "sisko".parse().unwrap(),
            log_verifier: Some(self.note.verifier().to_string()),
            in_flight_max: 4,
            coalesce_events_max: 1_024,
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn spool_dir(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap())
    }

    /// Names in the payloads, in the order of the log.
    pub fn names(&self) -> Vec<String> {
        self.with(|state| state.payloads.iter().map(name_of).collect())
    }
}

fn certificates(dir: &Path) -> (String, (String, String)) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let issue = |san: Vec<SanType>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = san;
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let server = issue(vec![SanType::DnsName("localhost".try_into().unwrap())]);
    let uri = "spiffe://simpul/agency/kp2mi/connector/sisko";
    let (certificate, key) = issue(vec![SanType::URI(uri.try_into().unwrap())]);
    std::fs::write(dir.join("ca.pem"), &ca).unwrap();
    std::fs::write(dir.join("tls.pem"), certificate).unwrap();
    std::fs::write(dir.join("tls.key"), key).unwrap();
    (ca, server)
}

#[derive(Clone)]
struct Service {
    state: Arc<Mutex<State>>,
    open: watch::Receiver<bool>,
    note: Arc<NoteSigner>,
    key: VerifyingKey,
}

#[tonic::async_trait]
impl SubmissionService for Service {
    async fn submit(&self, request: Request<v1::Submission>) -> Result<Response<SubmitOutcome>, Status> {
        assert!(request.peer_certs().is_some(), "mutual TLS");
        match self.judge(request.into_inner()).await {
            Some(outcome) => match outcome.outcome {
                Some(Outcome::Rejection(rejection)) => Err(status::to_status(&rejection)),
                _ => Ok(Response::new(outcome)),
            },
            None => Err(Status::unavailable("gone")),
        }
    }

    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<SubmitOutcome, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::Submission>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        assert!(request.peer_certs().is_some(), "mutual TLS");
        let (answers, outcomes) = mpsc::channel(16);
        let service = self.clone();
        let mut submissions = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(submission)) = submissions.message().await {
                let outcome = service.judge(submission).await.ok_or_else(|| Status::unavailable("gone"));
                let gone = outcome.is_err();
                if answers.send(outcome).await.is_err() || gone {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outcomes))))
    }

    async fn get_connector_state(
        &self,
        _: Request<v1::GetConnectorStateRequest>,
    ) -> Result<Response<v1::ConnectorState>, Status> {
        let next_sequence = self.state.lock().unwrap().next_sequence;
        let (agency, connector) = ("kp2mi".into(), "sisko".into());
        Ok(Response::new(v1::ConnectorState { agency, connector, next_sequence }))
    }
}

impl Service {
    /// `None`: no answer leaves.
    async fn judge(&self, wire: v1::Submission) -> Option<SubmitOutcome> {
        let mut open = self.open.clone();
        open.wait_for(|open| *open).await.ok()?;
        let mut state = self.state.lock().unwrap();
        state.received.push(wire.encode_to_vec());
        let id = v1::SubmissionStatement::decode(wire.statement.clone()).unwrap().submission_id;
        let outcome = match state.refuse.pop_front() {
            Some(rejection) => Outcome::Rejection(rejection.to_wire()),
            None => match state.admit(wire, &self.key) {
                Ok((leaf, first, count, duplicate)) => {
                    if state.lose_answers > 0 {
                        state.lose_answers -= 1;
                        return None;
                    }
                    Outcome::Receipt(state.receipt(&self.note, leaf, first, count, duplicate))
                }
                Err(rejection) => Outcome::Rejection(rejection.to_wire()),
            },
        };
        if state.lose_answers > 0 {
            return None;
        }
        Some(SubmitOutcome { outcome: Some(outcome), submission_id: id })
    }
}

impl State {
    fn admit(
        &mut self,
        wire: v1::Submission,
        key: &VerifyingKey,
    ) -> Result<(usize, u64, u32, bool), Rejection> {
        let vague = self.vague;
        let submission = Submission::decode(wire)?;
        let refuse = |reason, field: String| {
            Err(Rejection::new(reason, "refused by the test").at(if vague { String::new() } else { field }))
        };
        if key.verify_dsse(SUBMISSION_TYPE, &submission.statement_bytes, &submission.signature).is_err() {
            return refuse(RejectReason::BadSignature, "signature".into());
        }
        let statement = &submission.statement;
        let headers = submission.events.iter().map(|event| event.header_bytes.as_ref());
        assert_eq!(tree_hash(headers), statement.events_root, "the events root");
        for (index, event) in submission.events.iter().enumerate() {
            assert_eq!(commitment(&event.salt, &event.payload), event.header.payload_commitment);
            if name_of(&event.payload).is_empty() {
                return refuse(RejectReason::InvalidPayload, format!("events[{index}].payload.person.name"));
            }
        }
        let id = *statement.submission_id.as_bytes();
        if let Some((bytes, leaf, first, count)) = self.submissions.get(&id) {
            assert_eq!(*bytes, submission.statement_bytes, "one submission id, one statement");
            return Ok((*leaf, *first, *count, true));
        }
        if statement.first_sequence != self.next_sequence {
            let gap = statement.first_sequence > self.next_sequence;
            let reason = if gap { RejectReason::SequenceGap } else { RejectReason::SequenceFork };
            return Err(Rejection::new(reason, "out of order").expecting(self.next_sequence));
        }
        for event in &submission.events {
            assert!(!self.events.contains(event.header.event_id.as_bytes()), "an event twice");
        }
        let first = self.events.len() as u64;
        for event in &submission.events {
            self.events.push(*event.header.event_id.as_bytes());
            self.payloads.push(event.payload.clone());
        }
        self.next_sequence += u64::from(statement.event_count);
        let count = statement.event_count;
        let bytes = submission.statement_bytes.clone();
        let leaf = Leaf {
            statement_bytes: submission.statement_bytes,
            statement: submission.statement,
            signature: submission.signature,
            key_id: submission.key_id,
            first_position: Position::new(first),
            admitted_at: Timestamp::from_us(1),
            directory_position: Position::ZERO,
            sealed_root: [0; 32],
        }
        .encode();
        self.hashes.push(leaf_hash(&leaf));
        self.leaves.push(leaf);
        self.submissions.insert(id, (bytes, self.leaves.len() - 1, first, count));
        Ok((self.leaves.len() - 1, first, count, false))
    }

    fn receipt(
        &self,
        note: &NoteSigner,
        index: usize,
        first: u64,
        count: u32,
        duplicate: bool,
    ) -> v1::Receipt {
        let mut tree = self.hashes.as_slice();
        let mut leaf = self.leaves[index].clone();
        match self.lie {
            Some(Lie::OtherStatement) => leaf = self.leaves[0].clone(),
            Some(Lie::Shrunk) => {
                // A log that has forgotten all but this leaf.
                tree = &self.hashes[index..=index];
            }
            _ => {}
        }
        let place = if self.lie == Some(Lie::Shrunk) { 0 } else { index };
        let mut root = root_of(tree);
        if self.lie == Some(Lie::WrongRoot) {
            root[0] ^= 1;
        }
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: tree.len() as u64, root };
        let liar = NoteSigner::new(ORIGIN, &[8; 32]).unwrap();
        let signer = if self.lie == Some(Lie::OtherKey) { &liar } else { note };
        Receipt {
            leaf_index: LeafIndex::new(place as u64),
            leaf,
            inclusion_proof: path_of(tree, place),
            checkpoint: checkpoint.sign(signer),
            first_position: Position::new(first),
            event_count: count,
            duplicate,
        }
        .to_wire()
    }
}

/// An event about an invented person; an empty name is what the hub refuses.
pub fn draft(name: &str) -> EventDraft {
    let person = v1::PersonClaim { name: name.into(), ..v1::PersonClaim::default() };
    let placement =
        registry::PlacementRecorded { person: Some(person), ..registry::PlacementRecorded::default() };
    EventDraft::new(
        "simpul.registry.v1.PlacementRecorded".parse().unwrap(),
        "sisko-placement/0123456789abcdef".parse().unwrap(),
        Timestamp::from_us(1_700_000_000_000_000),
        "PLACEMENT".parse().unwrap(),
        placement.encode_to_vec().into(),
    )
}

fn name_of(payload: &Bytes) -> String {
    registry::PlacementRecorded::decode(payload.clone()).unwrap().person.unwrap_or_default().name
}
