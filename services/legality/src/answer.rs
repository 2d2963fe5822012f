//! From an assessment to the signed verdict.

use jiff::{civil::Date, tz::Offset};
use prost::Message;
use simpul_legality::Assessment;
use simpul_proto::v1::{CheckResponse, SignedVerdict, Verdict};
use simpul_signing::{SigningKey, VERDICT_TYPE};
use simpul_types::{Position, Timestamp};

/// Hours that Jakarta is ahead of UTC; the laws' days are its days.
const JAKARTA: Offset = jiff::tz::offset(7);

/// What a verdict says beside the assessment.
pub(crate) struct Circumstances {
    pub(crate) position: Position,
    pub(crate) checkpoint: String,
    pub(crate) access_entry: u64,
    pub(crate) answered_at: Timestamp,
    pub(crate) subject_ref: String,
    pub(crate) agency: String,
    pub(crate) purpose: String,
    pub(crate) known_at: Option<Timestamp>,
}

/// The day it is in Jakarta. A clock outside the calendar counts as its first day.
pub(crate) fn today(now: Timestamp) -> Date {
    let time = jiff::Timestamp::from_microsecond(now.as_us()).unwrap_or(jiff::Timestamp::MIN);
    JAKARTA.to_datetime(time).date()
}

/// Encodes the verdict once and signs those bytes.
pub(crate) fn sign(
    key: &SigningKey,
    key_id: &str,
    assessment: Assessment,
    around: Circumstances,
) -> CheckResponse {
    let verdict = Verdict {
        version: 1,
        kind: assessment.kind as i32,
        requirements: assessment.requirements,
        valid_at: assessment.valid_at.to_string(),
        rule_set: assessment.rule_set,
        scheme: assessment.scheme as i32,
        destination: assessment.destination,
        placement_ref: assessment.placement_ref,
        warnings: assessment.warnings,
        can_answer: assessment.can_answer,
        position: around.position.get(),
        checkpoint: around.checkpoint,
        access_entry: around.access_entry,
        answered_at_us: around.answered_at.as_us(),
        subject_ref: around.subject_ref,
        agency: around.agency,
        purpose: around.purpose,
        post_departure: assessment.post_departure,
        known_at_us: around.known_at.map(Timestamp::as_us),
    };
    let bytes = verdict.encode_to_vec();
    let signature = key.sign_dsse(VERDICT_TYPE, &bytes);
    let signed = SignedVerdict {
        verdict: bytes.into(),
        signature: signature.to_vec().into(),
        key_id: key_id.to_owned(),
    };
    CheckResponse { signed: Some(signed), fault: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_when_it_begins_in_jakarta() {
        let at = |text: &str| {
            let time: jiff::Timestamp = text.parse().expect("a time");
            today(Timestamp::from_us(time.as_microsecond())).to_string()
        };
        assert_eq!(at("2023-08-15T16:59:59Z"), "2023-08-15");
        assert_eq!(at("2023-08-15T17:00:00Z"), "2023-08-16");
        let _ = today(Timestamp::from_us(i64::MAX));
    }
}
