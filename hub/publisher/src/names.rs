//! Names on NATS: streams, subjects, API prefixes. Everyone who follows an agency's picture needs these.
//!
//! ```text
//! agency kbri-yangon
//!   stream of changes     SIMPUL_KBRI-YANGON             subjects simpul.kbri-yangon.<view>.<ref>
//!   last values of cases  SIMPUL_KBRI-YANGON_CASE_LAST   the newest message of every subject of that view
//! ```

use simpul_types::{AgencyCode, View};

/// Stream of every change that the agency may see, in order.
pub fn stream(agency: &AgencyCode) -> String {
    format!("SIMPUL_{}", agency.as_str().to_ascii_uppercase())
}

/// Stream that keeps the newest message of every document of one view, for late joiners.
pub fn last_stream(agency: &AgencyCode, view: View) -> String {
    format!("{}_{}_LAST", stream(agency), view.as_str().to_ascii_uppercase())
}

/// Subject of one document.
pub fn subject(agency: &AgencyCode, view: View, reference: &str) -> String {
    format!("simpul.{agency}.{view}.{}", token(reference))
}

/// Every subject of one view.
pub fn view_subjects(agency: &AgencyCode, view: View) -> String {
    format!("simpul.{agency}.{view}.*")
}

/// Every subject of the agency.
pub fn subjects(agency: &AgencyCode) -> String {
    format!("simpul.{agency}.*.*")
}

/// Prefix under which the hub, from its own account, reaches the JetStream API of the agency's account.
pub fn api_prefix(agency: &AgencyCode) -> String {
    format!("$JS.AGENCY.{agency}.API")
}

/// Account of the agency.
pub fn account(agency: &AgencyCode) -> String {
    agency.as_str().to_ascii_uppercase()
}

/// One subject token. References are opaque and made of letters, digits, `-` and `_`; a byte outside becomes `=XX`, so
/// that two references never share a subject.
fn token(reference: &str) -> String {
    let mut token = String::with_capacity(reference.len());
    for byte in reference.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02X}"));
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_design() {
        let agency: AgencyCode = "kbri-yangon".parse().expect("valid");
        assert_eq!(stream(&agency), "SIMPUL_KBRI-YANGON");
        assert_eq!(last_stream(&agency, View::Case), "SIMPUL_KBRI-YANGON_CASE_LAST");
        assert_eq!(subject(&agency, View::Case, "ab_1-2"), "simpul.kbri-yangon.case.ab_1-2");
        assert_eq!(view_subjects(&agency, View::Licence), "simpul.kbri-yangon.licence.*");
    }

    #[test]
    fn a_reference_never_becomes_a_second_token_or_a_wildcard() {
        let agency: AgencyCode = "polri".parse().expect("valid");
        assert_eq!(subject(&agency, View::Case, "LP/B.1 *>"), "simpul.polri.case.LP=2FB=2E1=20=2A=3E");
    }
}
