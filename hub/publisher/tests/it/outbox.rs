//! The outbox alone: NATS is not configured.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use simpul_publisher::{Config, FeedError, Handle, OutboxMessage, Sight, Visibility, start_on};
use simpul_types::{FieldClass, Position, View};

use super::{
    feed::{Rules, Script, agency},
    nats::PATIENCE,
};

async fn start(dir: &std::path::Path, feed: &std::sync::Arc<Script>, changes: u64) -> Handle {
    let mut config = Config::new(dir, "simpul.example/test");
    config.batch_changes_max = 5;
    let handle = start_on(config, feed.clone(), std::sync::Arc::new(Rules)).unwrap();
    derived(&handle, changes).await;
    handle
}

/// Waits until the outbox is through all changes below the position.
async fn derived(handle: &Handle, position: u64) {
    let mut derived = handle.outbox().subscribe();
    let through = derived.wait_for(|next| (next.position, next.n) > (position - 1, 0));
    tokio::time::timeout(PATIENCE, through).await.expect("derived in time").expect("the outbox is open");
}

fn shape(messages: &[OutboxMessage]) -> Vec<(u64, String, String, String)> {
    let shape = |message: &OutboxMessage| {
        (message.sequence, message.id(), message.r#ref.clone(), message.json.clone())
    };
    messages.iter().map(shape).collect()
}

#[tokio::test]
async fn pub_1_sequences_are_gapless_per_agency_and_cut_by_what_it_sees() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    feed.cases(3);
    feed.one(View::Licence, "lic-1", &[(FieldClass::Reference, json!("L"))]);
    feed.one(View::Case, "case-x", &[(FieldClass::Suspect, json!("only suspects"))]);
    feed.cases(20);
    let handle = start(dir.path(), &feed, 25).await;
    let outbox = handle.outbox();

    let read = |code: &str| outbox.read(&agency(code), 0, 1_000).unwrap();
    let (registry, police, mission) = (read("kp2mi"), read("polri"), read("kbri-yangon"));
    assert_eq!((registry.len(), police.len(), mission.len()), (25, 24, 21));
    for messages in [&registry, &police, &mission] {
        assert!(messages.iter().zip(1..).all(|(message, sequence)| message.sequence == sequence));
        assert!(messages.windows(2).all(|pair| pair[0].key < pair[1].key), "in order");
    }
    let body = |message: &OutboxMessage| serde_json::from_str::<serde_json::Value>(&message.json).unwrap();
    let whole = json!({"identity": {"name": "Sample Person 0"}, "reference": {"stage": 0}});
    assert_eq!(body(&registry[0]), whole);
    assert_eq!(police[3].json, r#"{"suspect":"only suspects"}"#);
    assert_eq!(mission[0].json, "{}", "what is gone, or not for it, is told as nothing");
    assert_eq!(mission[1].json, r#"{"reference":{"stage":5}}"#, "and nothing before it joined");
    assert_eq!(registry[3].view, View::Licence);
    assert_eq!(registry[0].r#type, "id.simpul.case.changed.v1");

    assert_eq!(shape(&outbox.read(&agency("kp2mi"), 7, 3).unwrap()), shape(&registry[6..9]));
    assert!(outbox.read(&agency("kp2mi"), 26, 10).unwrap().is_empty());
    assert!(outbox.read(&agency("ombudsman"), 1, 10).unwrap().is_empty());
    assert_eq!(outbox.last_sequence(&agency("kbri-yangon")), 21);
    assert_eq!(handle.status().degraded(), None);
    handle.stop().await;
}

#[tokio::test]
async fn pub_1_a_rebuilt_outbox_equals_the_one_that_grew() {
    let (grown, rebuilt, feed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Script::new());
    let mut all = Vec::new();
    for round in 1..=4 {
        feed.cases(9);
        let handle = start(grown.path(), &feed, round * 9).await;
        if round == 2 {
            // Also while it runs.
            feed.cases(9);
            derived(&handle, 27).await;
            all = vec![handle.outbox().last_sequence(&agency("polri"))];
            handle.stop().await;
            break;
        }
        handle.stop().await;
    }
    assert_eq!(all, [27]);
    let first = start(grown.path(), &feed, 27).await;
    let second = start(rebuilt.path(), &feed, 27).await;
    for code in ["kp2mi", "polri", "kbri-yangon"] {
        let read = |handle: &Handle| shape(&handle.outbox().read(&agency(code), 1, 1_000).unwrap());
        assert_eq!(read(&first), read(&second), "{code}");
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn pii_1_no_field_of_a_document_lies_in_the_outbox() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    feed.cases(50);
    let handle = start(dir.path(), &feed, 50).await;
    handle.stop().await;
    let mut seen = 0;
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            seen += bytes.len();
            for clear in ["Sample Person", "case-1", "suspects"] {
                assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()), "{path:?}");
            }
        }
    }
    assert!(seen > 0);
}

