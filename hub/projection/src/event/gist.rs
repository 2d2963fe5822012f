//! What folding needs of an event, and nothing else of it: decoding a placement whole costs more than folding it.
//!
//! Each message here has some of the fields of the message of the same purpose in `proto/`, under the same numbers, which
//! stand where it is read. The rest is stepped over, so an event whose other fields are damaged is folded, and shown as not
//! available when it is read. Whom an event speaks of is reduced to keyed hashes at once ([`super::mention`]).

use prost::Message;
use simpul_log::{ReadError, Reader, StoredEvent};
use simpul_proto::{
    catalogue, directory,
    registry::{EvidenceKind, EvidenceResult},
};

use super::{
    Unreadable,
    mention::{IdentifierKind, Mention, mentions},
    wire,
};
use crate::{
    key::{Blind, Id},
    projection::record_id,
    row::Kind,
};

/// Of an event header.
#[derive(Default)]
struct Header<'a> {
    event_type: &'a str,
    stream: &'a str,
    /// µs.
    occurred_at: i64,
}

/// Of what is said about a person. Holds personal data: no `Debug`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Claim<'a> {
    pub(crate) nik: &'a str,
    pub(crate) passport: &'a str,
    pub(crate) card: &'a str,
    pub(crate) name: &'a str,
    pub(crate) birth_date: &'a str,
    pub(crate) mrz: &'a str,
}

/// Whom a payload speaks of. Holds personal data: no `Debug`.
#[derive(Default)]
pub(crate) struct Persons<'a> {
    /// The order is that of [`crate::row::Snapshot::persons`].
    pub(crate) claims: Vec<Claim<'a>>,
    /// Numbers of passports and cards in the evidence of a placement, none that was found invalid. Not checked to be text.
    pub(crate) papers: Vec<(IdentifierKind, &'a [u8])>,
}

/// What an event says beside the persons, as far as it is folded. Holds personal data: no `Debug`.
pub(crate) enum Content {
    Placement,
    Licence {
        licence_no: String,
    },
    Report {
        lp_number: String,
        related_case_ref: String,
    },
    Intake {
        case_ref: String,
    },
    Screening {
        case_ref: String,
    },
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

/// An event, opened. May hold personal data: no `Debug`.
pub(crate) struct Opened {
    /// `occurred_at` of its header, µs.
    pub(crate) occurred_at: i64,
    /// The source record it is a snapshot of.
    pub(crate) record: Option<Id>,
    /// Whom it speaks of, in the order of its claims.
    pub(crate) mentions: Vec<Mention>,
    /// What else it says.
    pub(crate) content: Content,
}

impl Opened {
    /// Every identifier that it tells, of all of its persons.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = Id> {
        self.mentions.iter().flat_map(|mention| &mention.identifiers).map(|(_, id)| *id)
    }
}

impl<'a> Header<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Self::default();
        wire::each(bytes, |number, value| {
            match number {
                3 => header.event_type = value.text()?,
                4 => header.stream = value.text()?,
                6 => header.occurred_at = value.number()? as i64,
                _ => {}
            }
            Some(())
        })?;
        Some(header)
    }
}

impl<'a> Claim<'a> {
    /// With what these bytes say; where they stand behind others of the same field, they go on from there.
    pub(super) fn read(mut self, bytes: &'a [u8]) -> Option<Self> {
        wire::each(bytes, |number, value| {
            let field = match number {
                1 => &mut self.nik,
                2 => &mut self.passport,
                3 => &mut self.card,
                4 => &mut self.name,
                5 => &mut self.birth_date,
                8 => &mut self.mrz,
                _ => return Some(()),
            };
            *field = value.text()?;
            Some(())
        })?;
        Some(self)
    }
}

