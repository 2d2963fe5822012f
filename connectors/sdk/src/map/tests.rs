use prost::Message;
use simpul_proto::{embassy, police, registry, v1};

use super::*;

const PLACEMENT: &str = include_str!("../../../mappings/sisko-placement.toml");
const LICENCE: &str = include_str!("../../../mappings/sisko-licence.toml");
const CASE: &str = include_str!("../../../mappings/polri-case-update.toml");
const INTAKE: &str = include_str!("../../../mappings/mission-intake.toml");
const SCREENING: &str = include_str!("../../../mappings/mission-screening.toml");
const FORM: &str = include_str!("../../../mappings/mission-form.toml");

/// Maps a row given as column and field.
fn row(mapping: &str, pairs: &[(&str, &str)]) -> Result<Mapped, RecordError> {
    let mapping = Mapping::parse(mapping).expect("a mapping");
    let columns: HashMap<String, usize> =
        pairs.iter().enumerate().map(|(place, (name, _))| ((*name).to_owned(), place)).collect();
    let fields = pairs.iter().map(|(_, field)| (*field).into()).collect();
    mapping.map(Record::Row(&Row { columns: &columns, fields }))
}

fn json(mapping: &str, document: &serde_json::Value) -> Result<Mapped, RecordError> {
    Mapping::parse(mapping).expect("a mapping").map(Record::Json(document))
}

const ROW: &[(&str, &str)] = &[
    ("NO_PENEMPATAN", "PN-1"),
    ("NIK", "3302 0344 0791 9001"),
    ("NAMA_LENGKAP", "  Sulastri   Rekaan "),
    ("TGL_LAHIR", "04/07/1991"),
    ("JENIS_KELAMIN", "p"),
    ("NO_TELEPON", "0899-9000-0001"),
    ("SKEMA", "P to P"),
    ("NEGARA", "hkg"),
    ("JABATAN", "Pekerja Rumah Tangga"),
    ("STATUS", "BERANGKAT"),
    ("TGL_BERANGKAT", "-"),
    ("NO_VISA", "V1"),
    ("JENIS_VISA", "WISATA"),
    ("VISA_S_D", "01/02/2026"),
    ("NO_MEDIKAL", ""),
    ("TGL_MEDIKAL", "-"),
    ("TGL_UBAH", "01/03/2024 07:30:00"),
];

fn with(name: &str, field: &'static str) -> Vec<(&'static str, &'static str)> {
    ROW.iter().map(|(column, old)| (*column, if *column == name { field } else { *old })).collect()
}

#[test]
fn every_shipped_mapping_is_valid() {
    for text in [PLACEMENT, LICENCE, CASE, INTAKE, SCREENING, FORM] {
        Mapping::parse(text).expect("valid");
    }
}

#[test]
fn a_row_becomes_a_placement_with_the_evidence_whose_columns_are_filled() {
    let mapped = row(PLACEMENT, ROW).expect("mapped");
    assert_eq!(mapped.key, ["PN-1"]);
    assert_eq!(mapped.occurred_at.expect("told").to_string(), "2024-03-01T00:30:00.000000Z");
    let placement = registry::PlacementRecorded::decode(mapped.payload).expect("a placement");
    let person = placement.person.clone().expect("a person");
    assert_eq!(
        (person.nik.as_str(), person.name.as_str(), person.birth_date.as_str(), person.phone.as_str()),
        ("3302034407919001", "Sulastri Rekaan", "1991-07-04", "+6289990000001")
    );
    assert_eq!((person.sex(), placement.scheme()), (v1::Sex::Female, v1::Scheme::PToP));
    assert_eq!((placement.destination.as_str(), placement.occupation.as_str()), ("HKG", "DOMESTIC_WORKER"));
    assert_eq!(placement.departure_date, "", "`-` says nothing");
    assert_eq!(placement.evidence.len(), 1, "the visa, and no medical letter");
    let visa = &placement.evidence[0];
    assert_eq!((visa.kind(), visa.result()), (registry::EvidenceKind::Visa, registry::EvidenceResult::Valid));
    assert_eq!((visa.detail.as_str(), visa.valid_until.as_str()), ("TOURIST", "2026-02-01"));
}

