//! Rows of the registry's exports; the columns are those of `connectors/mappings/sisko-*.toml`.

use jiff::{ToSpan, civil::Date};

use super::registry::{Defect, Placement, Registry, Scheme};

/// Columns of the licence export.
pub(super) const LICENCE_COLUMNS: [&str; 12] = [
    "JENIS_IZIN",
    "NO_IZIN",
    "NAMA_P3MI",
    "BERLAKU_DARI",
    "BERLAKU_S_D",
    "TGL_CABUT",
    "NO_SIP3MI_INDUK",
    "NEGARA_TUJUAN",
    "SKORSING_DARI",
    "SKORSING_S_D",
    "NO_SK_SKORSING",
    "TGL_UBAH",
];

/// Columns of the placement export.
pub(super) const PLACEMENT_COLUMNS: [&str; 60] = [
    "NO_PENEMPATAN",
    "NIK",
    "NAMA_LENGKAP",
    "TGL_LAHIR",
    "JENIS_KELAMIN",
    "KODE_DESA",
    "NO_TELEPON",
    "NO_PASPOR",
    "TGL_PASPOR",
    "PASPOR_S_D",
    "TUJUAN_PASPOR",
    "SKEMA",
    "NEGARA",
    "JABATAN",
    "NAMA_PEMBERI_KERJA",
    "JENIS_PEMBERI_KERJA",
    "NO_SIP3MI",
    "NO_SIP2MI",
    "TGL_BERANGKAT",
    "TGL_BERANGKAT_AWAL",
    "STATUS",
    "HASIL_CEK_NIK",
    "TGL_CEK_NIK",
    "NO_SERTIFIKAT",
    "LSP",
    "TGL_SERTIFIKAT",
    "SERTIFIKAT_S_D",
    "STATUS_SERTIFIKAT",
    "NO_MEDIKAL",
    "TGL_MEDIKAL",
    "SARANA_KESEHATAN",
    "NO_PSIKOLOGI",
    "TGL_PSIKOLOGI",
    "NO_BPJSTK",
    "BPJSTK_DARI",
    "BPJSTK_S_D",
    "NO_STATUS_KAWIN",
    "TGL_STATUS_KAWIN",
    "NO_IZIN_KELUARGA",
    "TGL_IZIN_KELUARGA",
    "STATUS_IZIN_KELUARGA",
    "NO_VISA",
    "TGL_VISA",
    "VISA_S_D",
    "JENIS_VISA",
    "NO_PP",
    "TGL_PP",
    "NO_PK",
    "TGL_PK",
    "PK_S_D",
    "NO_OPP",
    "TGL_OPP",
    "NO_KARTU",
    "TGL_KARTU",
    "KARTU_S_D",
    "NO_BERKAS_PERSEORANGAN",
    "TGL_BERKAS_PERSEORANGAN",
    "NO_ID_DISNAKER",
    "TGL_ID_DISNAKER",
    "TGL_UBAH",
];

/// Years that cover every departure of a sample.
const LICENSED: (Date, Date) = (Date::constant(2021, 1, 1), Date::constant(2027, 12, 31));
const SUSPENDED: Date = Date::constant(2023, 1, 1);

/// SIP3MI of a company; the last one is suspended.
pub(super) fn company(registry: &Registry, number: u64) -> [String; 12] {
    let suspended = number == registry.suspended_company();
    [
        "SIP3MI".into(),
        company_licence(number),
        registry.company(number),
        day(LICENSED.0),
        day(LICENSED.1),
        String::new(),
        String::new(),
        String::new(),
        if suspended { day(SUSPENDED) } else { String::new() },
        String::new(),
        if suspended { "SK/SKORSING/1/2023".into() } else { String::new() },
        stamp(SUSPENDED),
    ]
}

