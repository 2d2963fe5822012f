//! DSSE pre-authentication encoding: what is signed is never the bare payload but `DSSEv1 <len> <type> <len> <payload>`,
//! so that a signature over one kind of statement can never pass for another.

/// What agencies sign.
pub const SUBMISSION_TYPE: &str = "application/vnd.simpul.submission.v1+protobuf";
/// What the hub signs in answer to a legality check.
pub const VERDICT_TYPE: &str = "application/vnd.simpul.verdict.v1+protobuf";
/// What the hub signs beside a verdict, short enough for a QR code on paper.
pub const CERTIFICATE_TYPE: &str = "application/vnd.simpul.certificate.v1+protobuf";
/// What the hub signs about everybody who looked at a person.
pub const SUBJECT_REPORT_TYPE: &str = "application/vnd.simpul.subject-report.v1+protobuf";

/// DSSE v1 `PAE(type, payload)`; lengths are decimal counts of bytes.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut bytes = Vec::with_capacity(head.len() + payload.len());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_the_dsse_specification_s_example() {
        let expect = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expect);
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn lengths_count_bytes_and_bind_the_type() {
        assert_eq!(pae("é", "é".as_bytes()), "DSSEv1 2 é 2 é".as_bytes());
        assert_ne!(pae("a", b"b c"), pae("a b", b"c"));
        assert_ne!(pae(SUBMISSION_TYPE, b"x"), pae(VERDICT_TYPE, b"x"));
    }
}
