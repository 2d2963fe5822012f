//! Connectors that were invited and wait for the authority. In memory: who waits asks again, and what was admitted stands in the directory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use simpul_policy::{AUTHORITY_AGENCY, Directory};
use simpul_proto::v1;
use simpul_signing::{
    VerifyingKey,
    enrolment::{EnrolmentError, EnrolmentRequest},
};
use simpul_types::{Clock, Timestamp};

/// Requests that wait at once: the authority sees each of them, and nobody who was not invited gets so far.
const WAITING_MAX: usize = 64;

/// Requests that wait. Cheap to share.
pub struct Enrolments {
    directory: Arc<ArcSwap<Directory>>,
    clock: Arc<dyn Clock>,
    /// By invitation.
    waiting: Mutex<BTreeMap<String, Waiting>>,
}

struct Waiting {
    request: EnrolmentRequest,
    file: Bytes,
    since: Timestamp,
}

/// Why a request does not wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// No request, or its form is wrong.
    #[error(transparent)]
    Request(#[from] EnrolmentError),
    /// The authority did not sign the invitation with a key that counts.
    #[error("invitation: is not signed by a key of the directory authority that counts")]
    NotInvited,
    /// It is over.
    #[error("invitation: has expired on {0}")]
    Expired(Timestamp),
    /// An invitation is used once.
    #[error("invitation: another request was made with it; call the directory authority")]
    Used,
    /// Too many.
    #[error("too many connectors wait to be admitted; try again later")]
    Full,
}

impl Enrolments {
    /// None yet.
    pub fn new(directory: Arc<ArcSwap<Directory>>, clock: Arc<dyn Clock>) -> Self {
        Self { directory, clock, waiting: Mutex::default() }
    }

    /// Takes a request, or finds that it was admitted. The same request may come as often as it likes.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn ask(&self, file: &[u8]) -> Result<v1::EnrolResponse, NotTaken> {
        let request = EnrolmentRequest::read(file)?;
        let (directory, now) = (self.directory.load(), self.clock.now());
        let key_id = request.public_key.key_id();
        let record = directory.agency(&request.sender.agency);
        let connector = record.and_then(|agency| agency.connectors.get(&request.sender.connector));
        if let Some(key) = connector.and_then(|connector| connector.keys.get(&key_id))
            && key.counts_at(now)
        {
            self.waiting().remove(&request.invitation.invite);
            let certificate_pem = key.certificate.as_deref().unwrap_or_default().to_owned();
            return Ok(v1::EnrolResponse { state: "ADMITTED".into(), certificate_pem });
        }
        let authority = directory.agencies().filter(|agency| agency.code.as_str() == AUTHORITY_AGENCY);
        let mut keys =
            authority.flat_map(|agency| agency.connectors.values()).flat_map(|one| one.keys.values());
        let invited = keys.any(|key| {
            key.counts_at(now)
                && request.application.invitation.is_by(&VerifyingKey::from_bytes(key.public_key))
        });
        if !invited {
            return Err(NotTaken::NotInvited);
        }
        if request.expires_at <= now {
            return Err(NotTaken::Expired(request.expires_at));
        }
        let mut waiting = self.waiting();
        waiting.retain(|_, known| known.request.expires_at > now);
        match waiting.get(&request.invitation.invite) {
            Some(known) if known.request.public_key.as_bytes() != request.public_key.as_bytes() => {
                return Err(NotTaken::Used);
            }
            Some(_) => {}
            None if waiting.len() >= WAITING_MAX => return Err(NotTaken::Full),
            None => {
                tracing::info!(connector = %request.sender, "a connector asks to be enrolled");
                let (invite, file) = (request.invitation.invite.clone(), Bytes::copy_from_slice(file));
                waiting.insert(invite, Waiting { request, file, since: now });
            }
        }
        Ok(v1::EnrolResponse { state: "WAITING".into(), certificate_pem: String::new() })
    }

    /// All that wait, the oldest first.
    pub fn list(&self) -> Vec<v1::Enrolment> {
        let now = self.clock.now();
        let mut waiting = self.waiting();
        waiting.retain(|_, known| known.request.expires_at > now);
        let mut all: Vec<_> = waiting
            .iter()
            .map(|(invite, known)| v1::Enrolment {
                invite: invite.clone(),
                agency: known.request.sender.agency.to_string(),
                connector: known.request.sender.connector.to_string(),
                fingerprint: known.request.fingerprint.clone(),
                request: known.file.clone(),
                since_us: known.since.as_us(),
            })
            .collect();
        all.sort_by_key(|one| one.since_us);
        all
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
