//! Documents of police and mission; their fields are those of `connectors/mappings/polri-*.toml` and `mission-*.toml`.
//!
//! Proportions, from published figures (`domain.md` §4.2): troubled returns 10,568, police reports of trafficking 1,061, both
//! against 297,434 placements; 111 of 142 complaints came from people whom no registry knew; 40 % of scam cases were
//! assessed as trafficking.

use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

use super::{
    draw::Draw,
    mrz,
    person::{PERSONS_MAX, Person},
    registry::Registry,
};

const PLACEMENTS: u64 = 297_434;
const TROUBLED: u64 = 10_568;
const REPORTS: u64 = 1_061;
/// Share of troubled persons whom the registry does not know.
const UNKNOWN: (u64, u64) = (111, 142);
/// Share of screenings that identify a victim.
const IDENTIFIED: (u64, u64) = (2, 5);

const STAGES: &[&str] =
    &["PENYELIDIKAN", "PENYIDIKAN", "SPDP", "TAHAP I", "P-21", "TAHAP II", "SIDANG", "INKRACHT"];
const INDICATORS: &[&str] = &[
    "JERATAN UTANG",
    "PENIPUAN",
    "PEMBATASAN GERAK",
    "PENAHANAN DOKUMEN",
    "PENAHANAN UPAH",
    "ANCAMAN",
    "LEMBUR BERLEBIHAN",
];
const NEEDS: &[&str] = &["MEDIS", "PENAMPUNGAN", "KEAMANAN", "DOKUMEN PERJALANAN"];

/// What police and mission hold of one sample.
pub(super) struct Forms {
    seed: u64,
    persons: u64,
}

/// One first contact.
pub(super) struct Contact {
    number: u64,
    person: Person,
    day: Date,
    tourist: bool,
    draw: Draw,
}

impl Forms {
    pub(super) fn new(seed: u64, persons: u64) -> Self {
        Self { seed, persons }
    }

    pub(super) fn intakes(&self) -> u64 {
        share(self.persons, TROUBLED)
    }

    pub(super) fn police_reports(&self) -> u64 {
        share(self.persons, REPORTS)
    }

    /// Contact `number`: a person of the registry, or one whom nobody has recorded.
    pub(super) fn contact(&self, registry: &Registry, number: u64) -> Contact {
        let mut draw = Draw::new(self.seed, "contact", number);
        let known = !draw.share(UNKNOWN.0, UNKNOWN.1) && self.persons > 0;
        let (person, day) = if known {
            let placement = registry.placement(draw.below(self.persons));
            (placement.person, placement.departure)
        } else {
            let left = Date::constant(2023, 9, 1).saturating_add(draw.between(0, 700).days());
            // Persons beyond those of the registry; their number is bounded by the sample's own bound.
            let index = (self.persons + number).min(PERSONS_MAX - 1);
            (Person::new(self.seed, index, left, draw.share(1, 50)), left)
        };
        let day = day.saturating_add(draw.between(14, 60).days());
        Contact { number, person, day, tourist: !known && draw.share(4, 5), draw }
    }

    /// Police report `number`: its victims are persons whom the mission met, or placed ones.
    pub(super) fn police_report(&self, registry: &Registry, number: u64) -> Value {
        let mut draw = Draw::new(self.seed, "report", number);
        let contact = self.contact(registry, draw.below(self.intakes().max(1)));
        let day = contact.day.saturating_add(draw.between(3, 90).days());
        let roman = ROMAN[usize::from(day.month().unsigned_abs()) - 1];
        let public = draw.share(2, 3);
        let series = if public { "B" } else { "A" };
        let stage = draw.pick(STAGES);
        let mut people = vec![party(&contact.person, &["KORBAN"], None)];
        for suspect in 0..=draw.below(2) {
            let index = PERSONS_MAX - 1 - (number * 3 + suspect) % 100_000;
            let suspect = Person::new(self.seed, index, contact.day, false);
            people.push(party(&suspect, &["TERSANGKA", "PEREKRUT"], Some(stage)));
        }
        json!({
            "nomor_lp": format!("LP/{series}/{}/{roman}/{}/SPKT/POLDA SAMPEL", number + 1, day.year()),
            "versi": 1,
            "diperbarui_pada": stamp(day),
            "jenis_laporan": format!("LP/{series}"),
            "tahap": stage,
            "tanggal_tahap": day.to_string(),
            "satuan": "POLDA SAMPEL/DITRESKRIMUM",
            "pasal": ["UU 21/2007 pasal 4"],
            "nomor_kasus_terkait": case_ref(contact.number),
            "pihak": people,
        })
    }
}

