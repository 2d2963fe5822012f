//! A declared policy set, read, checked against the schema and ready to decide.

use std::{collections::HashMap, collections::HashSet, str::FromStr, sync::LazyLock};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::Ask;

/// Largest policy text taken, bytes.
const TEXT_BYTES_MAX: usize = 131_072;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let (schema, _) = Schema::from_cedarschema_str(include_str!("../policies/schema.cedarschema"))
        .expect("the schema beside this crate is valid; a test reads it");
    Validator::new(schema)
});

static TYPES: LazyLock<[EntityTypeName; 3]> = LazyLock::new(|| {
    ["Agency", "Action", "Resource"].map(|name| EntityTypeName::from_str(name).expect("an identifier"))
});

/// Why a policy text is not taken. Policies hold no personal data, so what the parser says may be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too large.
    #[error("at most {TEXT_BYTES_MAX} bytes")]
    Oversized,
    /// Not Cedar.
    #[error("not a Cedar policy set: {0}")]
    Syntax(String),
    /// A template stands for nobody until it is linked, and nothing links it.
    #[error("templates are not taken")]
    Template,
    /// Every policy carries `@id("…")`, which decisions and the access log name.
    #[error("every policy needs an @id of its own, 1 to 64 characters of a-z, 0-9 and '-': {0}")]
    Id(String),
    /// It speaks of what the schema does not have.
    #[error("does not fit the schema: {0}")]
    Schema(String),
}

/// A policy set that was checked.
pub(crate) struct Policies {
    set: PolicySet,
    authorizer: Authorizer,
}

impl Policies {
    /// No policy: everything is refused.
    pub(crate) fn none() -> Self {
        Self { set: PolicySet::new(), authorizer: Authorizer::new() }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PolicyError::Oversized);
        }
        let read = PolicySet::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        if read.templates().next().is_some() {
            return Err(PolicyError::Template);
        }
        let mut set = PolicySet::new();
        for policy in read.policies() {
            let id = policy.annotation("id").unwrap_or_default();
            let letters =
                id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !(1..=64).contains(&id.len()) || !letters {
                return Err(PolicyError::Id(policy.id().to_string()));
            }
            let named = policy.new_id(PolicyId::new(id));
            set.add(named).map_err(|_| PolicyError::Id(id.into()))?;
        }
        let result = VALIDATOR.validate(&set, ValidationMode::Strict);
        if let Some(error) = result.validation_errors().next() {
            return Err(PolicyError::Schema(error.to_string()));
        }
        Ok(Self { set, authorizer: Authorizer::new() })
    }

    /// Whether an agency of this kind may, and the policies that decided, in order. A policy that cannot be
    /// evaluated refuses: a `forbid` that is skipped would otherwise open what it was to close.
    pub(crate) fn decide(&self, kind: &str, ask: &Ask<'_>, agreement: bool) -> (bool, Vec<String>) {
        let Some((request, entities)) = question(kind, ask, agreement) else { return (false, Vec::new()) };
        let response = self.authorizer.is_authorized(&request, &self.set, &entities);
        if response.diagnostics().errors().next().is_some() {
            return (false, Vec::new());
        }
        let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort_unstable();
        (response.decision() == cedar_policy::Decision::Allow, policies)
    }
}

/// Cedar's form of a question; `None` where it has none, which refuses.
fn question(kind: &str, ask: &Ask<'_>, agreement: bool) -> Option<(Request, Entities)> {
    let uid =
        |which: usize, id: &str| EntityUid::from_type_name_and_id(TYPES[which].clone(), EntityId::new(id));
    let text = |value: &str| RestrictedExpression::new_string(value.into());
    let principal = uid(0, ask.agency.as_str());
    let attributes = HashMap::from([("kind".to_owned(), text(kind))]);
    let agency = Entity::new(principal.clone(), attributes, HashSet::new()).ok()?;
    let context = Context::from_pairs([
        ("purpose".to_owned(), text(ask.purpose.map_or("", |purpose| purpose.as_str()))),
        ("field_class".to_owned(), text(ask.field_class.map_or("", |class| class.as_str()))),
        ("agreement".to_owned(), RestrictedExpression::new_bool(agreement)),
    ])
    .ok()?;
    let (action, resource) = (uid(1, ask.action.as_str()), uid(2, ask.resource));
    let request = Request::new(principal, action, resource, context, None).ok()?;
    Some((request, Entities::from_entities([agency], None).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> PolicyError {
        Policies::parse(text).err().expect("must be refused")
    }

    #[test]
    fn the_first_matrix_fits_the_schema() {
        Policies::parse(crate::FIRST_MATRIX).map(|_| ()).unwrap();
        Policies::parse(&crate::first_policy()).map(|_| ()).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused_when_it_is_declared() {
        assert!(matches!(refused("permit (principal"), PolicyError::Syntax(_)));
        assert!(matches!(refused("permit (principal, action, resource);"), PolicyError::Id(_)));
        let twice = r#"@id("a") permit (principal, action, resource);"#.repeat(2);
        assert_eq!(refused(&twice), PolicyError::Id("a".into()));
        let misspelt =
            r#"@id("a") permit (principal, action, resource) when { principal.knid == "police" };"#;
        assert!(matches!(refused(misspelt), PolicyError::Schema(_)));
        let unknown_action = r#"@id("a") permit (principal, action == Action::"steal", resource);"#;
        assert!(matches!(refused(unknown_action), PolicyError::Schema(_)));
        let template = r#"@id("a") permit (principal == ?principal, action, resource);"#;
        assert_eq!(refused(template), PolicyError::Template);
        assert_eq!(refused(&" ".repeat(TEXT_BYTES_MAX + 1)), PolicyError::Oversized);
    }
}
