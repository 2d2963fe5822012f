//! Events that the options of the contract describe (`simpul_proto::catalogue`): read by those options, with no code per type.

use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use simpul_proto::{
    catalogue::{self, EventKind, FieldForm, MessageRules, rules::PERSON_CLAIM},
    prevention::IndicatorClaim,
    v1::{Link, PersonClaim},
};

use simpul_types::FieldClass;

use super::{Unreadable, gist::Claim, wire};

/// Name of the message that holds what may lead to a recruiter.
const INDICATOR_CLAIM: &str = "simpul.prevention.v1.IndicatorClaim";

/// A whole payload. Holds personal data: no `Debug`.
pub struct Entry {
    /// Its type.
    pub kind: &'static EventKind,
    /// What it says.
    pub message: DynamicMessage,
    /// Its person claims, in the order of their fields.
    pub claims: Vec<PersonClaim>,
    /// Whether each claim is about a suspect or a recruiter.
    pub(crate) accused: Vec<bool>,
}

impl Entry {
    pub(super) fn decode(event_type: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
        let kind = catalogue::kind(event_type).ok_or(Unreadable::Type)?;
        let decoded = catalogue::decode_payload(event_type, bytes).ok_or(Unreadable::Type)?;
        let message = decoded.map_err(|_| Unreadable::Payload)?;
        let (mut claims, mut accused) = (Vec::new(), Vec::new());
        gather(kind.rules, &message, &mut claims, &mut accused).ok_or(Unreadable::Payload)?;
        Ok(Self { kind, message, claims, accused })
    }
}

impl Entry {
    /// What may lead to a recruiter.
    pub(crate) fn indicators(&self) -> Vec<IndicatorClaim> {
        let mut found = Vec::new();
        self.kind.rules.fields.iter().for_each(|field| {
            if let FieldForm::Message(inner) = field.form
                && inner.name == INDICATOR_CLAIM
            {
                let claims = messages(&self.message, field.number);
                found.extend(claims.iter().filter_map(|claim| claim.transcode_to::<IndicatorClaim>().ok()));
            }
        });
        found
    }

    /// The one agency that it is for; empty where policy alone decides.
    pub(crate) fn addressee(&self) -> String {
        let field = self.kind.rules.fields.iter().find(|field| field.link == Link::Addressee);
        field.map(|field| self.text(field.name)).unwrap_or_default()
    }

