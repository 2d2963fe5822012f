//! Agreements: what one agency may be given of the data of others, dated. Policies ask for one by `context.agreement`.
//!
//! An agreement is a product of lists; a question is covered where each of its parts stands in the matching list, and the time
//! lies between beginning and end. It opens nothing by itself.

use std::{collections::BTreeSet, fmt, str::FromStr};

use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, FieldClass, Position, Purpose, Timestamp, View};

use crate::{
    Action, Ask, DirectoryError,
    directory::{field, name, optional_time, reference, text},
    place::Place,
};

/// Longest legal basis or reason, bytes.
const TEXT_BYTES_MAX: usize = 200;
/// Longest list.
const ITEMS_MAX: usize = 64;
/// The word that stands for everything.
const ALL: &str = "*";
/// What an agreement can be about; the rest is oversight and administration, which are by law.
const ACTIONS: [Action; 5] =
    [Action::Submit, Action::CheckLegality, Action::View, Action::Publish, Action::OpenPayload];

/// A list, or everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Those<T> {
    /// Each there is.
    All,
    /// These.
    Some(BTreeSet<T>),
}

impl<T: Ord> Those<T> {
    /// Whether it is among them.
    pub fn has(&self, one: &T) -> bool {
        match self {
            Self::All => true,
            Self::Some(these) => these.contains(one),
        }
    }
}

impl<T: fmt::Display> Those<T> {
    /// As it stands in the event.
    pub fn to_wire(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.into()],
            Self::Some(these) => these.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An agreement as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its reference.
    pub reference: String,
    /// Whose data.
    pub providers: Those<AgencyCode>,
    /// To whom.
    pub consumer: AgencyCode,
    /// To do what.
    pub actions: Those<Action>,
    /// What for.
    pub purposes: Those<Purpose>,
    /// Views, event types and `legality`.
    pub resources: Those<String>,
    /// Of views: which fields.
    pub field_classes: Those<FieldClass>,
    /// Where the agencies are competent whose data it is.
    pub jurisdictions: Those<Place>,
    /// Article or number.
    pub legal_basis: String,
    /// First moment.
    pub valid_from: Timestamp,
    /// First moment at which it no longer holds.
    pub valid_until: Timestamp,
    /// Answers in a day of UTC; `None`: no limit.
    pub answers_a_day: Option<u32>,
    /// From when on it was ended before its day.
    pub ended_at: Option<Timestamp>,
    /// Position of the event that concluded it.
    pub position: Position,
}

/// The first part of a question that an agreement leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// It has not begun.
    Before(Timestamp),
    /// Its time is over.
    Expired(Timestamp),
    /// It was ended.
    Ended(Timestamp),
    /// Another action.
    Action(Action),
    /// Another view, event type or `legality`.
    Resource(String),
    /// Other fields.
    FieldClass(FieldClass),
    /// Another purpose; none was stated.
    Purpose(Option<Purpose>),
    /// Another agency's data; `None`: the question is about anybody's.
    Provider(Option<AgencyCode>),
    /// An agency's data that is not competent there alone; `None`: the question is about anybody's.
    Jurisdiction(Option<AgencyCode>),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(from) => write!(f, "begins {from}"),
            Self::Expired(until) => write!(f, "expired {until}"),
            Self::Ended(at) => write!(f, "ended {at}"),
            Self::Action(action) => write!(f, "not to {action}"),
            Self::Resource(resource) => write!(f, "not about {resource}"),
            Self::FieldClass(class) => write!(f, "without fields of class {class}"),
            Self::Purpose(Some(purpose)) => write!(f, "not for purpose {purpose}"),
            Self::Purpose(None) => write!(f, "not without a purpose"),
            Self::Provider(Some(provider)) => write!(f, "not about data of {provider}"),
            Self::Provider(None) => write!(f, "not about everybody's data"),
            Self::Jurisdiction(Some(provider)) => write!(f, "not where {provider} is competent"),
            Self::Jurisdiction(None) => write!(f, "not about data from everywhere"),
        }
    }
}

