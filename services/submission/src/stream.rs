//! Several submissions of one stream in flight: taken as they come, answered in their order, each with its
//! own outcome.
//!
//! ```text
//! inbound ──▶ lane: judge │ judge │ judge ──▶ gate, in order ──▶ flush ──▶ outcomes, in order ──▶ outbound
//!             at most IN_FLIGHT_MAX and IN_FLIGHT_BYTES_MAX
//! ```
//!
//! A peer that does not read its outcomes is not read from either.

use std::future::Future;

use futures_util::{StreamExt, stream::FuturesOrdered};
use simpul_admission::{Lane, Outcome};
use simpul_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::Status;

/// Submissions of one stream between arrival and outcome. One flush covers as many as came while the last one
/// ran, so this many keep the disk busy at several milliseconds a flush.
const IN_FLIGHT_MAX: usize = 256;
/// Their bytes; a single submission may be as large as it likes within its own limit.
const IN_FLIGHT_BYTES_MAX: usize = 16 << 20;
/// Outcomes that wait for the transport. Small: they are kept in flight otherwise.
const OUTCOMES_MAX: usize = 16;

/// Serves one stream on a task of its own; it ends when the peer has sent its last submission and has all
/// outcomes, or when the peer goes away.
pub(crate) fn run(
    lane: Lane,
    inbound: impl Stream<Item = Result<v1::Submission, Status>> + Send + Unpin + 'static,
) -> ReceiverStream<Result<v1::SubmitOutcome, Status>> {
    let (outcomes, outbound) = mpsc::channel(OUTCOMES_MAX);
    tokio::spawn(serve(lane, inbound, outcomes));
    ReceiverStream::new(outbound)
}

async fn serve(
    mut lane: Lane,
    mut inbound: impl Stream<Item = Result<v1::Submission, Status>> + Send + Unpin,
    outcomes: mpsc::Sender<Result<v1::SubmitOutcome, Status>>,
) {
    let mut in_flight = FuturesOrdered::new();
    let mut in_flight_bytes = 0;
    let mut open = true;
    while open || !in_flight.is_empty() {
        let room = in_flight.len() < IN_FLIGHT_MAX && in_flight_bytes < IN_FLIGHT_BYTES_MAX;
        tokio::select! {
            // What has arrived is taken first: the more pass the gate together, the more one flush covers.
            biased;
            () = outcomes.closed() => return,
            message = inbound.next(), if open && room => match message {
                Some(Ok(submission)) => {
                    let bytes = weight(&submission);
                    in_flight_bytes += bytes;
                    in_flight.push_back(weighed(lane.submit(submission), bytes));
                }
                Some(Err(status)) => {
                    tracing::debug!(code = ?status.code(), "a submission stream ended early");
                    open = false;
                }
                None => open = false,
            },
            Some((outcome, bytes)) = in_flight.next() => {
                in_flight_bytes -= bytes;
                if outcomes.send(Ok(outcome.to_wire())).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn weighed(outcome: impl Future<Output = Outcome>, bytes: usize) -> (Outcome, usize) {
    (outcome.await, bytes)
}

/// What a submission holds in memory, about.
fn weight(submission: &v1::Submission) -> usize {
    let event = |event: &v1::SubmittedEvent| event.header.len() + event.salt.len() + event.payload.len();
    submission.statement.len() + submission.events.iter().map(event).sum::<usize>()
}

#[cfg(test)]
#[path = "stream/tests.rs"]
mod tests;
