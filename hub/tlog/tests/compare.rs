//! What two checkpoints prove together.

#![allow(clippy::unwrap_used, reason = "a test")]

use simpul_tlog::{
    checkpoint::Checkpoint,
    compare::{CompareError, Comparison, Trees, compare},
    cosignature::CosignatureSigner,
    note::NoteSigner,
};

const ORIGIN: &str = "simpul.example/demo";

fn log() -> NoteSigner {
    NoteSigner::new(ORIGIN, &[1; 32]).unwrap()
}

fn witness(number: u8) -> CosignatureSigner {
    CosignatureSigner::new(&format!("witness.example/{number}"), &[number; 32]).unwrap()
}

/// A checkpoint with the lines of these witnesses, each with its time.
fn note(size: u64, root: u8, lines: &[(u8, u64)]) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: [root; 32] };
    let body = checkpoint.body();
    let lines = lines.iter().map(|(number, time_s)| witness(*number).sign_line(*time_s, &body));
    checkpoint.sign(&log()) + &lines.collect::<String>()
}

fn compared(first: &str, second: &str) -> Comparison {
    let witnesses = [10, 11, 12].map(|number| witness(number).verifier());
    compare(first, second, &[log().verifier()], &witnesses).unwrap()
}

fn against(comparison: &Comparison) -> Vec<&str> {
    comparison.contradictions.iter().map(|contradiction| contradiction.witness.name()).collect()
}

#[test]
fn one_size_and_two_roots_are_a_split_view_and_name_who_cosigned_both() {
    let split = compared(&note(5, 1, &[(10, 100), (11, 100)]), &note(5, 2, &[(11, 50), (12, 100)]));
    assert_eq!(split.trees, Trees::Split);
    assert_eq!(against(&split), ["witness.example/11"]);
    assert_eq!(compared(&note(5, 1, &[]), &note(5, 1, &[(10, 9)])).trees, Trees::Same);
}

#[test]
fn a_witness_that_later_calls_a_smaller_tree_the_largest_went_along_with_a_rollback() {
    let (small, large) = (note(5, 1, &[(10, 100), (11, 90)]), note(9, 2, &[(10, 99), (11, 90), (12, 1)]));
    for (comparison, order) in [(compared(&small, &large), (100, 99)), (compared(&large, &small), (99, 100))]
    {
        assert_eq!(comparison.trees, Trees::Different);
        assert_eq!(against(&comparison), ["witness.example/10"]);
        let found = &comparison.contradictions[0];
        assert_eq!((found.first_s, found.second_s), order);
    }
    let renewed = note(5, 1, &[(10, 80), (10, 100)]);
    assert_eq!(against(&compared(&renewed, &large)), ["witness.example/10"], "its second line gives it away");
    let honest = compared(&note(5, 1, &[(10, 80)]), &note(9, 2, &[(10, 80), (10, 300)]));
    assert_eq!(against(&honest), [""; 0]);
}

#[test]
fn only_what_the_log_signed_is_evidence() {
    let logs = [log().verifier()];
    let other = NoteSigner::new("simpul.example/other", &[2; 32]).unwrap();
    let forged = Checkpoint { origin: ORIGIN.into(), size: 5, root: [2; 32] }.sign(&other);
    let refused = |first: &str, second: &str, keys: &[_]| compare(first, second, keys, &[]).unwrap_err();
    let error = refused(&note(5, 1, &[]), &forged, &[log().verifier(), other.verifier()]);
    assert!(matches!(error, CompareError::Note { which: "second", .. }), "{error}");
    let elsewhere = Checkpoint { origin: "simpul.example/other".into(), size: 5, root: [2; 32] }.sign(&other);
    let error = refused(&note(5, 1, &[]), &elsewhere, &[log().verifier(), other.verifier()]);
    assert!(matches!(error, CompareError::Origins(..)), "{error}");
    let flipped = note(5, 1, &[]).replacen('5', "6", 1);
    assert!(matches!(refused(&flipped, &flipped, &logs), CompareError::Note { which: "first", .. }));
}
