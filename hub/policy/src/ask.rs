//! One question to the policy, and its answer.

use std::{fmt, str::FromStr};

use simpul_types::{AgencyCode, FieldClass, Position, Purpose, Timestamp, grounds, id::IdError};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Submit events of a type.
    Submit,
    /// Ask whether a placement is legal.
    CheckLegality,
    /// Ask for one document of a view, a field class at a time.
    View,
    /// Be sent the changes of a view unasked, a field class at a time.
    Publish,
    /// Replay the log, payloads sealed.
    Replay,
    /// See payloads of an event type in clear while replaying.
    OpenPayload,
    /// Read who looked at what.
    ReadAccess,
    /// Change the directory.
    Administer,
}

impl Action {
    /// All of them, in order.
    pub const ALL: &[Self] = &[
        Self::Submit,
        Self::CheckLegality,
        Self::View,
        Self::Publish,
        Self::Replay,
        Self::OpenPayload,
        Self::ReadAccess,
        Self::Administer,
    ];

    /// Its name in policies and requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::CheckLegality => "check_legality",
            Self::View => "view",
            Self::Publish => "publish",
            Self::Replay => "replay",
            Self::OpenPayload => "open_payload",
            Self::ReadAccess => "read_access",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = IdError::Name { what: "action", rule: "one of the closed list" };
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(wrong)
    }
}

/// May this agency do this to that, for this purpose?
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who.
    pub agency: &'a AgencyCode,
    /// In the name of which official, by pseudonym; `None` or empty: the machine's own.
    pub official: Option<&'a str>,
    /// Does what.
    pub action: Action,
    /// To what: event type, name of a view, `legality`, `log`, `access_log` or `directory`.
    pub resource: &'a str,
    /// Which class of fields, for [`Action::View`] and [`Action::Publish`].
    pub field_class: Option<FieldClass>,
    /// Why.
    pub purpose: Option<&'a Purpose>,
    /// Whose data, of [`Action::View`], [`Action::Publish`] and [`Action::OpenPayload`]; `None`: anybody's.
    pub provider: Option<&'a AgencyCode>,
    /// When; agreements begin and end by themselves.
    pub at: Timestamp,
}

impl Decision {
    /// By what the directory lists, before any policy is asked.
    pub(crate) fn refused(directory_position: Position) -> Self {
        let (policies, agreements, quotas) = Default::default();
        Self { allowed: false, policies, agreements, quotas, directory_position }
    }

    /// What decided, for the access entry: the policies and, of what is allowed, the agreements as `agreement:<reference>`.
    pub fn grounds(&self) -> Vec<String> {
        let agreements =
            self.agreements.iter().filter(|_| self.allowed).map(|agreement| grounds::of_agreement(agreement));
        self.policies.iter().cloned().chain(agreements).collect()
    }
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// Ids of the policies that decided; empty on a refusal by default.
    pub policies: Vec<String>,
    /// References of the agreements in force that cover the question.
    pub agreements: Vec<String>,
    /// Where none of them is without one: their quotas, in answers a day.
    pub quotas: Vec<(String, u32)>,
    /// End of the directory that the decision was made at.
    pub directory_position: Position,
}
