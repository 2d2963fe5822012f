//! Submissions of one stream: judged side by side, admitted in the order in which they came.

use std::future::Future;

use simpul_proto::v1;
use simpul_types::Caller;
use tokio::sync::oneshot;

use crate::admission::{Admission, Outcome};

/// The order of one stream. Each submission waits at the gate for the one before it, whatever became of that
/// one.
pub struct Lane {
    admission: Admission,
    caller: Caller,
    last: Option<oneshot::Receiver<()>>,
}

/// A submission's place in its lane. The next one goes when this is dropped.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _next: oneshot::Sender<()>,
}

impl Turn {
    /// Waits until every earlier submission of the lane has passed the gate or failed before it.
    pub(crate) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: the sender's end is dropped when it is our turn.
            before.await.ok();
        }
    }
}

impl Lane {
    pub(crate) fn new(admission: Admission, caller: Caller) -> Self {
        Self { admission, caller, last: None }
    }

    /// Takes the next submission. Its outcome comes after it is durable or refused. The futures MUST be
    /// polled side by side (for example in a `FuturesOrdered`); one that is dropped gives up its turn.
    pub fn submit(&mut self, wire: v1::Submission) -> impl Future<Output = Outcome> + Send + use<> {
        let (next, last) = oneshot::channel();
        let turn = Turn { before: self.last.replace(last), _next: next };
        let (admission, caller) = (self.admission.clone(), self.caller.clone());
        async move { admission.run(&caller, wire, Some(turn)).await }
    }
}
