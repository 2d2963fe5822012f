//! What folding needs of an event, and nothing else of it: decoding a placement whole costs more than folding it.
//!
//! Each message here has some of the fields of the message of the same purpose in `proto/`, under the same tags. The rest
//! is skipped, so an event whose other fields are damaged is folded, and shown as not available when it is read.

use bytes::Bytes;
use prost::Message;
use simpul_log::{ReadError, Reader, StoredEvent};
use simpul_proto::{catalogue, directory};

use super::Unreadable;
use crate::row::Kind;

/// Of an event header.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Header {
    #[prost(string, tag = "3")]
    pub r#type: String,
    #[prost(string, tag = "4")]
    pub stream: String,
    #[prost(int64, tag = "6")]
    pub occurred_at_us: i64,
}

/// Of what is said about a person.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Claim {
    #[prost(string, tag = "1")]
    pub nik: String,
    #[prost(string, tag = "2")]
    pub passport: String,
    #[prost(string, tag = "3")]
    pub card: String,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub birth_date: String,
    #[prost(string, tag = "8")]
    pub mrz: String,
}

/// Of a piece of evidence.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Evidence {
    #[prost(enumeration = "simpul_proto::registry::EvidenceKind", tag = "1")]
    pub kind: i32,
    /// Text, not checked to be that: a placement has a dozen, of which one or two are looked at.
    #[prost(bytes = "bytes", tag = "2")]
    pub number: Bytes,
    #[prost(enumeration = "simpul_proto::registry::EvidenceResult", tag = "7")]
    pub result: i32,
}

/// Of a placement.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Placement {
    #[prost(message, optional, tag = "2")]
    pub person: Option<Claim>,
    #[prost(message, repeated, tag = "11")]
    pub evidence: Vec<Evidence>,
}

/// Of a licence.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Licence {
    #[prost(string, tag = "1")]
    pub licence_no: String,
}

/// Of a police report.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Report {
    #[prost(string, tag = "1")]
    pub lp_number: String,
    #[prost(message, repeated, tag = "7")]
    pub persons: Vec<CasePerson>,
    #[prost(string, tag = "8")]
    pub related_case_ref: String,
}

/// Of a person in a police report.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct CasePerson {
    #[prost(message, optional, tag = "2")]
    pub person: Option<Claim>,
}

/// Of an intake.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Intake {
    #[prost(string, tag = "3")]
    pub case_ref: String,
    #[prost(message, optional, tag = "4")]
    pub person: Option<Claim>,
}

/// Of a screening.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Screening {
    #[prost(string, tag = "3")]
    pub case_ref: String,
    #[prost(message, optional, tag = "11")]
    pub person: Option<Claim>,
}

/// What an event says, as far as it is folded. Holds personal data: no `Debug`.
pub(crate) enum Content {
    Placement(Placement),
    Licence(Licence),
    Report(Report),
    Intake(Intake),
    Screening(Screening),
    Agency(directory::AgencyDeclared),
    Connector(directory::ConnectorDeclared),
    Key(directory::KeyRegistered),
    KeyRevoked(directory::KeyRevoked),
    Policy(directory::PolicyDeclared),
    Proposed(directory::ChangeProposed),
    Approved(directory::ChangeApproved),
    /// The rest of the directory, which has no rows: agreements are `simpul-policy`'s.
    Directory,
    /// Any type that the options of the contract describe.
    Entry(super::entry::Gist),
}