/// The number in a piece of evidence that identifies somebody.
fn paper(evidence: &[u8]) -> Option<Option<(IdentifierKind, &[u8])>> {
    let (mut kind, mut found, mut result) = (0, &[][..], 0);
    wire::each(evidence, |number, value| {
        match number {
            1 => kind = value.number()? as i32,
            2 => found = value.bytes()?,
            7 => result = value.number()? as i32,
            _ => {}
        }
        Some(())
    })?;
    let kind = match EvidenceKind::try_from(kind) {
        Ok(EvidenceKind::Passport) => IdentifierKind::Passport,
        Ok(EvidenceKind::WorkerCard) => IdentifierKind::Card,
        _ => return Some(None),
    };
    Some((result != EvidenceResult::Invalid as i32).then_some((kind, found)))
}

impl Content {
    /// A payload by the name of its type, and whom it speaks of.
    pub(crate) fn decode<'a>(event_type: &str, payload: &'a [u8]) -> Result<(Self, Persons<'a>), Unreadable> {
        fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, Unreadable> {
            M::decode(bytes).map_err(|_| Unreadable::Payload)
        }
        let mut persons = Persons::default();
        let content = match event_type {
            "simpul.registry.v1.PlacementRecorded" => {
                persons.of_placement(payload).ok_or(Unreadable::Payload)?;
                Self::Placement
            }
            "simpul.registry.v1.LicenceRecorded" => {
                let [licence_no] = texts(payload, [1]).ok_or(Unreadable::Payload)?;
                Self::Licence { licence_no }
            }
            "simpul.police.v1.CaseUpdated" => {
                let [lp_number, related_case_ref] = texts(payload, [1, 8]).ok_or(Unreadable::Payload)?;
                persons.of_report(payload).ok_or(Unreadable::Payload)?;
                Self::Report { lp_number, related_case_ref }
            }
            "simpul.embassy.v1.IntakeRecorded" => {
                let [case_ref] = texts(payload, [3]).ok_or(Unreadable::Payload)?;
                persons.of_one(payload, 4).ok_or(Unreadable::Payload)?;
                Self::Intake { case_ref }
            }
            "simpul.embassy.v1.ScreeningSubmitted" => {
                let [case_ref] = texts(payload, [3]).ok_or(Unreadable::Payload)?;
                persons.of_one(payload, 11).ok_or(Unreadable::Payload)?;
                Self::Screening { case_ref }
            }
            "simpul.directory.v1.AgencyDeclared" => Self::Agency(message(payload)?),
            "simpul.directory.v1.ConnectorDeclared" => Self::Connector(message(payload)?),
            "simpul.directory.v1.KeyRegistered" => Self::Key(message(payload)?),
            "simpul.directory.v1.KeyRevoked" => Self::KeyRevoked(message(payload)?),
            "simpul.directory.v1.PolicyDeclared" => Self::Policy(message(payload)?),
            "simpul.directory.v1.ChangeProposed" => Self::Proposed(message(payload)?),
            "simpul.directory.v1.ChangeApproved" => Self::Approved(message(payload)?),
            // What else the directory says decides, and shows nothing here.
            _ if event_type.starts_with("simpul.directory.v1.") && catalogue::knows(event_type) => {
                Self::Directory
            }
            _ => Self::Entry(super::entry::Gist::decode(event_type, payload, &mut persons.claims)?),
        };
        Ok((content, persons))
    }

    /// Kind of source record that it is a snapshot of.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Placement => Some(Kind::Placement),
            Self::Licence { .. } => Some(Kind::Licence),
            Self::Report { .. } => Some(Kind::Report),
            Self::Intake { .. } => Some(Kind::Intake),
            Self::Screening { .. } => Some(Kind::Screening),
            Self::Entry(_) => Some(Kind::Entry),
            _ => None,
        }
    }
}

impl<'a> Persons<'a> {
    fn of_placement(&mut self, payload: &'a [u8]) -> Option<()> {
        let mut person: Option<Claim<'a>> = None;
        wire::each(payload, |number, value| {
            match number {
                2 => person = Some(person.unwrap_or_default().read(value.bytes()?)?),
                11 => self.papers.extend(paper(value.bytes()?)?),
                _ => {}
            }
            Some(())
        })?;
        self.claims.extend(person);
        Some(())
    }

