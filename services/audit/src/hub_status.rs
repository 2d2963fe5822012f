//! `simpul.v1.HubService`: what is damaged, and how far the background verification is.

use simpul_log::{Condition, Damage, Reader};
use simpul_policy::Action;
use simpul_proto::v1::{self, hub_service_server::HubService};
use tonic::{Request, Response, Status};

use crate::{AuditEdge, gate::Answered, proofs::LOG};

#[tonic::async_trait]
impl HubService for AuditEdge {
    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let visit = self.gate.enter(&request, "hub.status", "", Some("OVERSIGHT"))?;
        let decision = self.gate.allow(&visit, Action::Replay, LOG).await?;
        let end = self.reader.head().end;
        self.gate.record(&visit, &decision, Answered::plain("STATUS", end)).await?;
        Ok(Response::new(v1::GetStatusResponse {
            log: Some(status_of(&self.reader)),
            access_log: Some(status_of(self.gate.access_reader())),
        }))
    }
}

fn status_of(reader: &Reader) -> v1::LogStatus {
    let Condition { damages, read_only, scrub } = reader.condition();
    let head = reader.head();
    v1::LogStatus {
        size: head.size.get(),
        end: head.end.get(),
        damages: damages.into_iter().map(damage).collect(),
        read_only: read_only.unwrap_or_default(),
        scrub_passes: scrub.passes,
        scrub_bytes: scrub.bytes,
        scrub_bytes_total: scrub.bytes_total,
    }
}

fn damage(damage: Damage) -> v1::StoredDamage {
    let Damage { file, leaves, positions, leaf, position, what } = damage;
    v1::StoredDamage {
        file,
        first_leaf: leaves.start,
        end_leaf: leaves.end,
        first_position: positions.start,
        end_position: positions.end,
        leaf,
        position,
        what,
    }
}
