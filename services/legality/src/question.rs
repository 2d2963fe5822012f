//! What was asked, checked for form before anything is looked up.

use jiff::civil::Date;
use simpul_projection::{IdentifierKind, Subject};
use simpul_proto::{
    status,
    v1::{CheckRequest, check_request},
};
use simpul_types::{Position, Purpose, RejectReason, Rejection, Timestamp, identity::IdentityError};
use tonic::Status;

/// Characters of an official's pseudonym.
const OFFICIAL_CHARS_MAX: usize = 64;

/// Bytes of a case reference.
const CASE_REF_BYTES_MAX: usize = 128;

/// A question whose form is right. Names a person: no `Debug`.
pub(crate) struct Question {
    pub(crate) kind: IdentifierKind,
    /// The identifier in its normal form.
    pub(crate) identifier: String,
    /// The person was named by a machine readable zone with a digit that does not fit.
    pub(crate) damaged_zone: bool,
    pub(crate) valid_at: Option<Date>,
    pub(crate) known_at: Option<Timestamp>,
    pub(crate) purpose: Purpose,
    pub(crate) case_ref: String,
    pub(crate) official: String,
    pub(crate) at_least: Option<Position>,
    /// A certificate is to be signed beside the verdict.
    pub(crate) certificate: bool,
}

impl Question {
    /// Checks a request, field by field.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field, never repeating it.
    pub(crate) fn read(request: &CheckRequest, now: Timestamp) -> Result<Self, Status> {
        let Subject { kind, identifier, damaged_zone } = subject(request.subject.as_ref())?;
        let purpose =
            request.purpose.parse().map_err(|_| malformed("purpose", "1 to 32 of A-Z, 0-9 and '_'"))?;
        let official = request.official.trim();
        let length = official.chars().count();
        if length == 0 || length > OFFICIAL_CHARS_MAX || official.chars().any(char::is_control) {
            return Err(malformed("official", "1 to 64 characters, no control characters"));
        }
        if request.case_ref.len() > CASE_REF_BYTES_MAX || request.case_ref.chars().any(char::is_control) {
            return Err(malformed("case_ref", "at most 128 bytes, no control characters"));
        }
        let valid_at = match request.valid_at.as_str() {
            "" => None,
            text => Some(day(text).ok_or_else(|| malformed("valid_at", "a day, `YYYY-MM-DD`"))?),
        };
        let known_at = request.known_at_us.map(Timestamp::from_us);
        if known_at.is_some_and(|time| time > now) {
            return Err(malformed("known_at_us", "a time that is not in the future"));
        }
        Ok(Self {
            kind,
            identifier,
            damaged_zone,
            valid_at,
            known_at,
            purpose,
            case_ref: request.case_ref.clone(),
            official: official.to_owned(),
            at_least: request.at_least_position.map(Position::new),
            certificate: request.certificate,
        })
    }
}

fn subject(subject: Option<&check_request::Subject>) -> Result<Subject, Status> {
    let subject =
        subject.ok_or_else(|| malformed("subject", "one of nik, passport, card, mrz and person_ref"))?;
    Subject::read(subject).map_err(|IdentityError { field, rule }| malformed(field, rule))
}

/// `YYYY-MM-DD` and nothing else.
fn day(text: &str) -> Option<Date> {
    (text.len() == "YYYY-MM-DD".len()).then(|| text.parse().ok()).flatten()
}

fn malformed(field: &str, rule: &str) -> Status {
    let rejection = Rejection::new(RejectReason::Malformed, format!("must be {rule}")).at(field);
    status::to_status(&rejection.to_wire())
}

#[cfg(test)]
mod tests {
    use simpul_proto::v1::check_request::Subject;
    use tonic::Code;

    use super::{Question, *};

    const NOW: Timestamp = Timestamp::from_us(7);

    fn request(subject: Subject) -> CheckRequest {
        CheckRequest {
            subject: Some(subject),
            purpose: "VERIFY_LEGALITY".into(),
            official: "petugas-7".into(),
            ..CheckRequest::default()
        }
    }

    fn nik() -> CheckRequest {
        request(Subject::Nik("3201 0152 0675 0001".into()))
    }

    #[track_caller]
    fn refused(request: &CheckRequest, code: Code, start: &str) {
        let Err(status) = Question::read(request, NOW) else { panic!("accepted") };
        assert_eq!(status.code(), code);
        assert!(status.message().starts_with(start), "{}", status.message());
    }

    #[test]
    fn identifiers_come_out_in_their_normal_form() {
        for (subject, expect) in [
            (Subject::Nik(" 3201015206750001 ".into()), "3201015206750001"),
            (Subject::Passport("x 123 4567".into()), "X1234567"),
            (Subject::Card("e-pmi/2023-01".into()), "EPMI202301"),
        ] {
            let question = Question::read(&request(subject), NOW).expect("right");
            assert_eq!(question.identifier, expect);
        }
    }

    #[test]
    fn the_field_that_is_wrong_is_named_and_not_repeated() {
        let zone =
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let wrong_digit = zone.replace("L898902C36", "L898902C37");
        for (subject, start) in [
            (Subject::Nik("3201015206750000".into()), "nik: must be"),
            (Subject::Passport("123".into()), "passport: must be"),
            (Subject::Card("#".into()), "card: must be"),
            (Subject::Mrz("P<IDN".into()), "mrz: must be"),
            (Subject::Mrz(wrong_digit), "mrz.document_number: must be"),
        ] {
            refused(&request(subject), Code::InvalidArgument, start);
        }
        refused(&CheckRequest { subject: None, ..nik() }, Code::InvalidArgument, "subject: must be");
        refused(&CheckRequest { purpose: "because".into(), ..nik() }, Code::InvalidArgument, "purpose: ");
        refused(&CheckRequest { official: " ".into(), ..nik() }, Code::InvalidArgument, "official: ");
        refused(&CheckRequest { official: "x".repeat(65), ..nik() }, Code::InvalidArgument, "official: ");
        refused(&CheckRequest { case_ref: "\n".into(), ..nik() }, Code::InvalidArgument, "case_ref: ");
        for day in ["2023-02-30", "16-08-2023", "2023-08-16T00:00:00", "today"] {
            refused(&CheckRequest { valid_at: day.into(), ..nik() }, Code::InvalidArgument, "valid_at: ");
        }
        let damaged = Question::read(&request(Subject::Mrz(zone.replace("7408122F", "7408123F"))), NOW)
            .expect("usable");
        assert!(damaged.damaged_zone);
    }

    #[test]
    fn what_will_be_known_is_not_asked_for() {
        refused(&CheckRequest { known_at_us: Some(8), ..nik() }, Code::InvalidArgument, "known_at_us: ");
        let then = Question::read(&CheckRequest { known_at_us: Some(7), ..nik() }, NOW).expect("right");
        assert_eq!(then.known_at, Some(NOW));
    }
}
