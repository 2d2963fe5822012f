//! A request to explain as a question to the policy.

use std::collections::{BTreeMap, BTreeSet};

use simpul_policy::{Action, Ask, Directory, Miss};
use simpul_proto::v1;
use simpul_types::{AgencyCode, FieldClass, Purpose, Timestamp};

/// Longest resource: the name of an event type.
const RESOURCE_BYTES_MAX: usize = 128;

/// A question, read from a request.
pub(crate) struct Question {
    agency: AgencyCode,
    action: Action,
    resource: String,
    classes: Vec<Option<FieldClass>>,
    purpose: Purpose,
    provider: Option<AgencyCode>,
    official: String,
}

impl Question {
    /// The resource of `view` and `publish` is a view, `case`, or a view and a field class, `case/identity`.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn read(request: &v1::ExplainRequest) -> Result<Self, String> {
        let action: Action = request.action.parse().map_err(|error| format!("action: {error}"))?;
        let mut resource = request.resource.as_str();
        let mut classes = vec![None];
        if matches!(action, Action::View | Action::Publish) {
            let (view, class) = match resource.split_once('/') {
                Some((view, class)) => {
                    let class: FieldClass = class.parse().map_err(|error| format!("resource: {error}"))?;
                    (view, vec![class])
                }
                None => (resource, FieldClass::ALL.to_vec()),
            };
            resource = view;
            classes = class.into_iter().map(Some).collect();
        }
        if resource.is_empty() || resource.len() > RESOURCE_BYTES_MAX {
            return Err(format!("resource: 1 to {RESOURCE_BYTES_MAX} bytes"));
        }
        Ok(Self {
            agency: request.agency.parse().map_err(|error| format!("agency: {error}"))?,
            action,
            resource: resource.into(),
            classes,
            purpose: request.purpose.parse().map_err(|error| format!("purpose: {error}"))?,
            provider: match request.provider.as_str() {
                "" => None,
                code => Some(code.parse().map_err(|error| format!("provider: {error}"))?),
            },
            official: match request.official.len() {
                0..=64 => request.official.clone(),
                _ => return Err("official: at most 64 bytes".into()),
            },
        })
    }

    /// Whether it is allowed at that time, for at least one class where a whole view is meant, and what decided.
    pub(crate) fn ask(&self, directory: &Directory, at: Timestamp) -> v1::ExplainResponse {
        // Nobody states a purpose for what is sent unasked.
        let purpose = (self.action != Action::Publish).then_some(&self.purpose);
        let (mut allowed, mut allowed_under_agreement) = (false, false);
        let (mut policies, mut agreements) = (BTreeSet::new(), BTreeSet::new());
        let mut misses = BTreeMap::new();
        let mut want = BTreeSet::new();
        for field_class in &self.classes {
            let (agency, action, resource) = (&self.agency, self.action, self.resource.as_str());
            let (field_class, provider) = (*field_class, self.provider.as_ref());
            let official = Some(self.official.as_str());
            let ask = Ask { agency, official, action, resource, field_class, purpose, provider, at };
            let decision = directory.decide(&ask);
            allowed |= decision.allowed;
            want.insert(directory.want(&ask));
            policies.extend(decision.policies);
            agreements.extend(decision.agreements);
            let under_agreement = directory.allows_under_agreement(&ask);
            allowed_under_agreement |= under_agreement;
            // Of a whole view, the classes that policy refuses anyhow are not for an agreement to open.
            if under_agreement || self.classes.len() == 1 {
                misses.extend(directory.misses(&ask));
            }
        }
        misses.retain(|agreement, _| !agreements.contains(agreement));
        let miss = |(agreement, why): (String, Miss)| v1::AgreementMiss { agreement, why: why.to_string() };
        v1::ExplainResponse {
            allowed,
            policies: policies.into_iter().collect(),
            directory_position: directory.position().get(),
            agreements: agreements.into_iter().collect(),
            allowed_under_agreement,
            misses: misses.into_iter().map(miss).collect(),
            decided_for_us: at.as_us(),
            // One class that something else would open is enough.
            want: match (allowed, want.into_iter().find(|want| *want != "no policy")) {
                (true, _) => String::new(),
                (false, want) => want.unwrap_or("no policy").into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use simpul_policy::{FIRST_MATRIX, Word};
    use simpul_proto::directory;
    use simpul_types::Position;

    use super::*;

    const KEY: &str = "0011223344556677";

    fn directory() -> Directory {
        let mut present = Directory::new([1; 32]);
        let polri =
            directory::AgencyDeclared { code: "polri".into(), name: "Polri".into(), kind: "police".into() };
        let policy = directory::PolicyDeclared { cedar: FIRST_MATRIX.into(), version: "1".into() };
        let events = [("AgencyDeclared", polri.encode_to_vec()), ("PolicyDeclared", policy.encode_to_vec())];
        for (position, (name, payload)) in events.into_iter().enumerate() {
            let event_type = format!("simpul.directory.v1.{name}");
            let (position, key_id) = (Position::new(position as u64), &KEY.parse().unwrap());
            present.apply(&Word { event_type: &event_type, payload: &payload, position, key_id }).unwrap();
        }
        present
    }

    fn explain(action: &str, resource: &str, purpose: &str) -> Result<(bool, Vec<String>), String> {
        let request = v1::ExplainRequest {
            agency: "polri".into(),
            action: action.into(),
            resource: resource.into(),
            purpose: purpose.into(),
            provider: String::new(),
            official: String::new(),
        };
        let explained = Question::read(&request)?.ask(&directory(), Timestamp::from_us(1));
        Ok((explained.allowed, explained.policies))
    }

    #[test]
    fn a_question_names_event_types_views_and_field_classes() {
        let yes = |policy: &str| Ok((true, vec![policy.to_owned()]));
        let no = || Ok((false, Vec::new()));
        let case = "simpul.police.v1.CaseUpdated";
        assert_eq!(explain("submit", case, "INVESTIGATE"), yes("police-submits"));
        assert_eq!(explain("submit", case, "ASSIST"), no());
        assert_eq!(explain("view", "case", "INVESTIGATE"), yes("police-views-cases"));
        assert_eq!(explain("view", "case/suspect", "INVESTIGATE"), yes("police-views-cases"));
        assert_eq!(explain("view", "case/shelter_location", "INVESTIGATE"), no());
        assert_eq!(explain("publish", "case/identity", "INVESTIGATE"), no());
        assert_eq!(explain("replay", "log", "OVERSIGHT"), no());
    }

    #[test]
    fn what_is_no_question_is_told_by_field() {
        let field = |action, resource, purpose| {
            let error = explain(action, resource, purpose).unwrap_err();
            error.split_once(':').map(|(field, _)| field.to_owned())
        };
        assert_eq!(field("steal", "case", "ASSIST").as_deref(), Some("action"));
        assert_eq!(field("view", "case/soul", "ASSIST").as_deref(), Some("resource"));
        assert_eq!(field("view", "", "ASSIST").as_deref(), Some("resource"));
        assert_eq!(field("view", "case", "why not").as_deref(), Some("purpose"));
    }
}
