//! Trust policies: the specification's own example, every line that has to be refused, and who is enough.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use simpul_tlog::{
    checkpoint::Checkpoint,
    cosignature::CosignatureSigner,
    note::{NoteError, NoteSigner, NoteVerifier},
    policy::{Policy, Refused},
};

fn log() -> NoteSigner {
    NoteSigner::new("simpul.example/demo", &[1; 32]).unwrap()
}

fn witness(number: u8) -> CosignatureSigner {
    CosignatureSigner::new(&format!("witness{number}.example"), &[100 + number; 32]).unwrap()
}

/// `{log}` and `{1}` … `{6}` stand for keys.
fn filled(text: &str) -> String {
    let text = text.replace("{log}", &log().verifier().to_string());
    (1..=6).fold(text, |text, number| {
        text.replace(&format!("{{{number}}}"), &witness(number).verifier().to_string())
    })
}

fn policy(text: &str) -> Policy {
    Policy::parse(filled(text).as_bytes()).unwrap()
}

fn cosigned(by: &[u8]) -> String {
    let checkpoint = Checkpoint { origin: log().name().into(), size: 7, root: [9; 32] };
    let mut note = checkpoint.sign(&log());
    for number in by {
        note.push_str(&witness(*number).sign_line(1_700_000_000 + u64::from(*number), &checkpoint.body()));
    }
    note
}

/// The example of the specification.
const TWO_LEVELS: &str = "# an example\nlog {log} https://log.example/\n\n\
    witness X1 {1}\nwitness X2\t{2}\n  witness X3 {3} https://x3.example/prefix\n\
    group X-witnesses 2 X1 X2 X3\nwitness Y1 {4}\nwitness Y2 {5}\nwitness Y3 {6}\n\
    group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";

