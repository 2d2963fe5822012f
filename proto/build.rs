//! Generates messages and services from the `.proto` files with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

/// Every file of the contract, in the order a reader would want them.
const FILES: &[&str] = &[
    "simpul/v1/submission.proto",
    "simpul/v1/legality.proto",
    "simpul/v1/picture.proto",
    "simpul/v1/audit.proto",
    "simpul/v1/directory_service.proto",
    "simpul/v1/hub.proto",
    "simpul/v1/person.proto",
    "simpul/registry/v1/registry.proto",
    "simpul/police/v1/police.proto",
    "simpul/embassy/v1/embassy.proto",
    "simpul/directory/v1/directory.proto",
];

/// Messages that hold personal data: their `Debug` is written by hand in `src/redacted.rs` and shows no field.
const SENSITIVE: &[&str] = &[
    "simpul.v1.SubmittedEvent",
    "simpul.v1.PersonClaim",
    "simpul.v1.CheckRequest",
    "simpul.v1.ViewDocument",
    "simpul.v1.ViewChange",
    "simpul.v1.ReplayEvent",
    "simpul.v1.BundleEvent",
    "simpul.v1.BundlePart",
    "simpul.registry.v1.PlacementRecorded",
    "simpul.registry.v1.Evidence",
    "simpul.police.v1.CaseUpdated",
    "simpul.police.v1.CasePerson",
    "simpul.embassy.v1.IntakeRecorded",
    "simpul.embassy.v1.ScreeningSubmitted",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=simpul");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("simpul.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .include_file("simpul.rs")
        .skip_debug(SENSITIVE)
        .compile_fds(descriptors)?;
    Ok(())
}
