//! The crate graph is a test: nothing downstream of the log can be reached from upstream, and only the composition root
//! sees everything. The picture stands in `hub/README.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, process::Command};

/// Crate → crates of this workspace that it may name in its dependencies.
const ALLOWED: &[(&str, &[&str])] = &[
    ("simpul-proto", &[]),
    ("simpul-types", &["simpul-proto"]),
    ("simpul-signing", &["simpul-types"]),
    ("simpul-tlog", &["simpul-types"]),
    // The directory names the rule book that placements are judged by, and refuses one that does not hold together.
    ("simpul-policy", &["simpul-proto", "simpul-types", "simpul-legality"]),
    ("simpul-legality", &["simpul-proto", "simpul-types"]),
    ("simpul-statistics", &["simpul-proto"]),
    ("simpul-cases", &["simpul-proto"]),
    ("simpul-screening", &["simpul-proto"]),
    ("simpul-identity", &[]),
    ("simpul-erasure", &["simpul-proto", "simpul-types"]),
    ("simpul-log", &["simpul-types", "simpul-tlog", "simpul-signing"]),
    // Oversight bodies run it; it knows notes and trees and nothing of the hub.
    ("simpul-witness", &["simpul-types", "simpul-tlog"]),
    (
        "simpul-audit",
        // The witness crate's client, for the cosignatures of published checkpoints.
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-log",
            "simpul-tlog",
            "simpul-signing",
            "simpul-erasure",
            "simpul-witness",
        ],
    ),
    (
        "simpul-admission",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-signing",
            "simpul-tlog",
            "simpul-policy",
            "simpul-log",
            "simpul-audit",
            "simpul-cases",
            "simpul-erasure",
            "simpul-screening",
        ],
    ),
    (
        "simpul-projection",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-log",
            "simpul-cases",
            "simpul-identity",
            "simpul-legality",
            "simpul-screening",
            "simpul-signing",
        ],
    ),
    (
        "simpul-publisher",
        &["simpul-proto", "simpul-types", "simpul-projection", "simpul-log", "simpul-signing"],
    ),
    (
        "simpul-supersede",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-signing",
            "simpul-log",
            "simpul-legality",
            "simpul-projection",
        ],
    ),
    (
        "simpul-deadlines",
        &["simpul-proto", "simpul-types", "simpul-signing", "simpul-cases", "simpul-projection"],
    ),
    ("simpul-runtime", &["simpul-types"]),
    ("simpul-submission-service", &["simpul-proto", "simpul-types", "simpul-admission"]),
    (
        "simpul-legality-service",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-legality",
            "simpul-projection",
            "simpul-policy",
            "simpul-audit",
            "simpul-signing",
            "simpul-log",
        ],
    ),
    (
        "simpul-picture-service",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-projection",
            "simpul-publisher",
            "simpul-policy",
            "simpul-audit",
            "simpul-signing",
            "simpul-log",
            "simpul-statistics",
            "simpul-cases",
            "simpul-identity",
        ],
    ),
    (
        "simpul-audit-service",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-audit",
            "simpul-erasure",
            "simpul-log",
            "simpul-policy",
            "simpul-signing",
        ],
    ),
    (
        "simpul-directory-service",
        &["simpul-proto", "simpul-types", "simpul-policy", "simpul-audit", "simpul-signing"],
    ),
    ("simpul-connector", &["simpul-proto", "simpul-types", "simpul-signing", "simpul-tlog"]),
    ("simpul-file-drop", &["simpul-connector", "simpul-proto", "simpul-types"]),
    ("simpul-http-intake", &["simpul-connector", "simpul-proto", "simpul-types"]),
    ("simpul-form-folder", &["simpul-connector", "simpul-proto", "simpul-types"]),
    (
        "simpul-connector-agent",
        &["simpul-connector", "simpul-file-drop", "simpul-http-intake", "simpul-form-folder", "simpul-types"],
    ),
    (
        "simpul-cli",
        &[
            "simpul-proto",
            "simpul-types",
            "simpul-signing",
            "simpul-tlog",
            "simpul-log",
            "simpul-audit",
            "simpul-policy",
            "simpul-projection",
            "simpul-legality",
            "simpul-publisher",
            "simpul-connector",
            // `simpul screening` works results out by the hub's own code.
            "simpul-screening",
            // `simpul audit witness` is a process of its own: strict configuration, log lines, signals.
            "simpul-witness",
            "simpul-runtime",
        ],
    ),
];

/// The composition root and the tests see everything.
const SEES_EVERYTHING: &[&str] = &["simpul-hub", "simpul-tests", "simpul-fuzz", "simpul-battery"];

#[test]
fn every_edge_of_the_crate_graph_is_allowed() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if SEES_EVERYTHING.contains(&name) {
            continue;
        }
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            let normal = dependency["kind"].is_null();
            if normal && target.starts_with("simpul-") && !may.contains(&target) {
                wrong.push(format!("{name} -> {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that the design does not allow: {wrong:#?}");
}
