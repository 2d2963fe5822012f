//! From an assessment to the signed verdict.

use data_encoding::HEXLOWER;
use jiff::{civil::Date, tz::Offset};
use prost::Message;
use simpul_legality::Assessment;
use simpul_proto::v1::{Certificate, CheckResponse, SignedVerdict, Verdict};
use simpul_signing::{CERTIFICATE_TYPE, SigningKey, VERDICT_TYPE, sha256};
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
    pub(crate) certificate: bool,
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
    let certificate = around
        .certificate
        .then(|| signed(key, key_id, CERTIFICATE_TYPE, certificate(&verdict, &bytes).encode_to_vec()));
    CheckResponse { signed: Some(signed(key, key_id, VERDICT_TYPE, bytes)), fault: None, certificate }
}

fn signed(key: &SigningKey, key_id: &str, payload_type: &str, bytes: Vec<u8>) -> SignedVerdict {
    let signature = key.sign_dsse(payload_type, &bytes).to_vec().into();
    SignedVerdict { verdict: bytes.into(), signature, key_id: key_id.to_owned() }
}

/// The verdict in short. Where nobody is on record every requirement is open, and none is named.
fn certificate(verdict: &Verdict, bytes: &[u8]) -> Certificate {
    let decides = verdict.requirements.iter().filter(|row| row.decides && !verdict.placement_ref.is_empty());
    Certificate {
        version: 1,
        kind: verdict.kind,
        decides: decides.map(|row| row.id.clone()).collect(),
        valid_at: verdict.valid_at.clone(),
        rule_set: verdict.rule_set.clone(),
        scheme: verdict.scheme,
        destination: verdict.destination.clone(),
        post_departure: verdict.post_departure.clone(),
        position: verdict.position,
        access_entry: verdict.access_entry,
        answered_at_us: verdict.answered_at_us,
        subject_ref: HEXLOWER.decode(verdict.subject_ref.as_bytes()).unwrap_or_default().into(),
        agency: verdict.agency.clone(),
        known_at_us: verdict.known_at_us,
        verdict_digest: sha256(&[bytes]).to_vec().into(),
    }
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
