//! What desks type and agencies drop: machine readable zones, numbers, mapping files, CSV.

use std::str::from_utf8;

use simpul_connector::Mapping;
use simpul_file_drop::split;
use simpul_types::identity::{CardNumber, Mrz, Nik, Passport};

pub(crate) fn mrz(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(mrz) = Mrz::parse(text) {
        assert!(!mrz.document_number().is_empty());
        mrz.birth_date();
        mrz.expiry_date();
        mrz.sex();
        for text in [mrz.surname(), mrz.given_names()] {
            assert!(!text.contains('<'), "fillers are gone: {text}");
        }
    }
}

pub(crate) fn identity(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(nik) = Nik::parse(text) {
        nik.birth_dates();
        nik.sex();
        assert_eq!(Nik::parse(nik.as_str()), Ok(nik.clone()));
    }
    if let Ok(passport) = Passport::parse(text) {
        assert_eq!(Passport::parse(passport.as_str()), Ok(passport.clone()));
    }
    if let Ok(card) = CardNumber::parse(text) {
        assert_eq!(CardNumber::parse(card.as_str()), Ok(card.clone()));
    }
}

pub(crate) fn mapping(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(mapping) = Mapping::parse(text) {
        mapping.required_columns().count();
    }
}

/// The first byte chooses the delimiter.
pub(crate) fn csv(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let delimiter = [b',', b';', b'\t', b'|'][usize::from(*choice) % 4];
    let text = split::without_mark(text);
    let mut bytes = 0;
    for record in split::records(text, delimiter) {
        bytes += record.bytes.len();
        split::fields(record.bytes, delimiter);
    }
    assert!(bytes <= text.len(), "no byte is read twice");
}
