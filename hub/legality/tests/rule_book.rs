//! The rule files hold together, and a file that does not is refused with a sentence that helps.

use simpul_legality::RuleBook;

const FILES: [&str; 6] = [
    include_str!("../rules/sets.toml"),
    include_str!("../rules/texts.toml"),
    include_str!("../rules/person.toml"),
    include_str!("../rules/documents.toml"),
    include_str!("../rules/placement.toml"),
    include_str!("../rules/special.toml"),
];

fn book() -> String {
    FILES.join("\n")
}

#[track_caller]
fn refused(from: &str, to: &str, expect: &str) {
    let book = book();
    assert!(book.contains(from), "the test speaks of the files as they are");
    let error = RuleBook::from_toml(&book.replacen(from, to, 1)).expect_err("refused");
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        message.push_str(&format!(": {source}"));
    }
    assert!(message.contains(expect), "{message}");
}

#[test]
fn the_rules_of_this_build_hold_together() {
    let book = RuleBook::builtin();
    let on = |day: &str| book.set_on(day.parse().expect("a day"));
    assert_eq!(on("2004-10-17"), None);
    assert_eq!(on("2023-08-15"), Some("id-pmi-2022-06"));
    assert_eq!(on("2023-08-16"), Some("id-pmi-2023-08"));
    assert_eq!(on("2031-01-01"), Some("id-pmi-2025-10"));
}

#[test]
fn rules_that_do_not_hold_together_are_refused() {
    refused("from = \"2023-08-16\"\nwhen", "from = \"2023-08-17\"\nwhen", "no set begins on 2023-08-17");
    refused("rule = \"R4.re-entry.2004-10-18\"", "rule = \"R3.re-entry.2004-10-18\"", "stands twice");
    refused("\"R21\", \"R22\"]", "\"R21\"]", "`R22` is not listed");
    refused("\"@middle-east\"]", "\"@middle-eats\"]", "no list `middle-eats`");
    refused("[\"KHM\", \"MMR\"]", "[\"KHM\", \"Burma\"]", "`Burma` is no code");
    refused("can_answer = [\"dukcapil\"]", "can_answer = [\"Dukcapil\"]", "is no agency");
    refused("evidence = \"MEDICAL\"", "evidence = \"MEDICINE\"", "unknown name `MEDICINE`");
    refused("confidence = \"high\"", "confidence = \"sure\"", "sure");
    refused("missing = \"unknown\"", "mising = \"unknown\"", "mising");
    refused("[\"@zero-cost\"]", "[\"@cheap\"]", "no list `cheap`");
    refused("rank = { en", "vessel_age = { en", "vessel_age");
    refused("PASSPORT = { en", "PASPORT = { en", "no kind `PASPORT`");
}