/// SIP2MI: every company has one for each destination.
pub(super) fn permit(registry: &Registry, number: u64) -> [String; 12] {
    let (company, destination) = registry.permit(number);
    [
        "SIP2MI".into(),
        permit_licence(company, destination),
        registry.company(company),
        day(LICENSED.0),
        day(LICENSED.1),
        String::new(),
        company_licence(company),
        destination.into(),
        String::new(),
        String::new(),
        String::new(),
        stamp(SUSPENDED),
    ]
}

fn company_licence(number: u64) -> String {
    format!("SIP3MI/{:04}/2021", number + 1)
}

fn permit_licence(company: u64, destination: &str) -> String {
    format!("SIP2MI/{:04}/{destination}/2021", company + 1)
}

/// One placement with all the evidence its scheme asks for, less what its defect takes away.
pub(super) fn placement(of: &Placement) -> [String; 60] {
    let number = |prefix: &str| format!("{prefix}/{}", &of.number[3..]);
    let before = |days: i64| day(of.departure.saturating_sub(days.days()));
    let after = |days: i64| day(of.departure.saturating_add(days.days()));
    let when = |holds: bool, text: String| if holds { text } else { String::new() };
    let first = of.scheme != Scheme::ReEntry;
    let placed = of.company.is_some();
    let agreed = placed || of.scheme == Scheme::GToG;
    let individual = of.scheme == Scheme::Individual;
    let insured = first && of.defect != Some(Defect::NoSocialSecurity);
    let tourist = of.defect == Some(Defect::TouristVisa);
    let medical = if of.defect == Some(Defect::MedicalTooOld) { 200 } else { 35 };
    let person = &of.person;
    [
        of.number.clone(),
        person.nik.clone(),
        person.name.clone(),
        day(person.birth),
        if person.female { "P" } else { "L" }.into(),
        person.village.clone(),
        person.phone.clone(),
        person.passport.clone(),
        before(120),
        after(3_000),
        "BEKERJA".into(),
        match of.scheme {
            Scheme::PToP => "P TO P",
            Scheme::Individual => "PERSEORANGAN",
            Scheme::ReEntry => "RE-ENTRY",
            Scheme::GToG => "G TO G",
        }
        .into(),
        of.destination.code.into(),
        of.occupation.into(),
        of.employer.clone(),
        if of.household { "RUMAH TANGGA" } else { "BADAN HUKUM" }.into(),
        of.company.map(company_licence).unwrap_or_default(),
        of.company.map(|company| permit_licence(company, of.destination.code)).unwrap_or_default(),
        day(of.departure),
        of.first_departure.map(day).unwrap_or_default(),
        if of.returned { "PULANG" } else { "BERANGKAT" }.into(),
        if of.defect == Some(Defect::IdentityUnchecked) { "BELUM DIVERIFIKASI" } else { "SESUAI" }.into(),
        before(100),
        when(first, number("SKK")),
        when(first, "LSP Sampel".into()),
        when(first, before(95)),
        when(first, after(1_000)),
        when(first, if of.defect == Some(Defect::ForgedCertificate) { "PALSU" } else { "SAH" }.into()),
        number("MCU"),
        before(medical),
        "Klinik Sampel".into(),
        number("PSI"),
        before(34),
        when(insured, number("BPJS")),
        when(insured, before(10)),
        when(insured, after(800)),
        when(first, number("SKN")),
        when(first, before(80)),
        when(first, number("IZK")),
        when(first, before(80)),
        when(first, "SAH".into()),
        number("VISA"),
        before(30),
        after(730),
        if tourist { "WISATA" } else { "KERJA" }.into(),
        when(agreed, number("PP")),
        when(agreed, before(95)),
        number("PK"),
        day(of.signed),
        after(730),
        when(first, number("OPP")),
        when(first, before(7)),
        person.card.clone(),
        before(5),
        after(730),
        when(individual, number("BPS")),
        when(individual, before(20)),
        when(first, number("CPMI")),
        when(first, before(110)),
        stamp(of.departure),
    ]
}

fn day(date: Date) -> String {
    format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
}

fn stamp(date: Date) -> String {
    format!("{} 09:30:00", day(date))
}
