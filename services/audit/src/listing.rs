//! Who looked at what. Reading it is itself recorded, once per call, before the first record leaves (QRY-1).

use simpul_audit::{EntryFilter, entries};
use simpul_policy::Action;
use simpul_proto::v1;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use crate::{Answers, AuditEdge, gate::Answered, replay::flatten, status};

/// Resource of the access log in policies.
pub(crate) const ACCESS_LOG: &str = "access_log";

/// Records sent at once.
const BATCH_RECORDS: usize = 256;
/// Batches read ahead of the client; 256 entries of a few hundred bytes each.
const BATCHES_AHEAD_MAX: usize = 4;

pub(crate) async fn list(
    edge: &AuditEdge,
    request: Request<v1::ListAccessRequest>,
) -> Result<Response<Answers<v1::AccessRecord>>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.access", &asked.official, Some(&asked.purpose))?;
    let agency = match asked.agency.as_str() {
        "" => None,
        code => Some(code.parse().map_err(|error| Status::invalid_argument(format!("agency: {error}")))?),
    };
    let (from, until) = (asked.from_index, asked.until_index);
    // The present end is that before this call, whose own entry the next call will show.
    let end = edge.gate.access_reader().head().size.get();
    let until = if until == 0 { end } else { until };
    let decision = edge.gate.allow(&visit, Action::ReadAccess, ACCESS_LOG).await?;
    let position = edge.reader.head().end;
    if from > until || until > end {
        edge.gate.record(&visit, &decision, Answered::plain("OUT_OF_RANGE", position)).await?;
        return Err(Status::out_of_range(format!("entries {from}..{until}; the access log ends at {end}")));
    }
    edge.gate.record(&visit, &decision, Answered::plain("ENTRIES", position)).await?;

    let (batches, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
    let reader = edge.gate.access_reader().clone();
    tokio::task::spawn_blocking(move || {
        let mut batch = Vec::new();
        for entry in entries(&reader, from, until, EntryFilter { agency, action: None }) {
            match entry {
                Ok((index, entry)) => batch.push(v1::AccessRecord { index, entry: Some(entry) }),
                Err(error) => {
                    let _ = batches.blocking_send(Ok(std::mem::take(&mut batch)));
                    let _ = batches.blocking_send(Err(status::of_entry(&error)));
                    return;
                }
            }
            // A client that has gone ends the reading.
            if batch.len() == BATCH_RECORDS && batches.blocking_send(Ok(std::mem::take(&mut batch))).is_err()
            {
                return;
            }
        }
        let _ = batches.blocking_send(Ok(batch));
    });
    Ok(Response::new(flatten(receiver)))
}
