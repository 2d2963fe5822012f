//! A request to explain as a question to the policy.

use std::collections::BTreeSet;

use simpul_policy::{Action, Ask, Directory};
use simpul_proto::v1;
use simpul_types::{AgencyCode, FieldClass, Purpose};

/// Longest resource: the name of an event type.
const RESOURCE_BYTES_MAX: usize = 128;

/// A question, read from a request.
pub(crate) struct Question {
    agency: AgencyCode,
    action: Action,
    resource: String,
    classes: Vec<Option<FieldClass>>,
    purpose: Purpose,
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
        })
    }

    /// Whether it is allowed, for at least one class where a whole view is meant, and the policies that decided.
    pub(crate) fn ask(&self, directory: &Directory) -> (bool, Vec<String>) {
        // Nobody states a purpose for what is sent unasked.
        let purpose = (self.action != Action::Publish).then_some(&self.purpose);
        let mut allowed = false;
        let mut policies = BTreeSet::new();
        for field_class in &self.classes {
            let (agency, action, resource) = (&self.agency, self.action, self.resource.as_str());
            let ask = Ask { agency, action, resource, field_class: *field_class, purpose };
            let decision = directory.decide(&ask);
            allowed |= decision.allowed;
            policies.extend(decision.policies);
        }
        (allowed, policies.into_iter().collect())
    }
}