const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

fn party(person: &Person, roles: &[&str], stage: Option<&str>) -> Value {
    let mut party = json!({
        "peran": roles,
        "nama_lengkap": person.name,
        "tanggal_lahir": person.birth.to_string(),
        "jenis_kelamin": if person.female { "P" } else { "L" },
        "kewarganegaraan": "IDN",
        "nik": person.nik,
    });
    if let Some(stage) = stage {
        party["tahap"] = stage.into();
    }
    party
}

/// The intake of a contact; two of three come with a machine readable zone in place of typed fields.
pub(super) fn intake(contact: &Contact) -> Value {
    let mut draw = contact.draw.clone();
    let person = &contact.person;
    let claim = if draw.share(2, 3) {
        json!({ "mrz": mrz::td3(person, contact.day.saturating_add(1_500.days())), "telepon": person.phone })
    } else {
        json!({
            "nik": person.nik,
            "nama_lengkap": person.name,
            "tanggal_lahir": person.birth.to_string(),
            "jenis_kelamin": if person.female { "P" } else { "L" },
            "kewarganegaraan": "IDN",
            "telepon": person.phone,
        })
    };
    json!({
        "perwakilan": "KBRI YANGON",
        "nomor_penerimaan": intake_no(contact.number),
        "nomor_kasus": case_ref(contact.number),
        "dicatat_pada": stamp(contact.day),
        "orang": claim,
        "kategori_tinggal": if contact.tourist { "WISATAWAN" } else { "PEKERJA" },
        "tanggal_kontak": contact.day.to_string(),
        "negara_lokasi": "MMR",
        "kronologi": "Kronologi rekaan untuk uji beban.",
        "kebutuhan_mendesak": [draw.pick(NEEDS)],
        "alamat_penampungan": "Penampungan Sampel",
        "kontak_perekrut": "+628990000000",
    })
}

/// Four of five contacts are screened.
pub(super) fn screening(contact: &Contact) -> Option<Value> {
    let mut draw = Draw::new(contact.number, "screening", contact.draw.clone().below(u64::MAX));
    if !draw.share(4, 5) {
        return None;
    }
    let (international, found) = match draw.share(IDENTIFIED.0, IDENTIFIED.1) {
        true => ("TERIDENTIFIKASI", 4),
        false if draw.share(1, 2) => ("INDIKASI", 2),
        false => ("TIDAK ADA INDIKASI", 0),
    };
    let mut indicators: Vec<&str> = (0..found).map(|_| draw.pick(INDICATORS)).collect();
    indicators.sort_unstable();
    indicators.dedup();
    let person = &contact.person;
    Some(json!({
        "perwakilan": "KBRI YANGON",
        "nomor_skrining": format!("SKR-{:07}", contact.number + 1),
        "nomor_penerimaan": intake_no(contact.number),
        "nomor_kasus": case_ref(contact.number),
        "versi_formulir": "gugus-tugas-2024/1",
        "petugas": format!("petugas-{}", 1 + draw.below(9)),
        "dicatat_pada": stamp(contact.day.saturating_add(1.day())),
        "indikator": indicators,
        "jenis_eksploitasi": if found > 0 { "KEJAHATAN PAKSA" } else { "LAINNYA" },
        "hasil_internasional": international,
        "hasil_domestik": international,
        "catatan_wawancara": "Catatan rekaan untuk uji beban.",
        "orang": { "nik": person.nik, "nama_lengkap": person.name, "tanggal_lahir": person.birth.to_string() },
    }))
}

/// At least one, so that even the smallest sample has every kind of record.
fn share(persons: u64, of: u64) -> u64 {
    (u128::from(persons) * u128::from(of) / u128::from(PLACEMENTS)).max(1) as u64
}

fn intake_no(number: u64) -> String {
    format!("PNR-{:07}", number + 1)
}

fn case_ref(number: u64) -> String {
    format!("KBRI-YGN-{:07}", number + 1)
}

fn stamp(date: Date) -> String {
    format!("{date}T08:15:00+06:30")
}
