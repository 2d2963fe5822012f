//! Generates messages and services from the `.proto` files with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

/// Every file of the contract, in the order a reader would want them.
const FILES: &[&str] = &[
    "simpul/v1/submission.proto",
    "simpul/v1/legality.proto",
    "simpul/v1/picture.proto",
    "simpul/v1/audit.proto",
    "simpul/v1/directory_service.proto",
    "simpul/v1/hub.proto",
    "simpul/v1/person.proto",
    "simpul/v1/options.proto",
    "simpul/registry/v1/registry.proto",
    "simpul/police/v1/police.proto",
    "simpul/embassy/v1/embassy.proto",
    "simpul/nrm/v1/nrm.proto",
    "simpul/identity/v1/identity.proto",
    "simpul/screening/v1/screening.proto",
    "simpul/shelter/v1/shelter.proto",
    "simpul/immigration/v1/immigration.proto",
    "simpul/prevention/v1/prevention.proto",
    "simpul/complaint/v1/complaint.proto",
    "simpul/health/v1/health.proto",
    "simpul/social/v1/social.proto",
    "simpul/justice/v1/justice.proto",
    "simpul/returns/v1/returns.proto",
    "simpul/village/v1/village.proto",
    "simpul/foreign/v1/foreign.proto",
    "simpul/statistics/v1/statistics.proto",
    "simpul/organisation/v1/organisation.proto",
    "simpul/coordination/v1/coordination.proto",
    "simpul/directory/v1/directory.proto",
    "simpul/hub/v1/hub_events.proto",
    "simpul/erasure/v1/erasure.proto",
];

/// Packages whose messages have no `Debug` at all: nobody prints a payload.
const UNPRINTED: &[&str] = &[
    "simpul.nrm.v1",
    "simpul.identity.v1",
    "simpul.screening.v1",
    "simpul.shelter.v1",
    "simpul.immigration.v1",
    "simpul.prevention.v1",
    "simpul.complaint.v1",
    "simpul.health.v1",
    "simpul.social.v1",
    "simpul.justice.v1",
    "simpul.returns.v1",
    "simpul.village.v1",
    "simpul.foreign.v1",
];

/// Messages that hold personal data: their `Debug` is written by hand in `src/redacted.rs` and shows no field.
const SENSITIVE: &[&str] = &[
    "simpul.v1.SubmittedEvent",
    "simpul.v1.PersonClaim",
    "simpul.v1.CheckRequest",
    "simpul.v1.FindPersonsRequest",
    "simpul.v1.PersonCandidate",
    "simpul.v1.CandidateClaim",
    "simpul.v1.ViewDocument",
    "simpul.v1.MatchSheltersRequest",
    "simpul.v1.ViewChange",
    "simpul.v1.ReplayEvent",
    "simpul.v1.BundleEvent",
    "simpul.v1.BundlePart",
    "simpul.registry.v1.PlacementRecorded",
    "simpul.registry.v1.Evidence",
    "simpul.registry.v1.CostCharged",
    "simpul.registry.v1.ContractChange",
    "simpul.police.v1.CaseUpdated",
    "simpul.police.v1.CasePerson",
    "simpul.embassy.v1.IntakeRecorded",
    "simpul.embassy.v1.ScreeningSubmitted",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=simpul");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    // Encoded by protox itself: the generated descriptor types would lose our own options (`simpul/v1/options.proto`).
    fs::write(out.join("simpul.binpb"), compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        .bytes(".")
        .include_file("simpul.rs")
        .skip_debug([SENSITIVE, UNPRINTED].concat())
        .compile_fds(descriptors)?;
    Ok(())
}