#[test]
fn pii_1_an_error_names_field_and_rule_and_never_the_value() {
    for (name, field, reason) in [
        ("TGL_LAHIR", "31/02/1991", "is not a date in the expected form"),
        ("NIK", "33020344", "must be 16 digits"),
        ("NAMA_LENGKAP", " ", "is required"),
        ("SKEMA", "P KE P", "is not one of the words that the mapping knows"),
        ("NEGARA", "HONGKONG", "must be an ISO 3166-1 alpha-3 code"),
        ("NO_TELEPON", "12", "must be a telephone number"),
        ("TGL_UBAH", "kemarin", "is not a time in the expected form"),
        ("NO_PENEMPATAN", "", "is required"),
    ] {
        let error = row(PLACEMENT, &with(name, field)).err().expect("refused");
        assert_eq!((error.field.as_str(), error.reason.as_str()), (name, reason));
        assert!(field.trim().is_empty() || !error.to_string().contains(field));
    }
}

#[test]
fn an_unknown_occupation_is_other_and_not_an_error() {
    let mapped = row(PLACEMENT, &with("JABATAN", "Pawang Hujan")).expect("mapped");
    let placement = registry::PlacementRecorded::decode(mapped.payload).expect("a placement");
    assert_eq!(placement.occupation, "OTHER");
}

#[test]
fn a_list_is_split_and_groups_repeat() {
    let mapped = row(
        LICENCE,
        &[
            ("JENIS_IZIN", "SIP2MI"),
            ("NO_IZIN", "SIP2MI/1"),
            ("NAMA_P3MI", "PT Contoh"),
            ("BERLAKU_DARI", "01/01/2024"),
            ("BERLAKU_S_D", "31/12/2024"),
            ("NEGARA_TUJUAN", "tha, KHM,, -"),
            ("SKORSING_DARI", "01/06/2024"),
            ("SKORSING_DARI_2", "01/09/2024"),
            ("SKORSING_S_D_2", "30/09/2024"),
        ],
    );
    let licence = registry::LicenceRecorded::decode(mapped.expect("mapped").payload).expect("a licence");
    assert_eq!(licence.destinations, ["THA", "KHM"]);
    let suspensions: Vec<_> =
        licence.suspensions.iter().map(|one| (one.from.as_str(), one.until.as_str())).collect();
    assert_eq!(suspensions, [("2024-06-01", ""), ("2024-09-01", "2024-09-30")]);
}

#[test]
fn a_document_becomes_a_case_with_its_people() {
    let document = serde_json::json!({
        "nomor_lp": "LP/B/1/I/2025/SPKT/POLDA CONTOH", "versi": 2, "jenis_laporan": "B", "tahap": "P-21",
        "tanggal_tahap": "05/01/2025", "satuan": "polda contoh", "pasal": ["KUHP 455"],
        "pihak": [
            { "peran": ["Korban", "Anak"], "nama": "Wagiyem" },
            { "peran": ["Tersangka"], "tahap": "SPDP", "nama_lengkap": "Sarmin Rekaan" },
        ],
    });
    let mapped = json(CASE, &document).expect("mapped");
    assert_eq!(mapped.version, Some(2));
    let case = police::CaseUpdated::decode(mapped.payload).expect("a case");
    assert_eq!((case.stage(), case.unit.as_str()), (police::JusticeStage::FileComplete, "POLDA CONTOH"));
    assert_eq!(case.persons.len(), 2);
    assert_eq!(case.persons[0].roles, [police::CaseRole::Victim as i32, police::CaseRole::Child as i32]);
    assert_eq!(case.persons[0].person.as_ref().expect("a person").name, "Wagiyem");
    assert_eq!(case.persons[1].stage(), police::JusticeStage::SpdpSent);
}

