//! What is left of a refusal (ADM-2): an access entry where the sender is of a declared agency, a count where
//! it is not, so that a flood of strangers cannot fill the disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prost::Message;
use simpul_audit::{AccessDraft, AccessLog};
use simpul_log::Reader;
use simpul_policy::Directory;
use simpul_proto::v1;
use simpul_types::{Caller, RejectReason, Rejection, SubmissionId};

/// Action of a rejection's access entry.
const ACTION: &str = "submission.rejected";

/// Attempts of undeclared senders in the present window.
#[derive(Default)]
pub(crate) struct Strangers(AtomicU64);

impl Strangers {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the window: one line, and only where there were any.
    pub(crate) fn tell(&self) {
        let attempts = self.0.swap(0, Ordering::Relaxed);
        if attempts > 0 {
            tracing::warn!(attempts, "submissions of undeclared agencies were refused");
        }
    }
}

/// Whether a refusal is a decision on the submission. The others tell of the hub's want of room or health:
/// they say nothing of the sender, and writing under load or on a full disk would make matters worse.
pub(crate) fn is_decision(reason: RejectReason) -> bool {
    use RejectReason as R;
    !matches!(reason, R::QueueFull | R::DiskFull | R::LogPoisoned | R::Draining | R::BrokenChain)
}

/// Records a rejection of a declared agency; durable when it returns. Where that fails, the decision is not
/// given either.
pub(crate) async fn record(
    access: &Arc<AccessLog>,
    reader: &Reader,
    directory: &Directory,
    caller: &Caller,
    submission_id: Option<SubmissionId>,
    rejection: Rejection,
) -> Rejection {
    let id = submission_id.map(|id| id.as_bytes().to_vec().into()).unwrap_or_default();
    let rejection_wire = rejection.to_wire();
    let answer = format!("REJECTED:{}", rejection.reason.as_str_name());
    let outcome = v1::submit_outcome::Outcome::Rejection(rejection_wire);
    let parameters = v1::SubmitOutcome { outcome: Some(outcome), submission_id: id }.encode_to_vec();
    let draft = AccessDraft {
        caller: Some(caller.clone()),
        action: ACTION,
        answer,
        position: reader.head().end,
        directory_position: directory.position(),
        parameters: parameters.into(),
        ..AccessDraft::default()
    };
    match access.record(draft).await {
        Ok(_) => rejection,
        Err(error) => {
            tracing::error!(%error, "a rejection could not be recorded and was not told");
            let message = "the access log could not be written; try again later";
            Rejection::new(RejectReason::LogPoisoned, message)
        }
    }
}
