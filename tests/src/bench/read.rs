//! Reading everything in order over gRPC and TLS, as an auditor or an entitled agency does.

use std::time::Instant;

use simpul_connector::{ClientConfig, connect_channel};
use simpul_proto::v1::{ReplayRequest, audit_service_client::AuditServiceClient};

use super::measure::{Row, once};

/// Lets the registry replay the log and open placements, for the workload that reads them in clear.
pub const OPENING_POLICIES: &str = r#"
@id("bench-registry-replays")
permit (principal, action == Action::"replay", resource == Resource::"log")
when { principal.kind == "registry" && context.purpose == "PLACEMENT" };
@id("bench-registry-opens-placements")
permit (principal, action == Action::"open_payload", resource == Resource::"simpul.registry.v1.PlacementRecorded")
when { principal.kind == "registry" && context.purpose == "PLACEMENT" };
"#;

/// Every event there is; `opened` expects the payloads in clear.
///
/// # Panics
/// Where the replay is refused, breaks off, or a placement is not as expected.
pub async fn run(config: &ClientConfig, purpose: &str, opened: bool, system: &str) -> Row {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let mut client = AuditServiceClient::new(channel);
    let start = Instant::now();
    let request =
        ReplayRequest { purpose: purpose.into(), official: "bench".into(), ..ReplayRequest::default() };
    let mut answer = client.replay(request).await.expect("allowed").into_inner();
    let (mut events, mut clear) = (0, 0);
    while let Some(leaf) = answer.message().await.expect("whole") {
        events += leaf.events.len();
        clear += leaf.events.iter().filter(|event| !event.opened.is_empty()).count();
    }
    let took = start.elapsed();
    assert!(opened == (clear > 0), "{clear} of {events} events in clear");
    once("read all", system, true, events, took)
}