impl Agreement {
    /// Reads what was concluded.
    ///
    /// # Errors
    /// [`DirectoryError::Field`].
    pub(crate) fn read(wire: &wire::AgreementConcluded, position: Position) -> Result<Self, DirectoryError> {
        let valid_from = required_time("valid_from_us", wire.valid_from_us)?;
        let valid_until = required_time("valid_until_us", wire.valid_until_us)?;
        if valid_until <= valid_from {
            return Err(field("valid_until_us", "after valid_from_us"));
        }
        text("legal_basis", &wire.legal_basis, TEXT_BYTES_MAX)?;
        let actions: Those<Action> = those("actions", &wire.actions)?;
        if let Those::Some(these) = &actions
            && let Some(action) = these.iter().find(|action| !ACTIONS.contains(action))
        {
            let rule = format!("{action} is by law and not by agreement");
            return Err(DirectoryError::Field { field: "actions", rule });
        }
        let resources: Those<String> = those("resources", &wire.resources)?;
        if let Those::Some(these) = &resources
            && let Some(unknown) = these.iter().find(|resource| !is_resource(resource))
        {
            let rule = format!("{unknown:?} is no view, event type or `legality`");
            return Err(DirectoryError::Field { field: "resources", rule });
        }
        let of_views = match &resources {
            Those::All => true,
            Those::Some(these) => these.iter().any(|resource| resource.parse::<View>().is_ok()),
        };
        let field_classes = match wire.field_classes.is_empty() && !of_views {
            true => Those::Some(BTreeSet::new()),
            false => those("field_classes", &wire.field_classes)?,
        };
        Ok(Self {
            reference: reference("agreement", &wire.agreement)?,
            providers: those("providers", &wire.providers)?,
            consumer: name("consumer", &wire.consumer)?,
            actions,
            purposes: those("purposes", &wire.purposes)?,
            resources,
            field_classes,
            jurisdictions: match wire.jurisdictions.is_empty() {
                true => Those::All,
                false => those("jurisdictions", &wire.jurisdictions)?,
            },
            legal_basis: wire.legal_basis.clone(),
            valid_from,
            valid_until,
            answers_a_day: (wire.answers_a_day != 0).then_some(wire.answers_a_day),
            ended_at: None,
            position,
        })
    }

    /// First moment at which it no longer holds.
    pub fn end(&self) -> Timestamp {
        self.ended_at.map_or(self.valid_until, |ended| ended.min(self.valid_until))
    }

    /// Whether it holds at that time.
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.valid_from <= at && at < self.end()
    }

    /// When it begins and when it ends by itself.
    pub(crate) fn turns(&self) -> [Timestamp; 2] {
        [self.valid_from, self.end()]
    }

    /// Whether it covers a question of its consumer, but for where the data is from, which [`Directory::covers`] asks; else the first part
    /// that it leaves out.
    ///
    /// [`Directory::covers`]: crate::Directory::covers
    ///
    /// # Errors
    /// The [`Miss`].
    pub(crate) fn covers_anywhere(&self, ask: &Ask<'_>) -> Result<(), Miss> {
        if ask.at < self.valid_from {
            return Err(Miss::Before(self.valid_from));
        }
        if let Some(ended) = self.ended_at.filter(|ended| *ended <= ask.at) {
            return Err(Miss::Ended(ended));
        }
        if self.valid_until <= ask.at {
            return Err(Miss::Expired(self.valid_until));
        }
        if !ACTIONS.contains(&ask.action) || !self.actions.has(&ask.action) {
            return Err(Miss::Action(ask.action));
        }
        if !match &self.resources {
            Those::All => true,
            Those::Some(these) => these.contains(ask.resource),
        } {
            return Err(Miss::Resource(ask.resource.into()));
        }
        if let Some(class) = ask.field_class.filter(|class| !self.field_classes.has(class)) {
            return Err(Miss::FieldClass(class));
        }
        // Nobody states a purpose for what is sent unasked.
        if ask.action != Action::Publish
            && self.purposes != Those::All
            && !ask.purpose.is_some_and(|purpose| self.purposes.has(purpose))
        {
            return Err(Miss::Purpose(ask.purpose.cloned()));
        }
        // What is submitted is the consumer's own.
        let of_others = ask.action != Action::Submit && self.providers != Those::All;
        if of_others && !ask.provider.is_some_and(|provider| self.providers.has(provider)) {
            return Err(Miss::Provider(ask.provider.cloned()));
        }
        Ok(())
    }
}

fn is_resource(resource: &str) -> bool {
    resource == "legality" || resource.parse::<View>().is_ok() || simpul_proto::catalogue::knows(resource)
}

fn those<T: FromStr + Ord>(field: &'static str, items: &[String]) -> Result<Those<T>, DirectoryError>
where
    T::Err: fmt::Display,
{
    if let [all] = items
        && all == ALL
    {
        return Ok(Those::All);
    }
    if items.is_empty() || items.len() > ITEMS_MAX {
        let rule = format!("1 to {ITEMS_MAX} of them, or `*`");
        return Err(DirectoryError::Field { field, rule });
    }
    let read = items.iter().map(|item| {
        let wrong = |error: T::Err| DirectoryError::Field { field, rule: format!("{item:?}: {error}") };
        item.parse().map_err(wrong)
    });
    Ok(Those::Some(read.collect::<Result<_, _>>()?))
}

fn required_time(field: &'static str, us: i64) -> Result<Timestamp, DirectoryError> {
    optional_time(us).ok_or_else(|| self::field(field, "required"))
}