    /// A text of the payload itself; empty where it does not stand.
    pub(crate) fn text(&self, name: &str) -> String {
        let value = self.message.get_field_by_name(name);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

fn gather(
    rules: &MessageRules,
    message: &DynamicMessage,
    claims: &mut Vec<PersonClaim>,
    accused: &mut Vec<bool>,
) -> Option<()> {
    for field in &rules.fields {
        let FieldForm::Message(inner) = field.form else { continue };
        for one in messages(message, field.number) {
            if inner.name == PERSON_CLAIM {
                claims.push(one.transcode_to().ok()?);
                accused.push(field.class == FieldClass::Suspect.as_str());
            } else {
                gather(inner, &one, claims, accused)?;
            }
        }
    }
    Some(())
}

/// The messages of a field, none where it does not stand.
pub(crate) fn messages(message: &DynamicMessage, number: u32) -> Vec<DynamicMessage> {
    match message.get_field_by_number(number).filter(|_| message.has_field_by_number(number)).as_deref() {
        Some(Value::Message(one)) => vec![one.clone()],
        Some(Value::List(many)) => many.iter().filter_map(Value::as_message).cloned().collect(),
        _ => Vec::new(),
    }
}

/// What folding needs of such an event.
pub(crate) struct Gist {
    pub(crate) kind: &'static EventKind,
    /// Empty where it names none.
    pub(crate) case_ref: String,
    /// Empty where it names none.
    pub(crate) lp_number: String,
    /// What may lead to a recruiter.
    pub(crate) indicators: Vec<IndicatorClaim>,
    /// References of persons, in the order of their fields.
    pub(crate) persons: Vec<String>,
    /// The one agency that it is for; empty where it names none.
    pub(crate) addressee: String,
    /// Code of the shelter; empty where it names none.
    pub(crate) shelter_code: String,
}

impl Gist {
    /// Appends its claims in the order of their fields, as in [`Entry::claims`].
    pub(super) fn decode<'a>(
        event_type: &str,
        bytes: &'a [u8],
        claims: &mut Vec<Claim<'a>>,
    ) -> Result<Self, Unreadable> {
        let kind = catalogue::kind(event_type).ok_or(Unreadable::Type)?;
        let mut gist = Self {
            kind,
            case_ref: String::new(),
            lp_number: String::new(),
            indicators: Vec::new(),
            persons: Vec::new(),
            addressee: String::new(),
            shelter_code: String::new(),
        };
        gist.read(kind.rules, bytes, claims).ok_or(Unreadable::Payload)?;
        Ok(gist)
    }

    fn read<'a>(&mut self, rules: &MessageRules, bytes: &'a [u8], claims: &mut Vec<Claim<'a>>) -> Option<()> {
        let mut found: Vec<(usize, &'a [u8])> = Vec::new();
        wire::each(bytes, |number, value| {
            let index = rules.fields.iter().position(|field| field.number == number);
            found.extend(index.zip(value.bytes()));
            Some(())
        })?;
        // Senders may write fields in any order; claims are counted in the order of their declaration.
        found.sort_by_key(|(index, _)| *index);
        for (index, value) in found {
            let field = &rules.fields[index];
            match (field.form, field.link) {
                (FieldForm::Message(inner), _) if inner.name == PERSON_CLAIM => {
                    claims.push(Claim::default().read(value)?);
                }
                (FieldForm::Message(inner), _) if inner.name == INDICATOR_CLAIM => {
                    self.indicators.push(IndicatorClaim::decode(value).ok()?);
                }
                (FieldForm::Message(inner), _) => self.read(inner, value, claims)?,
                (FieldForm::PersonRef, _) => self.persons.push(std::str::from_utf8(value).ok()?.to_owned()),
                (_, Link::CaseRef) => std::str::from_utf8(value).ok()?.clone_into(&mut self.case_ref),
                (_, Link::ShelterCode) => {
                    std::str::from_utf8(value).ok()?.clone_into(&mut self.shelter_code);
                }
                (_, Link::Addressee) => std::str::from_utf8(value).ok()?.clone_into(&mut self.addressee),
                (_, Link::LpNumber) => std::str::from_utf8(value).ok()?.clone_into(&mut self.lp_number),
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use simpul_proto::{justice, v1};

    use super::*;

    #[test]
    fn gist_and_whole_name_the_same_case_and_persons() {
        let judgment = justice::JudgmentRendered {
            court_no: "12/Pid.Sus/2026/PN Btm".into(),
            lp_number: "LP/B/1/II/2026/SPKT/POLDA KEPRI".into(),
            case_ref: "C-7".into(),
            suspect: Some(v1::PersonClaim {
                name: "Rudi".into(),
                passport: "X1234567".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let (name, bytes) = ("simpul.justice.v1.JudgmentRendered", judgment.encode_to_vec());
        let mut claims = Vec::new();
        let gist = Gist::decode(name, &bytes, &mut claims).ok().unwrap();
        let whole = Entry::decode(name, &bytes).ok().unwrap();
        assert_eq!((&gist.case_ref[..], &gist.lp_number[..]), ("C-7", &judgment.lp_number[..]));
        assert_eq!(claims[0].passport, "X1234567");
        assert_eq!(whole.claims.len(), claims.len());
        assert_eq!(whole.claims[0].name, "Rudi");
    }

    #[test]
    fn what_is_no_such_message_is_told() {
        assert!(matches!(
            Gist::decode("simpul.justice.v1.JudgmentRendered", b"\x0a\xff", &mut Vec::new()),
            Err(Unreadable::Payload)
        ));
        assert!(matches!(
            Gist::decode("simpul.justice.v1.Unknown", b"", &mut Vec::new()),
            Err(Unreadable::Type)
        ));
    }
}