impl Content {
    pub(crate) fn decode(event_type: &str, bytes: Bytes) -> Result<Self, Unreadable> {
        fn message<M: Message + Default>(bytes: Bytes) -> Result<M, Unreadable> {
            M::decode(bytes).map_err(|_| Unreadable::Payload)
        }
        match event_type {
            "simpul.registry.v1.PlacementRecorded" => message(bytes).map(Self::Placement),
            "simpul.registry.v1.LicenceRecorded" => message(bytes).map(Self::Licence),
            "simpul.police.v1.CaseUpdated" => message(bytes).map(Self::Report),
            "simpul.embassy.v1.IntakeRecorded" => message(bytes).map(Self::Intake),
            "simpul.embassy.v1.ScreeningSubmitted" => message(bytes).map(Self::Screening),
            "simpul.directory.v1.AgencyDeclared" => message(bytes).map(Self::Agency),
            "simpul.directory.v1.ConnectorDeclared" => message(bytes).map(Self::Connector),
            "simpul.directory.v1.KeyRegistered" => message(bytes).map(Self::Key),
            "simpul.directory.v1.KeyRevoked" => message(bytes).map(Self::KeyRevoked),
            "simpul.directory.v1.PolicyDeclared" => message(bytes).map(Self::Policy),
            "simpul.directory.v1.ChangeProposed" => message(bytes).map(Self::Proposed),
            "simpul.directory.v1.ChangeApproved" => message(bytes).map(Self::Approved),
            // What else the directory says decides, and shows nothing here.
            _ if event_type.starts_with("simpul.directory.v1.") && catalogue::knows(event_type) => {
                Ok(Self::Directory)
            }
            _ => super::entry::Gist::decode(event_type, &bytes).map(Self::Entry),
        }
    }

    /// Kind of source record that it is a snapshot of.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Placement(_) => Some(Kind::Placement),
            Self::Licence(_) => Some(Kind::Licence),
            Self::Report(_) => Some(Kind::Report),
            Self::Intake(_) => Some(Kind::Intake),
            Self::Screening(_) => Some(Kind::Screening),
            Self::Entry(_) => Some(Kind::Entry),
            _ => None,
        }
    }

    /// Drops what it says about persons.
    pub(super) fn forget_claims(&mut self) {
        match self {
            Self::Placement(placement) => *placement = Placement::default(),
            Self::Report(report) => report.persons = Vec::new(),
            Self::Intake(intake) => intake.person = None,
            Self::Screening(screening) => screening.person = None,
            Self::Entry(entry) => entry.claims = Vec::new(),
            _ => {}
        }
    }

    /// What it says about persons; the order is that of [`crate::row::Snapshot::persons`].
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Claim> {
        let (one, reported, many) = match self {
            Self::Placement(placement) => (placement.person.as_ref(), [].as_slice(), [].as_slice()),
            Self::Intake(intake) => (intake.person.as_ref(), [].as_slice(), [].as_slice()),
            Self::Screening(screening) => (screening.person.as_ref(), [].as_slice(), [].as_slice()),
            Self::Report(report) => (None, report.persons.as_slice(), [].as_slice()),
            Self::Entry(entry) => (None, [].as_slice(), entry.claims.as_slice()),
            _ => (None, [].as_slice(), [].as_slice()),
        };
        one.into_iter().chain(reported.iter().filter_map(|one| one.person.as_ref())).chain(many)
    }
}

/// An event that is at fault itself, which no retry changes.
pub(crate) struct Fault {
    /// Empty where the header does not say.
    pub(crate) event_type: String,
    pub(crate) why: Unreadable,
}

