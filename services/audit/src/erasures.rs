//! The register of erasures for those who take part in it. Recorded like every look (QRY-1).

use data_encoding::HEXLOWER;
use simpul_audit::Erasures;
use simpul_erasure::{Request as Asked, Stage};
use simpul_proto::v1::{self, ErasureState};
use tonic::{Request, Response, Status};

use crate::{AuditEdge, gate::Answered};

/// View that shows the register's events.
const INTEGRITY: &str = "integrity";

pub(crate) async fn list(
    edge: &AuditEdge,
    request: Request<v1::ListErasuresRequest>,
) -> Result<Response<v1::ListErasuresResponse>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.erasures", &asked.official, Some(&asked.purpose))?;
    let decision = edge.gate.allow_references(&visit, INTEGRITY).await?;
    let (reader, position, wanted) = (edge.reader.clone(), edge.reader.head().end, asked.request.clone());
    let read = tokio::task::spawn_blocking(move || {
        Erasures::read(&reader).map(|erasures| {
            let all = erasures.register().requests();
            let wanted = all.filter(|request| wanted.is_empty() || request.request == wanted);
            wanted.map(standing).collect::<Vec<_>>()
        })
    });
    let erasures = read.await.map_err(|_| Status::internal("reading the register panicked"))?;
    let erasures = erasures.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the register of erasures cannot be read");
        Status::data_loss("the register of erasures cannot be read; the hub's operator is told where")
    })?;
    let class = if erasures.is_empty() { "NO_RECORD" } else { "ERASURES" };
    let access_entry = edge.gate.record(&visit, &decision, Answered::plain(class, position)).await?;
    Ok(Response::new(v1::ListErasuresResponse { erasures, access_entry }))
}

fn standing(request: &Asked) -> v1::ErasureStanding {
    let mut standing = v1::ErasureStanding {
        request: request.request.clone(),
        request_digest: HEXLOWER.encode(&request.digest),
        position: request.position.get(),
        agency: request.agency.to_string(),
        streams: request.streams.iter().map(ToString::to_string).collect(),
        expires_at_us: request.expires_at.as_us(),
        approvals_needed: request.needed,
        cooling_off_s: request.cooling_off_s,
        approved_by: request.approvals.iter().map(|given| given.agency.to_string()).collect(),
        ..Default::default()
    };
    let state = match &request.stage {
        Stage::Requested => ErasureState::Requested,
        Stage::Approved { ready_at } => {
            standing.ready_at_us = ready_at.as_us();
            ErasureState::Approved
        }
        Stage::Vetoed { by, lifted, .. } => {
            standing.vetoed_by = by.to_string();
            if *lifted { ErasureState::Lifted } else { ErasureState::Vetoed }
        }
        Stage::Executed { position } => {
            standing.executed_position = Some(position.get());
            ErasureState::Executed
        }
    };
    standing.set_state(state);
    standing
}
