use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use simpul_proto::{
    FILE_DESCRIPTOR_SET, catalogue, embassy, police, registry, returns, screening, shelter, social, v1,
};

use super::*;

fn person() -> v1::PersonClaim {
    v1::PersonClaim { name: "Sumarni".into(), nik: "3201014505900001".into(), ..Default::default() }
}

fn placement() -> registry::PlacementRecorded {
    registry::PlacementRecorded {
        placement_no: "P-1".into(),
        person: Some(person()),
        scheme: v1::Scheme::PToP as i32,
        destination: "HKG".into(),
        occupation: "CARER".into(),
        evidence: vec![registry::Evidence {
            kind: registry::EvidenceKind::Passport as i32,
            result: registry::EvidenceResult::Valid as i32,
            valid_until: "2031-02-28".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn case() -> police::CaseUpdated {
    police::CaseUpdated {
        lp_number: "LP/B/1/II/2026/SPKT/POLDA JAMBI".into(),
        report_type: police::ReportType::PublicReport as i32,
        stage: police::JusticeStage::Inquiry as i32,
        stage_date: "2026-02-01".into(),
        unit: "POLDA JAMBI".into(),
        persons: vec![police::CasePerson {
            roles: vec![police::CaseRole::Victim as i32, police::CaseRole::Witness as i32],
            ..Default::default()
        }],
        ..Default::default()
    }
}

const PLACEMENT: &str = "simpul.registry.v1.PlacementRecorded";
const CASE: &str = "simpul.police.v1.CaseUpdated";

fn fault(event_type: &str, message: &impl prost::Message) -> String {
    let fault = check(event_type, &message.encode_to_vec()).expect_err("must break a rule");
    format!("{}: {}", fault.path, fault.rule)
}

#[test]
fn what_keeps_the_rules_passes() {
    assert_eq!(check(PLACEMENT, &placement().encode_to_vec()), Ok(()));
    assert_eq!(check(CASE, &case().encode_to_vec()), Ok(()));
}

#[test]
fn what_breaks_a_rule_is_told_by_its_path() {
    type Break = fn(&mut registry::PlacementRecorded);
    let cases: &[(&str, Break)] = &[
        ("placement_no: required", |placement| placement.placement_no.clear()),
        ("person: required", |placement| placement.person = None),
        ("person.name: required", |placement| placement.person = Some(v1::PersonClaim::default())),
        ("person.nik: 16 digits", |placement| {
            placement.person = Some(v1::PersonClaim { nik: "32010145059000O1".into(), ..person() });
        }),
        ("scheme: required", |placement| placement.scheme = 0),
        ("scheme: a value of the catalogue", |placement| placement.scheme = 7),
        ("destination: ISO 3166-1 alpha-3", |placement| placement.destination = "hkg".into()),
        ("departure_date: a date as `YYYY-MM-DD`", |placement| {
            placement.departure_date = "2023-02-29".into()
        }),
        ("departure_date: a date as `YYYY-MM-DD`", |placement| placement.departure_date = "20230228".into()),
        ("evidence[0].result: required", |placement| placement.evidence[0].result = 0),
        ("evidence[1].kind: required", |placement| placement.evidence.push(Default::default())),
        ("evidence: at most 64 times", |placement| {
            placement.evidence = vec![placement.evidence[0].clone(); 65];
        }),
        ("costs[0].amount_idr: required", |placement| {
            let kind = registry::CostKind::Ticket as i32;
            placement.costs = vec![registry::CostCharged { kind, ..Default::default() }];
        }),
        ("sea_contract.imo_number: an IMO number of 7 digits with its check digit", |placement| {
            let imo_number = "9074728".into();
            placement.sea_contract = Some(registry::SeaContract { imo_number, ..Default::default() });
        }),
        ("contract_changes[0].changed_on: required", |placement| {
            placement.contract_changes = vec![Default::default()];
        }),
        ("occupation: at most 128 bytes", |placement| placement.occupation = "X".repeat(129)),
    ];
    for (expected, change) in cases {
        let mut message = placement();
        change(&mut message);
        assert_eq!(fault(PLACEMENT, &message), *expected);
    }
    let mut message = case();
    message.persons[0].roles.clear();
    assert_eq!(fault(CASE, &message), "persons[0].roles: required");
    message.persons[0].roles = vec![9];
    assert_eq!(fault(CASE, &message), "persons[0].roles: a value of the catalogue");
}

#[test]
fn what_is_not_the_message_is_told_without_its_content() {
    assert_eq!(fault(PLACEMENT, &case()), ": not a simpul.registry.v1.PlacementRecorded");
    for bytes in [&b"\xff"[..], b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x08\x01"] {
        assert_eq!(check(PLACEMENT, bytes).unwrap_err().path, "", "{bytes:?}");
    }
}

#[test]
fn a_field_that_stands_once_is_not_taken_twice() {
    let bytes = [placement().encode_to_vec(), placement().encode_to_vec()].concat();
    assert_eq!(check(PLACEMENT, &bytes).unwrap_err().rule, "at most 1 times");
}

#[test]
fn fields_of_a_newer_sender_are_let_pass() {
    let mut bytes = placement().encode_to_vec();
    bytes.extend_from_slice(b"\xc2\x3e\x03abc\xc8\x3e\x07");
    assert_eq!(check(PLACEMENT, &bytes), Ok(()));
}

/// The tables and `proto/` say the same: every field, its number, name, kind and number of times.
#[test]
fn the_rules_cover_every_field_of_every_event_type() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for event_type in catalogue::EVENT_TYPES.iter() {
        let descriptor = pool.get_message_by_name(event_type).unwrap();
        match rules::of(event_type) {
            Some(message) => compare(message, &descriptor),
            None => assert!(event_type.starts_with("simpul.directory.v1."), "{event_type} has no rules"),
        }
    }
}

fn compare(message: &Message, descriptor: &MessageDescriptor) {
    assert_eq!(message.name, descriptor.full_name());
    assert!(message.fields.len() <= FIELDS_MAX);
    assert_eq!(message.fields.len(), descriptor.fields().count(), "{}", message.name);
    for field in message.fields {
        let named = descriptor.get_field(field.number).expect(field.name);
        assert_eq!(field.name, named.name());
        let repeated = matches!(field.need, Need::Repeated(_) | Need::Several(_));
        assert_eq!(repeated, named.is_list(), "{}.{}", message.name, field.name);
        match (field.rule, named.kind()) {
            (Rule::Message(inner), Kind::Message(descriptor)) => compare(inner, &descriptor),
            (Rule::Enum(most), Kind::Enum(descriptor)) => {
                let numbers: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
                assert_eq!(numbers, (0..=most as i32).collect::<Vec<_>>(), "{}.{}", message.name, field.name);
            }
            (
                Rule::Text(_)
                | Rule::Digits(_)
                | Rule::Date
                | Rule::Country
                | Rule::Region
                | Rule::ImoNumber
                | Rule::PersonRef,
                Kind::String,
            )
            | (Rule::Number, Kind::Uint32 | Kind::Uint64 | Kind::Bool) => {}
            _ => panic!("{}.{} is of another kind", message.name, field.name),
        }
    }
}

#[test]
fn options_of_the_contract_are_kept() {
    const DEATH: &str = "simpul.returns.v1.DeathReported";
    const PLAN: &str = "simpul.social.v1.RehabilitationPlanSet";
    let death = returns::DeathReported {
        case_ref: "C-1".into(),
        person: Some(person()),
        died_on: "2026-03-01".into(),
        vessel_imo: "9074729".into(),
        ..Default::default()
    };
    assert_eq!(check(DEATH, &death.encode_to_vec()), Ok(()));
    let other = |change: fn(&mut returns::DeathReported)| {
        let mut death = death.clone();
        change(&mut death);
        fault(DEATH, &death)
    };
    assert_eq!(other(|death| death.case_ref.clear()), "case_ref: required");
    assert_eq!(other(|death| death.person = None), "person: required");
    assert_eq!(
        other(|death| death.person = Some(v1::PersonClaim { nik: "1".into(), ..person() })),
        "person.nik: 16 digits"
    );
    assert_eq!(
        other(|death| death.vessel_imo = "9074728".into()),
        "vessel_imo: an IMO number of 7 digits with its check digit"
    );

    let plan = |until: &str| social::RehabilitationPlanSet {
        set_on: "2026-03-02".into(),
        until: until.into(),
        services: vec!["COUNSELLING".into()],
        ..Default::default()
    };
    assert_eq!(check(PLAN, &plan("2026-03-02").encode_to_vec()), Ok(()));
    assert_eq!(check(PLAN, &plan("").encode_to_vec()), Ok(()));
    assert_eq!(fault(PLAN, &plan("2026-03-01")), "until: not before `set_on`");
}

#[test]
fn a_screening_is_one_of_a_form_that_the_hub_has() {
    const OLD: &str = "simpul.embassy.v1.ScreeningSubmitted";
    const NEW: &str = "simpul.screening.v1.ScreeningSubmitted";
    let mut old = embassy::ScreeningSubmitted {
        screening_no: "SC-1".into(),
        intake_no: "IN-1".into(),
        case_ref: "C-1".into(),
        form_version: "gugus-tugas-2024/1".into(),
        officer: "officer-7".into(),
        indicators: vec!["DEBT_BONDAGE".into()],
        result_international: embassy::ScreeningResult::Indication.into(),
        result_domestic: embassy::ScreeningResult::NoIndication.into(),
        ..Default::default()
    };
    assert_eq!(check(OLD, &old.encode_to_vec()), Ok(()));
    old.indicators.push("DEBT".into());
    assert_eq!(fault(OLD, &old), "indicators[1]: an indicator of gugus-tugas-2024/1");
    old.form_version = "gugus-tugas-2031/1".into();
    assert_eq!(fault(OLD, &old), "form_version: a form version that the hub has");

    let answer = |question: &str, choice: &str| screening::Answer {
        question: question.into(),
        choices: vec![choice.into()],
        ..Default::default()
    };
    let new = screening::ScreeningSubmitted {
        screening_no: "SC-2".into(),
        case_ref: "C-1".into(),
        form_version: "simpul-tppo/2".into(),
        interviewer: "officer-7".into(),
        acts_from: "2026-01-10".into(),
        interviewed_on: "2026-03-01".into(),
        screened_on: "2026-03-01".into(),
        answers: vec![answer("acts", "RECRUITED")],
        ..Default::default()
    };
    assert_eq!(check(NEW, &new.encode_to_vec()), Ok(()));
    let broken = |change: fn(&mut screening::ScreeningSubmitted)| {
        let mut event = new.clone();
        change(&mut event);
        fault(NEW, &event)
    };
    assert_eq!(broken(|event| event.answers.clear()), "answers: required");
    assert_eq!(
        broken(|event| event.answers[0].choices[0] = "RECRUIT".into()),
        "answers[0].choices[0]: a choice of acts in simpul-tppo/2"
    );
    assert_eq!(
        broken(|event| event.screened_on = "2026-02-28".into()),
        "screened_on: not before `interviewed_on`"
    );
    assert_eq!(
        broken(|event| event.interviewed_on = "2026-01-09".into()),
        "interviewed_on: not before `acts_from`"
    );
}

#[test]
fn a_bed_is_held_in_its_own_stream_so_that_two_cannot_both_have_it() {
    let held = shelter::BedHeld {
        case_ref: "C-1".into(),
        shelter_code: "SH-61-01".into(),
        bed: 2,
        held_on: "2026-03-01".into(),
        until: "2026-03-02".into(),
        ..Default::default()
    };
    let checked = |stream: &str| {
        check_stream("simpul.shelter.v1.BedHeld", &held.encode_to_vec(), &stream.parse().unwrap())
    };
    let own = simpul_cases::bed_stream("SH-61-01", 2);
    assert_eq!(checked(&own), Ok(()));
    assert_eq!(checked("shelter-bed/another").unwrap_err().path, "bed");
}

/// Decodes with the generated type, as the projections do.
fn decodes(event_type: &str, bytes: &[u8]) -> bool {
    match event_type {
        "simpul.registry.v1.PlacementRecorded" => registry::PlacementRecorded::decode(bytes).is_ok(),
        "simpul.registry.v1.LicenceRecorded" => registry::LicenceRecorded::decode(bytes).is_ok(),
        "simpul.police.v1.CaseUpdated" => police::CaseUpdated::decode(bytes).is_ok(),
        "simpul.embassy.v1.IntakeRecorded" => embassy::IntakeRecorded::decode(bytes).is_ok(),
        "simpul.embassy.v1.ScreeningSubmitted" => embassy::ScreeningSubmitted::decode(bytes).is_ok(),
        _ => matches!(catalogue::decode_payload(event_type, bytes), Some(Ok(_))),
    }
}

proptest! {
    /// Random bytes, and valid messages with bytes changed, cut and doubled: what passes decodes, and nothing
    /// panics.
    #[test]
    fn what_passes_is_certain_to_decode(
        noise in vec(any::<u8>(), 0..200),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        which in 0..3_u8,
    ) {
        let mut bytes = match which {
            0 => noise,
            1 => placement().encode_to_vec(),
            _ => case().encode_to_vec(),
        };
        for (index, byte) in edits {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if which == 0 && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        for message in catalogue::EVENT_TYPES.iter().filter_map(|name| rules::of(name)) {
            if check(message.name, &bytes).is_ok() {
                prop_assert!(decodes(message.name, &bytes), "{}", message.name);
            }
        }
    }
}
