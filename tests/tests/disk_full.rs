//! A full disk: refused clearly, no acknowledgment, and once there is room again, on it goes.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

use simpul_proto::{
    status,
    v1::{RejectReason as R, submit_outcome::Outcome},
};
use simpul_tests::{
    World,
    forge::{self, Forge},
    process::binary,
};

/// A file size limit set around the hub stands for the full disk: the write fails in the kernel, with EFBIG for ENOSPC.
#[tokio::test(flavor = "multi_thread")]
async fn log_2_a_full_disk_is_refused_and_nothing_of_it_is_acknowledged() {
    let world = World::new();
    let mut limited = Command::new("bash");
    limited.arg("-c").arg("trap '' XFSZ; ulimit -f 12288; exec \"$@\"").arg("limited");
    limited.arg(binary("simpul-hub")).arg("--config").arg(&world.realm.hub_config);
    let hub = world.hub_from(limited);
    let config = world.config("kp2mi", "sisko");
    let mut service = forge::service(&config).await;
    let (mut next, mut refused) = (1u64, 0);
    while refused < 3 {
        assert!(next < 400_000, "the disk never got full");
        let submission = Forge::new(&config, next, next..next + 200).sign();
        match service.submit(submission).await {
            Ok(outcome) => {
                assert!(matches!(outcome.into_inner().outcome, Some(Outcome::Receipt(_))));
                next += 200;
            }
            Err(error) => {
                let rejection = status::from_status(&error).unwrap_or_else(|| panic!("{error}"));
                assert_eq!(rejection.reason(), R::DiskFull, "{}", rejection.message);
                assert!(rejection.retryable);
                refused += 1;
            }
        }
    }
    // Still answers, still refuses clearly, and has said why.
    assert!(!hub.lines(" ERROR ").is_empty());
    hub.kill();
    // With room again: what was acknowledged is there, what was refused is not, and the sequence goes on.
    let hub = world.hub();
    let mut service = forge::service(&config).await;
    let state = service.get_connector_state(simpul_proto::v1::GetConnectorStateRequest {}).await.unwrap();
    assert_eq!(state.into_inner().next_sequence, next);
    service.submit(Forge::new(&config, next, next..next + 1).sign()).await.unwrap();
    hub.stop();
}