    /// Of a message with one person in this field.
    fn of_one(&mut self, payload: &'a [u8], field: u32) -> Option<()> {
        let mut person: Option<Claim<'a>> = None;
        wire::each(payload, |number, value| {
            if number == field {
                person = Some(person.unwrap_or_default().read(value.bytes()?)?);
            }
            Some(())
        })?;
        self.claims.extend(person);
        Some(())
    }

    fn of_report(&mut self, payload: &'a [u8]) -> Option<()> {
        wire::each(payload, |number, value| {
            // A case's person: who it is, and in which roles.
            if number == 7 { self.of_one(value.bytes()?, 2) } else { Some(()) }
        })
    }
}

/// Texts of a message by the numbers of their fields; what is not there is empty.
fn texts<const N: usize>(payload: &[u8], fields: [u32; N]) -> Option<[String; N]> {
    let mut found = [""; N];
    wire::each(payload, |number, value| {
        if let Some(at) = fields.iter().position(|field| *field == number) {
            found[at] = value.text()?;
        }
        Some(())
    })?;
    Some(found.map(str::to_owned))
}

/// An event that is at fault itself, which no retry changes.
pub(crate) struct Fault {
    /// Empty where the header does not say.
    pub(crate) event_type: String,
    pub(crate) why: Unreadable,
}

