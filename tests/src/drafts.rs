//! Events for tests: small, valid, functions of a number.

use prost::Message;
use simpul_connector::EventDraft;
use simpul_proto::{registry, v1};
use simpul_types::Timestamp;

/// NIK of an invented person, different for each of 3.3 million numbers.
pub fn nik(number: u64) -> String {
    let (sequence, date) = (1 + number % 9_999, number / 9_999);
    let (day, month, year) = (1 + date % 28, 1 + date / 28 % 12, 70 + date / 336 % 30);
    format!("327301{day:02}{month:02}{year:02}{sequence:04}")
}

/// The birth date that the NIK tells.
pub fn birth_date(number: u64) -> String {
    let date = number / 9_999;
    let (day, month, year) = (1 + date % 28, 1 + date / 28 % 12, 1970 + date / 336 % 30);
    format!("{year}-{month:02}-{day:02}")
}

/// Name of an invented person: two or three words of some 3,500, the first of four in ten a common one; one in twelve has one
/// word only.
pub fn name(number: u64) -> String {
    const COMMON: &[&str] = &["Siti", "Muhammad", "Nur", "Sri", "Dewi", "Ahmad", "Abdul", "Eka"];
    let mut draw = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8;
    let mut pick = |of: u64| {
        let picked = draw % of;
        draw = (draw / of) ^ draw.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        picked
    };
    let words = if pick(12) == 0 { 1 } else { 2 + pick(2) };
    let mut name = String::new();
    for word in 0..words {
        if word == 0 && words > 1 && pick(10) < 4 {
            name.push_str(COMMON[pick(8) as usize]);
        } else {
            name.push_str(
                [
                    "Ba", "Da", "Ka", "La", "Ma", "Na", "Ra", "Sa", "Ta", "Wa", "Ju", "Ru", "Su", "Wi", "Ye",
                    "Lo",
                ][pick(16) as usize],
            );
            name.push_str(
                ["ri", "ni", "lu", "mi", "ndo", "ngga", "rta", "sti", "wa", "ya", "bi", "do", "ka", "le"]
                    [pick(14) as usize],
            );
            name.push_str(
                [
                    "nah", "ti", "sih", "wati", "ni", "yah", "lin", "ri", "no", "to", "min", "di", "man",
                    "rjo", "dun", "wan",
                ][pick(16) as usize],
            );
        }
        name.push(' ');
    }
    name.truncate(name.trim_end().len());
    name
}

/// A placement of an invented person, padded to about `bytes` of payload with documents of long-winded issuers.
pub fn placement(number: u64, bytes: usize) -> registry::PlacementRecorded {
    let mut placement = registry::PlacementRecorded {
        placement_no: format!("PN-{number:08}"),
        person: Some(v1::PersonClaim {
            nik: nik(number),
            passport: format!("C{:07}", number % 10_000_000),
            name: name(number),
            birth_date: birth_date(number),
            ..Default::default()
        }),
        scheme: v1::Scheme::PToP.into(),
        destination: "HKG".into(),
        occupation: "DOMESTIC_WORKER".into(),
        employer: Some(registry::Employer {
            name: "Rumah Tangga Contoh".into(),
            kind: registry::EmployerKind::Household.into(),
            city: String::new(),
        }),
        departure_date: "2024-05-01".into(),
        status: registry::PlacementStatus::Departed.into(),
        ..Default::default()
    };
    while placement.encoded_len() + 20 < bytes {
        let missing = bytes - placement.encoded_len() - 15;
        placement.evidence.push(registry::Evidence {
            kind: registry::EvidenceKind::CompetenceCertificate.into(),
            issuer: "x".repeat(missing.min(120)),
            result: registry::EvidenceResult::Valid.into(),
            ..Default::default()
        });
    }
    placement
}

/// The same with the evidence of a whole placement, as a registry keeps it.
pub fn evidenced_placement(number: u64) -> registry::PlacementRecorded {
    use registry::EvidenceKind as K;
    let kinds = [
        K::IdentityCheck,
        K::CompetenceCertificate,
        K::Medical,
        K::Psychology,
        K::SocialSecurity,
        K::MaritalStatus,
        K::FamilyPermission,
        K::Passport,
        K::Visa,
        K::PlacementAgreement,
        K::EmploymentContract,
        K::PreDepartureOrientation,
        K::WorkerCard,
        K::DistrictRecord,
    ];
    let evidence = kinds.into_iter().map(|kind| registry::Evidence {
        kind: kind.into(),
        number: format!("E{number}"),
        issued_on: "2024-04-01".into(),
        valid_until: "2027-04-01".into(),
        result: registry::EvidenceResult::Valid.into(),
        detail: if kind == K::Visa { "WORK".into() } else { String::new() },
        ..Default::default()
    });
    registry::PlacementRecorded { evidence: evidence.collect(), ..placement(number, 0) }
}

/// One event with a stream of its own.
///
/// # Panics
/// Never: the names are valid.
pub fn placement_draft(number: u64, bytes: usize) -> EventDraft {
    draft(number, &placement(number, bytes))
}

/// Streams that take turns, so that a stream's next event comes much later, as in a registry.
const STREAMS_IN_TURN: u64 = 1_000;

/// Which placement an event belongs to, if each has `per_stream` of them.
pub fn history_number(number: u64, per_stream: u64) -> u64 {
    number / (STREAMS_IN_TURN * per_stream) * STREAMS_IN_TURN + number % STREAMS_IN_TURN
}

/// One event of any placement.
///
/// # Panics
/// Never: the names are valid.
pub fn draft(number: u64, placement: &registry::PlacementRecorded) -> EventDraft {
    EventDraft::new(
        "simpul.registry.v1.PlacementRecorded".parse().expect("a valid type"),
        format!("sisko-placement/t{number}").parse().expect("a valid stream"),
        Timestamp::from_us(1_700_000_000_000_000),
        "PLACEMENT".parse().expect("a valid purpose"),
        placement.encode_to_vec().into(),
    )
}

/// A licence of an invented company.
///
/// # Panics
/// Never: the names are valid.
pub fn licence_draft(number: u64) -> EventDraft {
    let licence = registry::LicenceRecorded {
        licence_no: format!("SIP3MI-{number}"),
        kind: registry::LicenceKind::Sip3mi.into(),
        holder: format!("PT Contoh {number}"),
        valid_from: "2020-01-01".into(),
        valid_until: "2030-01-01".into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.registry.v1.LicenceRecorded".parse().expect("a valid type"),
        format!("sisko-licence/t{number}").parse().expect("a valid stream"),
        Timestamp::from_us(1_700_000_000_000_000),
        "PLACEMENT".parse().expect("a valid purpose"),
        licence.encode_to_vec().into(),
    )
}
