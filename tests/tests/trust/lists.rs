//! What the authority lists binds at once: units and where they are competent, officials, purposes, and the rule book, after which whoever was
//! told something else hears of it. Each by two keys.

use std::{
    fs,
    path::Path,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simpul_proto::v1;
use simpul_tests::{World, drafts};

const PATIENCE: Duration = Duration::from_secs(60);
const NUMBER: u64 = 4_711;

/// Proposes and approves a change whose payload is JSON.
fn change(world: &World, name: &str, payload: &Value) -> u64 {
    let file = world.path().join(format!("{name}.json"));
    fs::write(&file, payload.to_string()).unwrap();
    world.change_directory(&["change", name, file.to_str().unwrap(), "--reason", "a test"])
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn check(world: &World, purpose: &str) -> Output {
    let nik = drafts::nik(NUMBER);
    world.cli("kbri-yangon", "desk", &["legality", "check", "--nik", &nik, "--purpose", purpose, "--json"])
}

fn verdict(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["verdict"].clone()
}

/// The rules of this build with another minimum age, as files.
fn stricter_rules(world: &World) -> Vec<String> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/legality/rules");
    let names = ["sets", "texts", "person", "documents", "placement", "special"];
    let file = |name: &&str| {
        let text = fs::read_to_string(rules.join(format!("{name}.toml"))).unwrap();
        let path = world.path().join(format!("{name}.toml"));
        fs::write(&path, text.replace("min_years = 18", "min_years = 99")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    names.iter().map(file).collect()
}

/// Arguments that declare these files as the rule book.
fn declaring(files: &[String]) -> Vec<&str> {
    let files = files.iter().map(String::as_str);
    ["rules"]
        .into_iter()
        .chain(files)
        .chain(["--book-version", "2026-12-01", "--reason", "a new law"])
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_directory_lists_binds_at_once() {
    let world = World::new();
    let hub = world.hub();
    let sisko = world.client("kp2mi", "sisko").await;
    // Between governments, which no licence has a part in.
    let mut placement = drafts::evidenced_placement(NUMBER);
    placement.scheme = v1::Scheme::GToG.into();
    sisko.submit(vec![drafts::draft(NUMBER, &placement)]).await.expect("accepted");

    // A new realm names its purposes; the book is that of the build.
    let listed = world.cli_json("kp2mi", "desk", &["directory", "list"]);
    assert_eq!(listed["purposes"].as_array().unwrap().len(), 23);
    assert_eq!(listed["rule_book"]["version"], "built-in");
    let before = verdict(&check(&world, "VERIFY_LEGALITY"));

    // Officials: from the first one on, a mission's questions are asked by somebody on its list.
    let unit = json!({ "unit": "kbri-yangon/konsuler", "agency": "kbri-yangon", "name": "Bagian Konsuler",
        "jurisdiction": ["MMR"], "valid_from_us": 1 });
    change(&world, "UnitDeclared", &unit);
    let official = |name: &str| json!({ "official": name, "agency": "kbri-yangon", "unit": "kbri-yangon/konsuler", "valid_from_us": 1 });
    change(&world, "OfficialDeclared", &official("konsul-2"));
    let refused = refusal(&check(&world, "VERIFY_LEGALITY"));
    assert!(refused.contains("no entry in the register of officials lets kbri-yangon"), "{refused}");
    let explained = world.cli_json(
        "polri",
        "desk",
        &[
            "directory",
            "explain",
            "--agency",
            "kbri-yangon",
            "--action",
            "check_legality",
            "--resource",
            "legality",
            "--purpose",
            "VERIFY_LEGALITY",
            "--of-official",
            "tester",
        ],
    );
    assert_eq!(explained["want"], "no entry in the register of officials", "{explained}");
    // Others see that the agency has a unit, and nobody's pseudonym.
    let seen = |agency: &str| world.cli_json(agency, "desk", &["directory", "list"]);
    assert_eq!(seen("polri")["units"][0]["unit"], "kbri-yangon/konsuler");
    assert_eq!(seen("polri")["officials"].as_array().map_or(0, Vec::len), 0);
    assert_eq!(seen("ombudsman")["officials"][0]["official"], "konsul-2");
    change(&world, "OfficialDeclared", &official("tester"));
    assert_eq!(verdict(&check(&world, "VERIFY_LEGALITY"))["kind"], before["kind"]);
    let refusals = world.cli_lines("ombudsman", "desk", &["audit", "access", "--purpose", "OVERSIGHT"]);
    let denied = refusals.iter().any(|entry| entry["entry"]["answer"] == "DENIED");
    assert!(denied, "who was refused is on record");

    // A purpose that ends is refused from then on, whatever policy says.
    change(&world, "PurposeEnded", &json!({ "purpose": "ASSIST", "ended_at_us": 1, "reason": "a test" }));
    let case = world.cli("kbri-yangon", "desk", &["case", "show", "X-1", "--purpose", "ASSIST"]);
    let case = refusal(&case);
    assert!(case.contains("no declared purpose"), "{case}");

    // Another book: what is wrong in it is told with its line and goes nowhere.
    let files = stricter_rules(&world);
    let broken = world.path().join("broken.toml");
    fs::write(&broken, "[[set]]\nname = \n").unwrap();
    let wrong = refusal(&world.authority("first", &declaring(&[broken.to_str().unwrap().to_owned()])));
    assert!(wrong.contains("broken.toml") && wrong.contains("line 2"), "{wrong}");
    let part = refusal(&world.authority("first", &declaring(&files[..1])));
    assert!(part.contains("no rule book"), "{part}");
    let position = world.change_directory(&declaring(&files));
    let listed = seen("kp2mi");
    assert_eq!(listed["rule_book"]["version"], "2026-12-01");
    assert!(listed["directory_position"].to_string().trim_matches('"').parse::<u64>().unwrap() > position);

    // Whoever was told by the old book hears of it, unasked.
    assert_ne!(before["kind"], "NON_PROCEDURAL", "{before}");
    let start = Instant::now();
    loop {
        let watch = ["watch", "--once", "--view", "verdict", "--purpose", "VERIFY_LEGALITY"];
        let words = world.cli_lines("kbri-yangon", "desk", &watch);
        if words.iter().any(|word| word.to_string().contains("R1 NOT_MET")) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "nobody said that the answer is otherwise by the new book");
        thread::sleep(Duration::from_millis(100));
    }
    let after = verdict(&check(&world, "VERIFY_LEGALITY"));
    assert_eq!(after["kind"], "NON_PROCEDURAL", "{after}");

    // A start folds the same.
    hub.stop();
    let hub = world.hub();
    assert_eq!(seen("kp2mi")["rule_book"], listed["rule_book"]);
    assert_eq!(verdict(&check(&world, "VERIFY_LEGALITY"))["kind"], after["kind"]);
    hub.stop();
}
