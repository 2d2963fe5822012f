//! One function per parser of bytes that come from files or from the network. A function must return for every input; it
//! panics where an invariant of the parser is broken, which is what a fuzzer looks for.
//!
//! ```text
//! tests/fuzz/fuzz_targets/<name>.rs (libFuzzer) ──▶ targets ──▶ the crates' own parsers
//! tests/short_run.rs (seeded, in `cargo test`)  ──▶    ▲
//! tests/fuzz/corpus/<name>/ ───────────────────────────┘  seeds of both
//! ```

mod evidence;
mod intake;
mod stored;
mod wire;

/// What a fuzzer calls.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("frame", stored::frame),
    ("segment_header", stored::segment_header),
    ("index_file", stored::index_file),
    ("leaf", stored::leaf),
    ("statement", wire::statement),
    ("event_header", wire::event_header),
    ("submission", wire::submission),
    ("payload", wire::payload),
    ("sender", wire::sender),
    ("note", evidence::note),
    ("vkey", evidence::vkey),
    ("checkpoint", evidence::checkpoint),
    ("proof", evidence::proof),
    ("tlog_proof", evidence::tlog_proof),
    ("bundle", evidence::bundle),
    ("subject_report", evidence::subject_report),
    ("tile_path", evidence::tile_path),
    ("entries", evidence::entries),
    ("policy", evidence::policy),
    ("witness_request", evidence::witness_request),
    ("key_file", evidence::key_file),
    ("enrolment", evidence::enrolment),
    ("mrz", intake::mrz),
    ("identity", intake::identity),
    ("mapping", intake::mapping),
    ("csv", intake::csv),
];

/// Calls the target of this name.
///
/// # Panics
/// Where there is none, and where the target found something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no target `{name}`"));
    target(data);
}
