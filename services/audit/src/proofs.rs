//! Checkpoints, inclusion and consistency proofs: what a client needs to hold the hub to its word.

use bytes::Bytes;
use simpul_log::{ReadError, Reader};
use simpul_policy::Action;
use simpul_proto::v1;
use simpul_types::{Digest, EventId, LeafIndex};
use tonic::{Request, Response, Status};

use crate::{
    AuditEdge,
    gate::{Answered, Visit},
    status,
};

/// Resource of the log in policies.
pub(crate) const LOG: &str = "log";

/// Proofs serve this purpose and no other, so their requests do not state one.
const PURPOSE: Option<&str> = Some("OVERSIGHT");

pub(crate) async fn checkpoint(
    edge: &AuditEdge,
    request: Request<v1::GetCheckpointRequest>,
) -> Result<Response<v1::GetCheckpointResponse>, Status> {
    let visit = edge.gate.enter(&request, "audit.checkpoint", "", PURPOSE)?;
    let decision = edge.gate.allow(&visit, Action::Replay, LOG).await?;
    let head = edge.reader.head();
    edge.gate.record(&visit, &decision, Answered::plain("CHECKPOINT", head.end)).await?;
    // The access log's head is taken after the record, so it covers the entry of this very call.
    let access = edge.gate.access_reader();
    Ok(Response::new(v1::GetCheckpointResponse {
        checkpoint: head.checkpoint.clone(),
        verifier_key: edge.reader.verifier().to_string(),
        published: edge.published().0,
        access_checkpoint: access.head().checkpoint.clone(),
        access_verifier_key: access.verifier().to_string(),
    }))
}

pub(crate) async fn inclusion(
    edge: &AuditEdge,
    request: Request<v1::GetInclusionProofRequest>,
) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
    let visit = edge.gate.enter(&request, "audit.inclusion_proof", "", PURPOSE)?;
    let asked = request.into_inner();
    let event = match asked.event_id.is_empty() {
        true => None,
        false => Some(
            EventId::from_wire(&asked.event_id)
                .map_err(|error| Status::invalid_argument(format!("event_id: {error}")))?,
        ),
    };
    let proof = prove(edge, &visit, move |reader| {
        let index = match event {
            Some(id) => leaf_with(reader, &id)?,
            None => LeafIndex::new(asked.leaf_index),
        };
        let size = size_or_newest(reader, asked.tree_size);
        Ok(v1::GetInclusionProofResponse {
            leaf_index: index.get(),
            tree_size: size.get(),
            proof: wire(&reader.inclusion_proof(index, size)?),
            leaf: reader.leaf(index)?.bytes,
            root: Bytes::copy_from_slice(&reader.root_at(size)?),
        })
    });
    proof.await
}

pub(crate) async fn consistency(
    edge: &AuditEdge,
    request: Request<v1::GetConsistencyProofRequest>,
) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
    let visit = edge.gate.enter(&request, "audit.consistency_proof", "", PURPOSE)?;
    let asked = request.into_inner();
    let proof = prove(edge, &visit, move |reader| {
        let old = LeafIndex::new(asked.old_size);
        let new = size_or_newest(reader, asked.new_size);
        Ok(v1::GetConsistencyProofResponse {
            old_size: old.get(),
            new_size: new.get(),
            proof: wire(&reader.consistency_proof(old, new)?),
            old_root: Bytes::copy_from_slice(&reader.root_at(old)?),
            new_root: Bytes::copy_from_slice(&reader.root_at(new)?),
        })
    });
    proof.await
}

/// Policy, the proof itself off the async threads, the access entry, the answer.
async fn prove<T: Send + 'static>(
    edge: &AuditEdge,
    visit: &Visit,
    make: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<Response<T>, Status> {
    let decision = edge.gate.allow(visit, Action::Replay, LOG).await?;
    let reader = edge.reader.clone();
    let made = tokio::task::spawn_blocking(move || make(&reader)).await.map_err(status::of_join)?;
    let class = match &made {
        Ok(_) => "PROOF",
        Err(ReadError::Beyond { .. }) => "OUT_OF_RANGE",
        Err(_) => "FAULT",
    };
    edge.gate.record(visit, &decision, Answered::plain(class, edge.reader.head().end)).await?;
    made.map(Response::new).map_err(|error| status::of_read(&error))
}

/// The leaf of an event. One that is not there counts as beyond the end, for whoever asks may be early.
fn leaf_with(reader: &Reader, id: &EventId) -> Result<LeafIndex, ReadError> {
    let end = reader.head().end.get();
    let position = reader.find_event(id).ok_or(ReadError::Beyond { what: "position", number: end, end })?;
    Ok(reader.leaf_with(&[position])?.index)
}

fn size_or_newest(reader: &Reader, size: u64) -> LeafIndex {
    if size == 0 { reader.head().size } else { LeafIndex::new(size) }
}

fn wire(hashes: &[Digest]) -> Vec<Bytes> {
    hashes.iter().map(|hash| Bytes::copy_from_slice(hash)).collect()
}