#[tokio::test]
async fn a_reader_is_woken_by_the_next_change() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    feed.cases(1);
    let handle = start(dir.path(), &feed, 1).await;
    let mut derived = handle.outbox().subscribe();
    derived.borrow_and_update();
    assert!(tokio::time::timeout(Duration::from_millis(20), derived.changed()).await.is_err());
    feed.cases(1);
    tokio::time::timeout(PATIENCE, derived.changed()).await.expect("woken").unwrap();
    assert_eq!(handle.outbox().last_sequence(&agency("kp2mi")), 2);
    handle.stop().await;
}

#[tokio::test]
async fn what_is_for_one_agency_reaches_no_other_and_leaves_no_gap() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    let shown = [(FieldClass::Reference, serde_json::json!({ "n": 1 }))];
    feed.one(View::Case, "a", &shown);
    feed.one_for("polri", View::Case, "b", &shown);
    feed.one(View::Case, "c", &shown);
    let handle = start(dir.path(), &feed, 3).await;
    let seen = |code: &str| -> Vec<(u64, String)> {
        let read = handle.outbox().read(&agency(code), 1, 10).unwrap();
        read.into_iter().map(|message| (message.sequence, message.r#ref)).collect()
    };
    assert_eq!(seen("polri"), [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    assert_eq!(seen("kp2mi"), [(1, "a".into()), (2, "c".into())]);
    handle.stop().await;
}

#[tokio::test]
async fn what_was_erased_since_keeps_its_number_and_says_nothing() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    feed.cases(5);
    let handle = start(dir.path(), &feed, 5).await;
    feed.erase(2);
    feed.erase(4);
    let messages = handle.outbox().read(&agency("kp2mi"), 0, 1_000).unwrap();
    assert_eq!(messages.iter().map(|message| message.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for (position, message) in messages.iter().enumerate() {
        let erased = [2, 4].contains(&position);
        assert_eq!(message.r#type == "id.simpul.case.erased.v1", erased, "{position}");
        assert_eq!(message.json == "{}" && message.r#ref == "erased", erased, "{position}");
    }
    handle.stop().await;
}

/// kp2mi has an agreement with the mission alone, polri with everybody.
struct ByProvider;

impl Visibility for ByProvider {
    fn at(&self, _: Position) -> Result<Arc<Sight>, FeedError> {
        use FieldClass::{Identity, Reference};
        let mut sight = Sight::new([(agency("polri"), View::Case, [Reference])]);
        sight.of_provider(&agency("kp2mi"), View::Case, &agency("kbri-yangon"), [Reference]);
        sight.of_provider(&agency("kp2mi"), View::Case, &agency("kp2mi"), [Reference, Identity]);
        Ok(Arc::new(sight))
    }
}

#[tokio::test]
async fn a_document_that_shows_data_of_several_is_cut_to_what_each_of_them_gives() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Script::new());
    let content = [(FieldClass::Reference, json!("R")), (FieldClass::Identity, json!("I"))];
    for providers in [
        &["kbri-yangon"][..],
        &["kp2mi"],
        &["kbri-yangon", "kp2mi"],
        &["polri"],
        &["kbri-yangon", "polri"],
        &[],
    ] {
        feed.one_of(providers, View::Case, &providers.join("+"), &content);
    }
    let config = Config::new(dir.path(), "simpul.example/test");
    let handle = start_on(config, feed.clone(), Arc::new(ByProvider)).unwrap();
    derived(&handle, 6).await;
    let read = |code: &str| {
        let messages = handle.outbox().read(&agency(code), 0, 100).unwrap();
        let body = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        messages.iter().map(|message| (message.r#ref.clone(), body(&message.json))).collect::<Vec<_>>()
    };
    let (reference, both) = (json!({"reference": "R"}), json!({"reference": "R", "identity": "I"}));
    let told = [("kbri-yangon", reference.clone()), ("kp2mi", both), ("kbri-yangon+kp2mi", reference)];
    assert_eq!(
        read("kp2mi"),
        told.map(|(from, json)| (from.to_owned(), json.to_owned())),
        "not even that it exists"
    );
    assert_eq!(read("polri").len(), 6);
    handle.stop().await;
}