#[test]
fn an_error_in_a_list_names_its_element() {
    let mut document = serde_json::json!({
        "nomor_lp": "LP/B/1", "versi": 1, "jenis_laporan": "B", "tahap": "SPDP", "tanggal_tahap": "2025-01-05",
        "satuan": "x", "pihak": [{ "peran": ["Korban"], "nama": "A" }, { "peran": ["Hakim"], "nama": "B" }],
    });
    let error = json(CASE, &document).err().expect("refused");
    assert_eq!(error.field, "/pihak/1/peran");
    document["pihak"] = serde_json::json!("nobody");
    assert_eq!(json(CASE, &document).err().expect("refused"), RecordError::new("/pihak", "must be a list"));
    document["versi"] = serde_json::json!("x");
    document["pihak"] = serde_json::json!([]);
    assert_eq!(json(CASE, &document).err().expect("refused").field, "/versi");
}

#[test]
fn what_the_document_does_not_say_the_zone_may() {
    let document = serde_json::json!({
        "perwakilan": "KBRI Yangon", "nomor_penerimaan": "1", "nomor_kasus": "k", "kategori_tinggal": "PEKERJA",
        "tanggal_kontak": "2025-11-03", "kebutuhan_mendesak": ["Medis"],
        "orang": { "mrz": ["P<IDN", "C1"] },
        "@mrz": { "name": "SUTARJO", "document_number": "C1000102", "birth_date": "1998-04-16", "sex": "M" },
    });
    let intake =
        embassy::IntakeRecorded::decode(json(INTAKE, &document).expect("mapped").payload).expect("one");
    let person = intake.person.clone().expect("a person");
    assert_eq!((person.name.as_str(), person.passport.as_str()), ("SUTARJO", "C1000102"));
    assert_eq!((person.mrz.as_str(), person.sex()), ("P<IDN\nC1", v1::Sex::Male));
    assert_eq!(intake.urgent_needs, ["MEDICAL"]);
}

#[test]
fn a_mapping_that_cannot_work_is_refused_when_it_is_read() {
    let check = |from: &str, to: &str, expect: &str| {
        let error = Mapping::parse(&LICENCE.replacen(from, to, 1)).err().expect("refused").to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("LicenceRecorded", "Licence", "event_type must be an event type of the catalogue");
    check("to = \"holder\"", "to = \"owner\"", "owner: to must be a field of the event's type");
    check("SIPPTKI = \"SIP3MI\"", "SIPPTKI = \"SIP9\"", "kind: map must be one of the words");
    check("date = \"dd/mm/yyyy\"", "date = \"dd/mm\"", "date must be");
    check("split = \",\"", "split = \"\"", "destinations: split");
    check("check = \"country\"", "check = \"continent\"", "check must be one of");
    check("to = \"suspensions\"", "to = \"holder\"", "holder: to must be a repeated message");
    check("source = \"sisko-licence\"", "source = \"SISKO\"", "source must be");
    check("data_category", "data_kategory", "data_kategory");
}

#[test]
fn a_form_keeps_its_questions_in_order_with_choices_and_text() {
    let document = include_str!("../../../sample/mission/form-2026-0091.json");
    let mapped = json(FORM, &serde_json::from_str(document).expect("JSON")).expect("mapped");
    assert_eq!(mapped.key, ["KBRI Yangon", "YGN-SKR-2026-0091"]);
    let screening = simpul_proto::screening::ScreeningSubmitted::decode(mapped.payload).expect("a screening");
    assert_eq!(
        (screening.form_version.as_str(), screening.acts_from.as_str(), screening.screened_on.as_str()),
        ("simpul-tppo/2", "2025-08-01", "2026-02-11")
    );
    assert_eq!(screening.urgent_needs, ["MEDICAL"]);
    let answer = |index: usize| {
        let answer = &screening.answers[index];
        (answer.question.as_str(), answer.choices.join(" "), answer.text.as_str())
    };
    assert_eq!(answer(2), ("language", String::new(), "ind"));
    assert_eq!(answer(3), ("acts", "RECRUITED TRANSPORTED".into(), ""));
    assert_eq!(screening.answers.len(), 6);
}
