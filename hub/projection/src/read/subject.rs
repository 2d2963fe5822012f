//! Whom a question names: an identifier of some kind, in its normal form.

use simpul_proto::v1::check_request;
use simpul_types::identity::{CardNumber, IdentityError, Mrz, Nik, Passport};

use crate::{event::IdentifierKind, key};

/// Whom a question names. Holds personal data: no `Debug`.
pub struct Subject {
    /// Of which kind the identifier is.
    pub kind: IdentifierKind,
    /// In its normal form.
    pub identifier: String,
    /// The person was named by a machine readable zone with a digit that does not fit.
    pub damaged_zone: bool,
}

impl Subject {
    /// Reads what a legality query says.
    ///
    /// # Errors
    /// [`IdentityError`] naming the field and its rule.
    pub fn read(subject: &check_request::Subject) -> Result<Self, IdentityError> {
        use check_request::Subject as S;
        let of =
            |kind, identifier: &str| Self { kind, identifier: identifier.to_owned(), damaged_zone: false };
        Ok(match subject {
            S::Nik(text) => of(IdentifierKind::Nik, Nik::parse(text)?.as_str()),
            S::Passport(text) => of(IdentifierKind::Passport, Passport::parse(text)?.as_str()),
            S::Card(text) => of(IdentifierKind::Card, CardNumber::parse(text)?.as_str()),
            S::Mrz(text) => {
                let mrz = Mrz::parse(text)?;
                let number = mrz.document_number();
                // A travel document in place of a passport has a number of another form; it leads to nobody yet.
                let passport = Passport::parse(number);
                let normal = passport.as_ref().map_or(number, Passport::as_str);
                Self { damaged_zone: !mrz.warnings().is_empty(), ..of(IdentifierKind::Passport, normal) }
            }
            S::PersonRef(text) => {
                let rule = "32 hexadecimal digits, small letters, as FindPersons gives them";
                let right = key::parse(text).is_some();
                right
                    .then(|| of(IdentifierKind::Reference, text))
                    .ok_or(IdentityError { field: "person_ref", rule })?
            }
        })
    }
}