#[test]
fn two_levels_of_groups_are_met_by_exactly_the_right_witnesses() {
    let policy = policy(TWO_LEVELS);
    assert_eq!((policy.logs().len(), policy.witnesses().len(), policy.quorum()), (1, 6, "X-and-Y"));
    assert_eq!(policy.witnesses()[2].url.as_deref(), Some("https://x3.example/prefix"));
    for set in 0u8..64 {
        let by: Vec<u8> = (1..=6).filter(|number| set >> (number - 1) & 1 == 1).collect();
        let enough =
            by.iter().filter(|number| **number <= 3).count() >= 2 && by.iter().any(|number| *number > 3);
        match policy.judge(&cosigned(&by)) {
            Ok(accepted) => {
                assert!(enough, "{by:?}");
                let times: Vec<_> = accepted.cosigned.iter().map(|cosigned| cosigned.time_s).collect();
                assert_eq!(
                    times,
                    by.iter().map(|number| 1_700_000_000 + u64::from(*number)).collect::<Vec<_>>()
                );
                assert_eq!(accepted.checkpoint.size, 7);
            }
            Err(Refused::Quorum { quorum, cosigned }) => {
                assert!(!enough, "{by:?}");
                assert_eq!((quorum.as_str(), cosigned.len()), ("X-and-Y", by.len()));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_policy_without_witnesses_asks_for_the_log_s_signature_only() {
    let none = policy("log {log}\nquorum none");
    assert_eq!(none.judge(&cosigned(&[])).unwrap().cosigned, []);
    assert_eq!(none, Policy::of_log(log().verifier()));
    let other = NoteSigner::new("simpul.example/demo", &[2; 32]).unwrap();
    let forged = Checkpoint { origin: log().name().into(), size: 7, root: [9; 32] }.sign(&other);
    assert_eq!(none.judge(&forged), Err(Refused::Log("simpul.example/demo".into())));
    let elsewhere = policy("witness a {1}\nquorum a\n");
    assert_eq!(elsewhere.judge(&cosigned(&[1])), Err(Refused::Log("simpul.example/demo".into())));
    assert!(elsewhere.or_log(log().verifier()).judge(&cosigned(&[1])).is_ok());
    let renamed = NoteVerifier::new("simpul.example/other", *log().verifier().public_key()).unwrap();
    assert!(matches!(Policy::of_log(renamed).judge(&cosigned(&[])), Err(Refused::Log(_))));
}

#[test]
fn a_wrong_cosignature_of_a_known_witness_refuses_everything_and_an_unknown_one_nothing() {
    let policy = policy("log {log}\nwitness a {1}\nwitness b {2}\ngroup g any a b\nquorum g\n");
    assert_eq!(policy.judge(&cosigned(&[1, 5])).unwrap().cosigned.len(), 1);
    let other = Checkpoint { origin: log().name().into(), size: 8, root: [9; 32] };
    let note = cosigned(&[1]) + &witness(2).sign_line(1, &other.body());
    let refused = Refused::Note(NoteError::BadSignature("witness2.example".into()));
    assert_eq!(policy.judge(&note), Err(refused));
    // The same witness twice is one witness, at the later time.
    let body = Checkpoint { origin: log().name().into(), size: 7, root: [9; 32] }.body();
    let twice = cosigned(&[1]) + &witness(1).sign_line(1_800_000_000, &body);
    let both = Policy::parse(
        filled("log {log}\nwitness a {1}\nwitness b {2}\ngroup g all a b\nquorum g").as_bytes(),
    );
    assert!(matches!(both.unwrap().judge(&twice), Err(Refused::Quorum { .. })));
    assert_eq!(policy.judge(&twice).unwrap().cosigned[0].time_s, 1_800_000_000);
}

#[test]
fn every_wrong_line_is_named_by_its_number() {
    let cases = [
        ("log {log}\n", 2, "no line `quorum"),
        ("quorum none\nquorum none\n", 2, "second quorum"),
        ("quorum a\nwitness a {1}\n", 1, "no witness or group `a`"),
        ("log {log}\nlog {log}\nquorum none\n", 2, "already"),
        ("log {1}\nquorum none\n", 1, "type 4"),
        ("witness a {log}\nquorum a\n", 1, "type 1"),
        ("witness a {1}\nwitness b {1}\nquorum a\n", 2, "already"),
        ("witness a {1}\nwitness a {2}\nquorum a\n", 2, "taken"),
        ("witness none {1}\nquorum none\n", 1, "taken"),
        ("witness a {1}\ngroup g any a none\nquorum g\n", 2, "`none`"),
        ("witness a {1}\ngroup g 2 a\nquorum g\n", 2, "1 to 1"),
        ("witness a {1}\ngroup g 0 a\nquorum g\n", 2, "threshold `0`"),
        ("witness a {1}\ngroup g 01 a\nquorum g\n", 2, "threshold `01`"),
        ("witness a {1}\ngroup g +1 a\nquorum g\n", 2, "threshold"),
        ("witness a {1}\ngroup g any\nquorum a\n", 2, "expected `group"),
        ("witness a {1}\ngroup g any a a\nquorum g\n", 2, "member already"),
        ("witness a {1}\ngroup g any a\ngroup h any a\nquorum g\n", 3, "member already"),
        ("group g any g\nquorum g\n", 1, "no witness or group `g`"),
        ("\n\n  # fine\nwitness a {1}\r\nquorum a\n", 4, "0x0d"),
        ("cosigner a {1}\nquorum none\n", 1, "`cosigner`"),
        ("log {log} url more\nquorum none\n", 1, "expected `log"),
        ("log x+00000000+AAAA\nquorum none\n", 1, "malformed note key"),
        ("quorum\n", 1, "expected `quorum"),
        ("", 2, "quorum"),
    ];
    for (text, line, what) in cases {
        let error = Policy::parse(filled(text).as_bytes()).expect_err(text);
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.what.contains(what), "{text:?}: {error}");
    }
}

#[test]
fn names_are_opaque_bytes() {
    let key = [witness(1).verifier().to_string(), witness(2).verifier().to_string()];
    let text = [
        b"witness \xff\xfe ",
        key[0].as_bytes(),
        b"\nwitness \xff\xfd ",
        key[1].as_bytes(),
        b"\ngroup \xe2\x84\xaa all \xff\xfe \xff\xfd\nquorum \xe2\x84\xaa\n",
    ]
    .concat();
    let policy = Policy::parse(&text).unwrap().or_log(log().verifier());
    assert_eq!(policy.quorum(), "\u{212a}");
    assert!(policy.judge(&cosigned(&[1])).is_err());
    assert!(policy.judge(&cosigned(&[2, 1])).is_ok());
}