/// Header and content of a stored event. `Ok(Err(_))` where the event itself is at fault.
///
/// # Errors
/// The disk.
pub(crate) fn open(
    reader: &Reader,
    stored: &StoredEvent,
) -> Result<Result<(Header, Content), Fault>, ReadError> {
    let Ok(header) = Header::decode(stored.header.clone()) else {
        return Ok(Err(Fault { event_type: String::new(), why: Unreadable::Header }));
    };
    let opened = match reader.open_payload(stored) {
        Ok(opened) => Content::decode(&header.r#type, opened.payload),
        Err(error) if error.erased_by().is_some() => Err(Unreadable::Erased),
        Err(error) if super::is_sealed(&error) => Err(Unreadable::Key),
        Err(error) => return Err(error),
    };
    Ok(match opened {
        Ok(content) => Ok((header, content)),
        Err(why) => Err(Fault { event_type: header.r#type, why }),
    })
}

#[cfg(test)]
mod tests {
    use simpul_proto::{embassy, police, registry, v1};

    use super::*;

    fn claim() -> v1::PersonClaim {
        v1::PersonClaim {
            nik: "n".into(),
            passport: "p".into(),
            card: "c".into(),
            mrz: "m".into(),
            name: "w".into(),
            birth_date: "b".into(),
            sex: 1,
            ..Default::default()
        }
    }

    fn gist(name: &str, message: &impl Message) -> Content {
        Content::decode(name, message.encode_to_vec().into()).ok().unwrap()
    }

    #[test]
    fn the_gist_has_the_tags_of_the_whole_message() {
        let header = v1::EventHeader {
            r#type: "t".into(),
            stream: "s".into(),
            occurred_at_us: 7,
            ..Default::default()
        };
        let gist_of = Header::decode(&header.encode_to_vec()[..]).unwrap();
        assert_eq!((gist_of.r#type, gist_of.stream, gist_of.occurred_at_us), ("t".into(), "s".into(), 7));

        let evidence = registry::Evidence {
            kind: registry::EvidenceKind::Passport.into(),
            number: "X1".into(),
            result: registry::EvidenceResult::Valid.into(),
            ..Default::default()
        };
        let placement = registry::PlacementRecorded {
            person: Some(claim()),
            evidence: vec![evidence],
            ..Default::default()
        };
        let Content::Placement(gist_of) = gist("simpul.registry.v1.PlacementRecorded", &placement) else {
            panic!()
        };
        let passport = &gist_of.evidence[0];
        assert_eq!(passport.kind(), registry::EvidenceKind::Passport);
        assert_eq!((passport.result(), &passport.number[..]), (registry::EvidenceResult::Valid, &b"X1"[..]));

        let licence = registry::LicenceRecorded { licence_no: "l".into(), ..Default::default() };
        let Content::Licence(gist_of) = gist("simpul.registry.v1.LicenceRecorded", &licence) else {
            panic!()
        };
        assert_eq!(gist_of.licence_no, "l");

        let person = police::CasePerson { person: Some(claim()), ..Default::default() };
        let report = police::CaseUpdated {
            lp_number: "lp".into(),
            related_case_ref: "r".into(),
            persons: vec![person],
            ..Default::default()
        };
        let Content::Report(gist_of) = gist("simpul.police.v1.CaseUpdated", &report) else { panic!() };
        assert_eq!((&gist_of.lp_number[..], &gist_of.related_case_ref[..]), ("lp", "r"));

        let intake =
            embassy::IntakeRecorded { case_ref: "i".into(), person: Some(claim()), ..Default::default() };
        let Content::Intake(gist_of) = gist("simpul.embassy.v1.IntakeRecorded", &intake) else { panic!() };
        assert_eq!(gist_of.case_ref, "i");

        let screening =
            embassy::ScreeningSubmitted { case_ref: "s".into(), person: Some(claim()), ..Default::default() };
        let Content::Screening(gist_of) = gist("simpul.embassy.v1.ScreeningSubmitted", &screening) else {
            panic!()
        };
        assert_eq!(gist_of.case_ref, "s");

        for (name, bytes) in [
            ("simpul.registry.v1.PlacementRecorded", placement.encode_to_vec()),
            ("simpul.police.v1.CaseUpdated", report.encode_to_vec()),
            ("simpul.embassy.v1.IntakeRecorded", intake.encode_to_vec()),
            ("simpul.embassy.v1.ScreeningSubmitted", screening.encode_to_vec()),
        ] {
            let content = Content::decode(name, bytes.into()).ok().unwrap();
            let claims: Vec<_> = content.claims().collect();
            assert_eq!(claims.len(), 1, "{name}");
            let Claim { nik, passport, card, name: word, birth_date, mrz } = claims[0].clone();
            assert_eq!(
                [nik, passport, card, word, birth_date, mrz],
                ["n", "p", "c", "w", "b", "m"],
                "{name}"
            );
        }
    }
}
