//! Whoever was told something that is otherwise now hears of it once: over crashes, a lost index, other rules and a stop.

#![allow(clippy::unwrap_used, reason = "a test")]

mod ground;

use std::{fs, time::Duration};

use ground::{Ground, Voice, nik};
use simpul_legality::RuleBook;
use simpul_proto::{
    registry::PlacementStatus::{Cancelled, Departed},
    v1::VerdictKind::{InsufficientEvidence, NonProcedural, Procedural},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_a_crash_cut_off_is_not_said_twice_and_the_next_one_goes_on_from_it() {
    let ground = Ground::new();
    let person = nik(1);
    let entry = ground.tell(&person, InsufficientEvidence).await;
    ground.placement(&person, Departed).await;
    ground.manner(Voice::CutOff);
    let follower = ground.follow(RuleBook::builtin(), 1);
    let word = &ground.words(1).await[0];
    assert_eq!((word.old_kind(), word.new_kind()), (InsufficientEvidence, NonProcedural));
    assert_eq!((word.access_entry, word.agency.as_str()), (Some(entry), "kbri-yangon"));
    let mut failure = follower.failure();
    let said = failure.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!(said, "answers that changed are not announced: a word could not be said: cut off");

    ground.manner(Voice::Clear);
    ground.looked(&follower).await;
    assert_eq!(*failure.borrow(), None, "all is well again");
    assert_eq!(ground.words(1).await.len(), 1, "said once");
    ground.placement(&person, Cancelled).await;
    let words = ground.words(2).await;
    assert_eq!((words[1].old_kind(), words[1].new_kind()), (NonProcedural, InsufficientEvidence));
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_crash_came_between_two_words_of_a_step_each_is_said_once() {
    let ground = Ground::new();
    ground.placement(&nik(1), Departed).await;
    ground.placement(&nik(2), Departed).await;
    ground.tell(&nik(1), Procedural).await;
    ground.tell(&nik(2), Procedural).await;
    ground.may_say(1);
    let follower = ground.follow(RuleBook::builtin(), 1);
    // New rules or not, nothing has come since the answers; an event makes them be judged.
    ground.placement(&nik(1), Departed).await;
    ground.placement(&nik(2), Departed).await;
    ground.words(1).await;
    // Stopped while the second word waits: the first one is in the index, the place in the logs is not moved.
    let stopping = tokio::spawn(follower.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    ground.may_say(1_000);
    tokio::time::timeout(Duration::from_secs(20), stopping).await.expect("stops").unwrap();
    let follower = ground.follow(RuleBook::builtin(), 1);
    ground.words(2).await;
    ground.looked(&follower).await;
    let words = ground.words(2).await;
    assert_eq!(words.len(), 2, "each once");
    assert_ne!(words[0].subject_ref, words[1].subject_ref);
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_deleted_says_nothing_twice_and_swallows_nothing() {
    let ground = Ground::new();
    let person = nik(1);
    ground.tell(&person, InsufficientEvidence).await;
    ground.placement(&person, Departed).await;
    let follower = ground.follow(RuleBook::builtin(), 1);
    ground.words(1).await;
    ground.looked(&follower).await;
    follower.stop().await;

    fs::remove_dir_all(ground.index()).unwrap();
    let follower = ground.follow(RuleBook::builtin(), 1);
    ground.looked(&follower).await;
    assert_eq!(ground.words(1).await.len(), 1, "not said twice");
    follower.stop().await;

    // What changes while there is no index is said all the same, as a change from what was heard last.
    fs::remove_dir_all(ground.index()).unwrap();
    ground.placement(&person, Cancelled).await;
    ground.placement(&person, Departed).await;
    ground.placement(&person, Cancelled).await;
    let follower = ground.follow(RuleBook::builtin(), 1);
    ground.looked(&follower).await;
    let words = ground.words(2).await;
    assert_eq!(words.len(), 2);
    assert_eq!((words[1].old_kind(), words[1].new_kind()), (NonProcedural, InsufficientEvidence));
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_other_rules_everybody_is_judged_again_and_a_restart_on_the_way_leaves_nobody_out() {
    let (ground, persons) = (Ground::new(), 600);
    for serial in 1..=persons {
        ground.placement(&nik(serial), Departed).await;
    }
    let follower = ground.follow(RuleBook::builtin(), 1);
    ground.looked(&follower).await;
    for serial in 1..=persons {
        ground.tell(&nik(serial), Procedural).await;
    }
    ground.looked(&follower).await;
    assert!(ground.words(0).await.is_empty(), "nothing has come since the answers");
    follower.stop().await;

    ground.may_say(300);
    let follower = ground.follow(RuleBook::builtin(), 2);
    ground.words(300).await;
    let stopping = tokio::spawn(follower.stop());
    ground.may_say(persons as usize);
    stopping.await.unwrap();
    let follower = ground.follow(RuleBook::builtin(), 2);
    let mut told: Vec<_> =
        ground.words(persons as usize).await.into_iter().map(|word| word.subject_ref).collect();
    ground.looked(&follower).await;
    told.sort();
    told.dedup();
    assert_eq!((told.len(), ground.words(0).await.len()), (persons as usize, persons as usize));
    follower.stop().await;
    ground.stop().await;
}
