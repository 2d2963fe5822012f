//! The machine's clock is set ahead and back, by mistake or on purpose: nothing that expired or was revoked comes back, and the day of a
//! verdict is the machine's.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use simpul_hub::Config;
use simpul_tests::{World, drafts};
use simpul_types::{Clock, Timestamp, clock::System};

const HOUR_US: i64 = 3_600_000_000;

/// The system's clock, set wrong by so much.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(System.now().as_us() + self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clock_that_jumps_both_ways_revives_nothing() {
    let world = World::new();
    let clock = Arc::new(Set(AtomicI64::new(0)));
    let start = || async {
        let config = Config::load(&world.realm.hub_config).unwrap();
        simpul_hub::start_at(config, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap()
    };
    let hub = start().await;
    let set = |us: i64| clock.0.store(us, Ordering::Relaxed);
    let until = Timestamp::from_us(System.now().as_us() + HOUR_US).to_string();
    let check = || {
        let asked = ["legality", "check", "--nik", &drafts::nik(1), "--purpose", "INVESTIGATE"];
        tokio::task::block_in_place(|| world.cli("polri", "desk", &asked).status.success())
    };
    let day = || {
        // Of nobody on record: the day is today's.
        let asked = ["legality", "check", "--nik", &drafts::nik(77), "--purpose", "VERIFY_LEGALITY"];
        let verdict = tokio::task::block_in_place(|| world.cli_json("kbri-yangon", "desk", &asked));
        verdict["verdict"]["valid_at"].as_str().unwrap().to_owned()
    };
    tokio::task::block_in_place(|| {
        world.change_directory(&[
            "agree",
            "for-an-hour",
            "--consumer",
            "polri",
            "--provider",
            "*",
            "--action",
            "check_legality",
            "--purpose",
            "INVESTIGATE",
            "--resource",
            "legality",
            "--legal-basis",
            "PKS 7/2026",
            "--until",
            &until,
            "--reason",
            "an hour",
        ]);
        world.change_directory(&["end-agreement", "frame-polri", "--reason", "a narrower one is in force"]);
    });
    let today = day();
    let sisko = world.client("kp2mi", "sisko").await;
    let submit = |number: u64| sisko.submit(vec![drafts::placement_draft(number, 100)]);
    assert!(check(), "within the hour");

    set(2 * HOUR_US);
    assert!(!check(), "it has expired");
    submit(1).await.expect("accepted");
    for back in [0, -48 * HOUR_US] {
        set(back);
        assert!(!check(), "a clock that is set back does not revive it");
        submit(2).await.expect("accepted");
    }
    // The day is the machine's, be it two days ago.
    assert_ne!(day(), today);
    set(0);
    assert_eq!(day(), today);

    // Over a restart too: what is on record is not forgotten.
    hub.stop().await;
    let hub = start().await;
    assert!(!check());
    hub.stop().await;
    // The log's times never go back, so that verification has nothing to remark.
    let data = world.data();
    let arguments = ["audit", "verify", "--data", data.to_str().unwrap()];
    let verified = tokio::task::block_in_place(|| world.cli("ombudsman", "desk", &arguments));
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success() && !text.contains("goes backward"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_another_realm_counts_in_this_one() {
    let (world, other) = (World::new(), World::new());
    let hub = world.hub();
    let (ours, theirs) = (world.config("kp2mi", "sisko"), other.config("kp2mi", "sisko"));
    // Their certificate, of the same agency and connector, at our door.
    let stranger = simpul_connector::ClientConfig { endpoint: ours.endpoint.clone(), ..theirs.clone() };
    assert!(simpul_connector::Client::connect(stranger).await.is_err());
    let trusting = simpul_connector::ClientConfig {
        ca_pem: ours.ca_pem.clone(),
        endpoint: ours.endpoint.clone(),
        ..theirs.clone()
    };
    assert!(simpul_connector::Client::connect(trusting).await.is_err());
    // Let in by our certificate, but what it says is signed as in the other realm.
    let forged = simpul_connector::ClientConfig { signing_key: theirs.signing_key.clone(), ..ours.clone() };
    let forged = simpul_connector::Client::connect(forged).await.expect("connected");
    let refused = forged.submit(vec![drafts::placement_draft(1, 100)]).await.expect_err("refused");
    assert!(format!("{refused:?}").contains("UnknownKey"), "{refused:?}");
    // Our receipts are of our log, and say nothing under the other's key.
    let wary = simpul_connector::ClientConfig { log_verifier: theirs.log_verifier.clone(), ..ours.clone() };
    let wary = simpul_connector::Client::connect(wary).await.expect("connected");
    let refused = wary.submit(vec![drafts::placement_draft(1, 100)]).await.expect_err("refused");
    assert!(format!("{refused:?}").contains("eceipt"), "{refused:?}");
    hub.stop();
    // Nor does a hub of the other realm start on this one's data.
    let config = std::fs::read_to_string(&other.realm.hub_config).unwrap();
    let (own, foreign) = (other.data(), world.data());
    std::fs::write(&other.realm.hub_config, config.replace(own.to_str().unwrap(), foreign.to_str().unwrap()))
        .unwrap();
    let config = Config::load(&other.realm.hub_config).unwrap();
    let started = simpul_hub::start_at(config, Arc::new(System)).await;
    assert!(started.is_err(), "a log signed by another key is refused");
}
