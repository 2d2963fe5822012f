//! The hub killed with SIGKILL under load, again and again: every acknowledged event is there, byte for byte, its proof
//! holds, and the connector resumes without loss or double.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use simpul_connector::{Accepted, Client};
use simpul_log::Schema;
use simpul_tests::{World, drafts};
use simpul_tlog::{checkpoint, leaf_hash, note::NoteVerifier, proof};
use simpul_types::{LeafIndex, Position};

const KILLS: u64 = 50;
const CALLERS: u64 = 6;

/// What was acknowledged, kept outside the hub.
#[derive(Default)]
struct Witness {
    /// Number of the draft → what the caller was told.
    accepted: BTreeMap<u64, Accepted>,
}

async fn submit_until(
    client: Client,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    witness: Arc<Mutex<Witness>>,
) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let size = 1 + number % 5;
        let numbers = number * 10..number * 10 + size;
        let batch = numbers.map(|number| drafts::placement_draft(number, 150)).collect();
        match client.submit(batch).await {
            Ok(accepted) => {
                assert_eq!(accepted.positions.end - accepted.positions.start, size);
                witness.lock().unwrap().accepted.insert(number, accepted);
            }
            Err(error) => panic!("submission {number}: {error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_2_nothing_acknowledged_is_lost_by_fifty_kills_under_load() {
    let world = World::new();
    world.configure(|text| text.replace("[log]\n", "[log]\nsegment_bytes = 262144\n"));
    let mut hub = Some(world.hub());
    let client = world.client("kp2mi", "sisko").await;
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
    let witness = Arc::new(Mutex::new(Witness::default()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(submit_until(client.clone(), stop.clone(), next.clone(), witness.clone())))
        .collect();
    for kill in 0..KILLS {
        let before = witness.lock().unwrap().accepted.len();
        let start = std::time::Instant::now();
        // At least one acknowledgment between two kills, or the loop would prove nothing; then a moment that differs.
        while witness.lock().unwrap().accepted.len() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "no progress after kill {kill}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(kill * 7 % 60)).await;
        hub.take().expect("running").kill();
        hub = Some(world.hub());
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    drop(client);
    hub.take().expect("running").stop();
    let witness = Arc::into_inner(witness).unwrap().into_inner().unwrap();
    check(&world, &witness, next.load(Ordering::Relaxed) - 1);
}

fn check(world: &World, witness: &Witness, submitted: u64) {
    assert_eq!(witness.accepted.len() as u64, submitted, "every submission was answered in the end");
    let verifier = NoteVerifier::parse(&world.realm.log_vkey).unwrap();
    let wrap = world.master_key().wrap_key();
    let log = world.data().join("log");
    let report = simpul_log::verify::walk(&log, &verifier, &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.violation, None);
    let reader = simpul_log::open_reader(&log, Schema::Submissions, &verifier, wrap).unwrap();
    let mut events: HashMap<[u8; 16], u64> = HashMap::new();
    let mut scan = reader.scan(Position::ZERO);
    while let Some(leaves) = scan.next_frame().unwrap() {
        for event in leaves.into_iter().flat_map(|leaf| leaf.events) {
            let header = simpul_types::Header::decode(&event.header, "header").unwrap();
            let double = events.insert(*header.event_id.as_bytes(), event.position.get());
            assert!(double.is_none(), "event at {} stands at {double:?} too", event.position);
        }
    }
    let head = reader.head();
    for (number, accepted) in &witness.accepted {
        let signed = checkpoint::open(&accepted.receipt.checkpoint, &verifier).unwrap();
        let leaf = reader.leaf(accepted.receipt.leaf_index).unwrap();
        assert_eq!(leaf.bytes, accepted.receipt.leaf, "leaf of {number}");
        let hash = leaf_hash(&leaf.bytes);
        let path = reader.inclusion_proof(leaf.index, head.size).unwrap();
        proof::verify_inclusion(leaf.index.get(), head.size.get(), &hash, &path, &head.root).unwrap();
        // LOG-3: the checkpoint of then is consistent with the tree of now.
        let path = reader.consistency_proof(LeafIndex::new(signed.size), head.size).unwrap();
        proof::verify_consistency(signed.size, head.size.get(), &path, &signed.root, &head.root).unwrap();
        for (at, position) in accepted.positions.clone().enumerate() {
            assert_eq!(
                events.get(accepted.event_ids[at].as_bytes()),
                Some(&position),
                "event {at} of {number}"
            );
            let stored = reader.event(Position::new(position)).unwrap();
            let payload = reader.open_payload(&stored).unwrap().payload;
            let sent: Bytes = drafts::placement_draft(number * 10 + at as u64, 150).payload;
            assert_eq!(payload, sent, "event {at} of {number}");
        }
    }
    let acknowledged: u64 = witness.accepted.values().map(|accepted| accepted.event_ids.len() as u64).sum();
    let directory = head.end.get() - events.len() as u64;
    assert_eq!(directory, 0, "every position has an event");
    let bootstrap = witness.accepted.values().map(|accepted| accepted.positions.start).min().unwrap_or(0);
    assert_eq!(
        events.len() as u64,
        acknowledged + bootstrap,
        "nothing but the bootstrap and what was acknowledged"
    );
}
