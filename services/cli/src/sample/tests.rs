use std::{borrow::Cow, collections::HashMap, fs, path::Path};

use jiff::civil::Date;
use prost::Message;
use simpul_connector::{
    Mapping,
    map::{Record, Row},
};
use simpul_legality::{Facts, PlacementFacts, RuleBook, Sourced, evaluate};
use simpul_proto::{registry::LicenceRecorded, registry::PlacementRecorded, v1::VerdictKind};
use simpul_types::{Position, Timestamp};

use super::{registry::Registry, *};

fn made(persons: u64, seed: u64) -> (tempfile::TempDir, SampleReport) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = SampleOptions { persons, seed, out: dir.path().join("sample") };
    let report = write(&options, &mut |_, _| {}).expect("a sample");
    (dir, report)
}

fn mapping(name: &str) -> Mapping {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/mappings").join(name);
    Mapping::parse(&fs::read_to_string(path).expect("a mapping")).expect("a valid mapping")
}

/// Every row of a table through the connector's own mapping.
fn mapped(table: &Path, mapping: &Mapping) -> Vec<bytes::Bytes> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(mapping.delimiter()).from_path(table).expect("a table");
    let columns: HashMap<String, usize> =
        reader.headers().expect("a header").iter().enumerate().map(|(at, name)| (name.into(), at)).collect();
    for column in mapping.required_columns() {
        assert!(columns.contains_key(column), "{column}");
    }
    let map = |record: csv::StringRecord| {
        let fields = record.iter().map(|field| Cow::Owned(field.to_string())).collect();
        let mapped = mapping.map(Record::Row(&Row { columns: &columns, fields }));
        mapped.unwrap_or_else(|error| panic!("{}: {}", error.field, error.reason)).payload
    };
    reader.records().map(|record| map(record.expect("a record"))).collect()
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["sisko", "polri", "mission"] {
        for entry in fs::read_dir(dir.join("sample").join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            files.push((
                path.file_name().expect("a name").to_string_lossy().into(),
                fs::read(path).expect("a file"),
            ));
        }
    }
    files.sort();
    files
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (first, second, other) = (made(300, 7), made(300, 7), made(300, 8));
    assert_eq!(first.1, second.1);
    assert!(files(first.0.path()) == files(second.0.path()));
    assert!(files(first.0.path()) != files(other.0.path()));
}

#[test]
fn every_document_goes_through_the_connectors_mappings() {
    let (dir, report) = made(3_000, 3);
    let mut counts = HashMap::new();
    for (name, bytes) in files(dir.path()) {
        let Some((kind, _)) = name.split_once('-') else { continue };
        let mapping = mapping(match kind {
            "case" => "polri-case-update.toml",
            "intake" => "mission-intake.toml",
            _ => "mission-screening.toml",
        });
        let mut document: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        if mapping.mrz().is_some_and(|pointer| document.pointer(pointer).is_some()) {
            // What the form folder does before it maps: `/@mrz` stands for the fields of the zone.
            document["@mrz"] = serde_json::json!({ "name": "X" });
        }
        if let Err(error) = mapping.map(Record::Json(&document)) {
            panic!("{name}: {}: {}", error.field, error.reason);
        }
        *counts.entry(kind.to_string()).or_insert(0) += 1;
    }
    assert_eq!(counts["case"], report.police_reports);
    assert_eq!(counts["intake"], report.intakes);
    assert_eq!(counts["screening"], report.screenings);
}

#[test]
fn whoever_has_no_defect_is_procedural_and_whoever_has_one_is_not() {
    let (dir, report) = made(4_000, 11);
    let folder = dir.path().join("sample/sisko");
    let placements = mapped(&folder.join("placements.csv"), &mapping("sisko-placement.toml"));
    let licences = mapped(&folder.join("licences.csv"), &mapping("sisko-licence.toml"));
    assert_eq!((placements.len() as u64, licences.len() as u64), (report.placements, report.licences));
    let licences: HashMap<String, LicenceRecorded> = licences
        .into_iter()
        .map(|payload| LicenceRecorded::decode(payload).expect("its own type"))
        .map(|licence| (licence.licence_no.clone(), licence))
        .collect();
    let book = RuleBook::builtin();
    let registry = Registry::new(11, 4_000);
    let mut defects = 0;
    for (index, payload) in placements.into_iter().enumerate() {
        let placement = PlacementRecorded::decode(payload).expect("its own type");
        let licence = |number: &str| licences.get(number).cloned().map(sourced);
        let facts = Facts {
            found: true,
            claims: placement.person.clone().into_iter().map(sourced).collect(),
            placements: vec![PlacementFacts {
                reference: "x".into(),
                placer: licence(&placement.placer_licence_no),
                permit: licence(&placement.recruitment_permit_no),
                placement: sourced(placement),
            }],
            stays: Vec::new(),
            ..Facts::default()
        };
        let assessment = evaluate(&book, &facts, None, Date::constant(2026, 1, 1));
        let defect = registry.placement(index as u64).defect;
        defects += u32::from(defect.is_some());
        let why: Vec<_> = assessment
            .requirements
            .iter()
            .filter(|result| result.decides)
            .map(|result| &result.rule)
            .collect();
        assert_eq!(
            assessment.kind == VerdictKind::Procedural,
            defect.is_none(),
            "{index} {defect:?} {why:?}"
        );
    }
    assert!(defects > 20, "{defects}");
}

fn sourced<T>(value: T) -> Sourced<T> {
    let source = "kp2mi".parse().expect("an agency");
    Sourced { value, position: Position::ZERO, source, observed_at: Timestamp::from_us(0) }
}

#[test]
fn the_smallest_sample_has_every_kind_of_record() {
    let (_dir, report) = made(1, 1);
    assert!(
        report.placements == 1 && report.licences > 1 && report.police_reports == 1 && report.intakes == 1
    );
}

#[test]
fn nothing_is_overwritten_and_too_many_persons_are_refused() {
    let (dir, _) = made(1, 1);
    let options = |persons| SampleOptions { persons, seed: 1, out: dir.path().join("sample") };
    assert!(matches!(write(&options(1), &mut |_, _| {}), Err(SampleError::Occupied(_))));
    assert!(matches!(write(&options(PERSONS_MAX + 1), &mut |_, _| {}), Err(SampleError::TooMany)));
}
