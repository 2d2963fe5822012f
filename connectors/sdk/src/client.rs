//! For callers that wait for their receipt. Their events are put together: one signature, one leaf, one flush for many.
//!
//! ```text
//! caller 1 ──events──┐                         ┌── receipt, positions 7..8  ──▶ caller 1
//! caller 2 ──events──┤ one signed submission ──┤── receipt, positions 8..11 ──▶ caller 2
//! caller 3 ──events──┘                         └── rejection of events[0]   ──▶ caller 3, the others again without it
//! ```

use std::{ops::Range, sync::Arc};

use simpul_proto::v1::{GetConnectorStateRequest, submission_service_client::SubmissionServiceClient};
use simpul_signing::SigningKey;
use simpul_tlog::receipt::LogProof;
use simpul_types::{Clock, EventId, IdSource, Position, Receipt, Rejection, clock, limits};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    assemble::{Assembled, Signer},
    channel::{ConnectError, connect_channel},
    config::{ClientConfig, ConfigError},
    draft::EventDraft,
    engine::{Engine, Fault, Group, Journal, Link},
    ids::FreshIds,
    receipt::{ReceiptError, ReceiptVerifier},
};

/// Callers whose events wait for the engine; more wait at [`Client::submit`]. At 1,024 events a submission this is
/// memory for one submission per caller, no more.
const CALLERS_WAITING_MAX: usize = 4_096;

/// Submits events and waits for proof. Cheap to clone; the connection ends when the last clone is dropped and everything
/// submitted is answered.
#[derive(Clone)]
pub struct Client {
    groups: mpsc::Sender<Group>,
    ids: Arc<dyn IdSource>,
}

/// Proof that one caller's events are in the log.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The verified receipt of the submission they were part of.
    pub receipt: Arc<Receipt>,
    /// Their positions, gapless, in the order they were given.
    pub positions: Range<u64>,
    /// Their ids, in the same order.
    pub event_ids: Vec<EventId>,
}

impl Accepted {
    /// The receipt as a file that anybody can check with no hub (C2SP tlog-proof, `.tlog-proof`).
    pub fn log_proof(&self) -> LogProof {
        LogProof::from_receipt(&self.receipt)
    }

    /// Position of the first event.
    pub fn first_position(&self) -> Position {
        Position::new(self.positions.start)
    }
}

/// Why events were not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nothing to submit, or more than one submission can hold.
    #[error("{field}: {rule}")]
    Size {
        /// `events` or `events[i]`.
        field: String,
        /// The rule.
        rule: &'static str,
    },
    /// The hub refused them; nothing of them is stored. `events[i]` counts in the caller's own events.
    #[error("refused")]
    Rejected(#[source] Rejection),
    /// The hub's receipt proves nothing; whether they are stored is not known. Nothing more is sent.
    #[error("the receipt does not hold: {0}")]
    Receipt(String),
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be.
    #[error("configuration")]
    Config(#[from] ConfigError),
    /// The signing key cannot be read.
    #[error("signing key {0}")]
    SigningKey(std::path::PathBuf),
    /// The log's verifier key cannot be read.
    #[error("log_verifier")]
    LogVerifier(#[source] ReceiptError),
    /// The hub cannot be reached.
    #[error("no connection")]
    Connect(#[from] ConnectError),
    /// The hub answers, but not to us.
    #[error("asking the hub where this connector stands")]
    State(#[source] Box<tonic::Status>),
}

impl Client {
    /// Connects, asks where this connector stands, and is ready.
    ///
    /// # Errors
    /// [`StartError`]. Once it stands, lost connections are made again for as long as it lives.
    pub async fn connect(config: ClientConfig) -> Result<Self, StartError> {
        Self::connect_with(config, Arc::new(clock::System), Arc::new(FreshIds)).await
    }

    /// The same with another clock and id source.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn connect_with(
        config: ClientConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, StartError> {
        let parts = Parts::load(&config, None)?;
        let mut service = SubmissionServiceClient::new(connect_channel(&config.tls_files()).await?);
        let state = service.get_connector_state(GetConnectorStateRequest {}).await;
        let state = state.map_err(|status| StartError::State(Box::new(status)))?.into_inner();
        let (groups, queue) = mpsc::channel(CALLERS_WAITING_MAX);
        let stop = CancellationToken::new();
        let engine = Engine::new(config, parts, Journal::Memory, queue, clock, Arc::clone(&ids), stop);
        let link = Link { service, next_sequence: state.next_sequence };
        tokio::spawn(async move {
            if let Err(fault) = engine.run(Some(link)).await {
                tracing::error!(error = %fault, "the client has stopped");
            }
        });
        Ok(Self { groups, ids })
    }

    /// Submits events that are admitted together or not at all, and waits for the verified receipt. Dropping the future
    /// does not take back what was submitted.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, drafts: Vec<EventDraft>) -> Result<Accepted, SubmitError> {
        let group = self.group(drafts)?;
        let (reply, answer) = oneshot::channel();
        let group = Group { reply: Some(reply), ..group };
        self.groups.send(group).await.map_err(|_| SubmitError::Stopped)?;
        answer.await.map_err(|_| SubmitError::Stopped)?
    }

    fn group(&self, drafts: Vec<EventDraft>) -> Result<Group, SubmitError> {
        let size = |field: String, rule| SubmitError::Size { field, rule };
        if drafts.is_empty() || drafts.len() > limits::EVENTS_PER_SUBMISSION_MAX {
            return Err(size("events".into(), "1 to 1,024"));
        }
        let mut events = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.into_iter().enumerate() {
            let event = Assembled::new(draft, self.ids.as_ref());
            events.push(event.map_err(|_| size(format!("events[{index}]"), "at most 262,144 bytes"))?);
        }
        let group = Group::new(events);
        if group.bytes > limits::SUBMISSION_BYTES_MAX {
            return Err(size("events".into(), "at most 4 MiB in all"));
        }
        Ok(group)
    }
}

/// What both front ends read before the first connection.
pub(crate) struct Parts {
    pub signer: Signer,
    pub verifier: ReceiptVerifier,
}

impl Parts {
    pub(crate) fn load(
        config: &ClientConfig,
        newest: Option<crate::receipt::Seen>,
    ) -> Result<Self, StartError> {
        config.check()?;
        let text = std::fs::read_to_string(&config.signing_key).ok();
        let key = text.and_then(|text| SigningKey::from_text(text.trim_end()).ok());
        let key = key.ok_or_else(|| StartError::SigningKey(config.signing_key.clone()))?;
        let verifier = ReceiptVerifier::new(config.log_verifier.as_deref(), newest);
        Ok(Self {
            signer: Signer::new(key, config.sender()),
            verifier: verifier.map_err(StartError::LogVerifier)?,
        })
    }
}

impl From<&Fault> for SubmitError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Receipt(error) => Self::Receipt(error.to_string()),
            Fault::Journal(_) => Self::Stopped,
        }
    }
}