/// A stored event, opened. `Ok(Err(_))` where the event itself is at fault.
///
/// # Errors
/// The disk.
pub(crate) fn open(
    reader: &Reader,
    blind: &Blind,
    stored: &StoredEvent,
) -> Result<Result<Opened, Fault>, ReadError> {
    let Some(header) = Header::decode(&stored.header) else {
        return Ok(Err(Fault { event_type: String::new(), why: Unreadable::Header }));
    };
    let fault = |why| Ok(Err(Fault { event_type: header.event_type.to_owned(), why }));
    let payload = match reader.open_payload(stored) {
        Ok(opened) => opened.payload,
        Err(error) if error.erased_by().is_some() => return fault(Unreadable::Erased),
        Err(error) if super::is_sealed(&error) => return fault(Unreadable::Key),
        Err(error) => return Err(error),
    };
    match Content::decode(header.event_type, &payload) {
        Ok((content, persons)) => Ok(Ok(Opened {
            occurred_at: header.occurred_at,
            record: content.kind().map(|kind| record_id(blind, kind, header.stream)),
            mentions: mentions(blind, &persons),
            content,
        })),
        Err(why) => fault(why),
    }
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

    fn claim_of(persons: &Persons<'_>) -> [String; 6] {
        assert_eq!(persons.claims.len(), 1);
        let Claim { nik, passport, card, name, birth_date, mrz } = persons.claims[0];
        [nik, passport, card, name, birth_date, mrz].map(str::to_owned)
    }

    #[test]
    fn the_gist_has_the_numbers_of_the_whole_message() {
        let header = v1::EventHeader {
            r#type: "t".into(),
            stream: "s".into(),
            occurred_at_us: 7,
            ..Default::default()
        };
        let bytes = header.encode_to_vec();
        let gist_of = Header::decode(&bytes).unwrap();
        assert_eq!((gist_of.event_type, gist_of.stream, gist_of.occurred_at), ("t", "s", 7));

        let whole = ["n", "p", "c", "w", "b", "m"];
        let evidence = |kind: EvidenceKind, number: &str, result: EvidenceResult| registry::Evidence {
            kind: kind.into(),
            number: number.into(),
            result: result.into(),
            ..Default::default()
        };
        let placement = registry::PlacementRecorded {
            person: Some(claim()),
            evidence: vec![
                evidence(EvidenceKind::Passport, "X1", EvidenceResult::Valid),
                evidence(EvidenceKind::Visa, "V1", EvidenceResult::Valid),
                evidence(EvidenceKind::Passport, "X2", EvidenceResult::Invalid),
                evidence(EvidenceKind::WorkerCard, "C1", EvidenceResult::Unspecified),
            ],
            ..Default::default()
        };
        let bytes = placement.encode_to_vec();
        let (content, persons) =
            Content::decode("simpul.registry.v1.PlacementRecorded", &bytes).ok().unwrap();
        assert!(matches!(content, Content::Placement));
        assert_eq!(claim_of(&persons), whole);
        let papers = [(IdentifierKind::Passport, &b"X1"[..]), (IdentifierKind::Card, b"C1")];
        assert_eq!(persons.papers, papers);

        let licence = registry::LicenceRecorded { licence_no: "l".into(), ..Default::default() };
        let bytes = licence.encode_to_vec();
        let (content, _) = Content::decode("simpul.registry.v1.LicenceRecorded", &bytes).ok().unwrap();
        assert!(matches!(content, Content::Licence { licence_no } if licence_no == "l"));

        let person = police::CasePerson { person: Some(claim()), ..Default::default() };
        let report = police::CaseUpdated {
            lp_number: "lp".into(),
            related_case_ref: "r".into(),
            persons: vec![person, police::CasePerson::default()],
            ..Default::default()
        };
        let bytes = report.encode_to_vec();
        let (content, persons) = Content::decode("simpul.police.v1.CaseUpdated", &bytes).ok().unwrap();
        assert!(
            matches!(content, Content::Report { lp_number, related_case_ref } if lp_number == "lp" && related_case_ref == "r")
        );
        assert_eq!(claim_of(&persons), whole);

        let intake =
            embassy::IntakeRecorded { case_ref: "i".into(), person: Some(claim()), ..Default::default() };
        let bytes = intake.encode_to_vec();
        let (content, persons) = Content::decode("simpul.embassy.v1.IntakeRecorded", &bytes).ok().unwrap();
        assert!(matches!(content, Content::Intake { case_ref } if case_ref == "i"));
        assert_eq!(claim_of(&persons), whole);

        let screening =
            embassy::ScreeningSubmitted { case_ref: "s".into(), person: Some(claim()), ..Default::default() };
        let bytes = screening.encode_to_vec();
        let (content, persons) =
            Content::decode("simpul.embassy.v1.ScreeningSubmitted", &bytes).ok().unwrap();
        assert!(matches!(content, Content::Screening { case_ref } if case_ref == "s"));
        assert_eq!(claim_of(&persons), whole);
    }

    #[test]
    fn a_field_that_stands_twice_is_read_as_protobuf_reads_it() {
        let half = |nik: &str, name: &str| embassy::IntakeRecorded {
            case_ref: nik.into(),
            person: Some(v1::PersonClaim { nik: nik.into(), name: name.into(), ..Default::default() }),
            ..Default::default()
        };
        let bytes = [half("one", "").encode_to_vec(), half("two", "Sari").encode_to_vec()].concat();
        let whole = embassy::IntakeRecorded::decode(&bytes[..]).unwrap();
        let (content, persons) = Content::decode("simpul.embassy.v1.IntakeRecorded", &bytes).ok().unwrap();
        assert!(matches!(content, Content::Intake { case_ref } if case_ref == whole.case_ref));
        let person = whole.person.unwrap();
        assert_eq!((persons.claims[0].nik, persons.claims[0].name), (&person.nik[..], &person.name[..]));
    }

    #[test]
    fn what_is_no_message_is_told() {
        let unreadable = |name: &str, bytes: &[u8]| Content::decode(name, bytes).err();
        for cut in [&b"\x12\xff"[..], b"\x12\x02\x0a", b"\x12\x03\x0a\x01\xff", b"\x10\x01"] {
            let why = unreadable("simpul.registry.v1.PlacementRecorded", cut);
            assert_eq!(why, Some(Unreadable::Payload), "{cut:?}");
        }
        assert_eq!(
            unreadable("simpul.registry.v1.LicenceRecorded", b"\x0a\x01\xff"),
            Some(Unreadable::Payload)
        );
    }
}
