//! Who asks, what policy lets them see, and the durable entry about it (QRY-1).

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use simpul_audit::{AccessDraft, QUOTA_EXCEEDED, Quota, SubjectId, quota};
use simpul_policy::{Action, Ask, Directory, Embargo};
use simpul_projection::{Document, classes_of};
use simpul_proto::status;
use simpul_types::{AgencyCode, Caller, FieldClass, Position, Purpose, Timestamp, View};
use tonic::{Request, Status};

use crate::{Parts, emergency, fault};

/// Characters of an official's pseudonym.
const OFFICIAL_CHARS_MAX: usize = 64;
/// Bytes of a case's reference.
const CASE_REF_BYTES_MAX: usize = 128;

/// What a call is called in the access log.
pub(crate) mod action {
    pub(crate) const CASE: &str = "picture.case";
    pub(crate) const COUNT: &str = "picture.count";
    pub(crate) const DEFINITIONS: &str = "picture.definitions";
    pub(crate) const FIND_PERSONS: &str = "picture.find_persons";
    pub(crate) const MATCH_SHELTERS: &str = "picture.match_shelters";
    pub(crate) const PLACEMENT: &str = "picture.placement";
    pub(crate) const POSITION: &str = "picture.position";
    pub(crate) const RECORD: &str = "picture.record";
    pub(crate) const WATCH: &str = "subscription.watch";
}

/// Passes a call's outcome on. One that failed leaves its entry too: who tries is told like who succeeds.
pub(crate) async fn noted<T, M: Message>(
    parts: &Parts,
    action: &'static str,
    request: &Request<M>,
    outcome: Result<T, Status>,
) -> Result<T, Status> {
    if let Err(error) = &outcome
        && let Some(class) = status::failure_class(error.code())
        && let Some(caller) = request.extensions().get::<Caller>()
    {
        let (position, parameters) = (parts.read_models.position(), request.get_ref().encode_to_vec());
        let draft = AccessDraft::failed(caller.clone(), action, class, position, parameters);
        parts.access.record(draft).await.map_err(|error| fault::of_access(&error))?;
    }
    outcome
}

/// One call, whose form is right.
pub(crate) struct Visit {
    pub(crate) caller: Caller,
    pub(crate) official: String,
    pub(crate) purpose: Option<Purpose>,
    /// The case that the question was said to belong to; empty where none was named.
    case_ref: String,
    /// The emergency access that it is asked under.
    emergency: Option<Position>,
    action: &'static str,
    parameters: Vec<u8>,
}

/// What policy says: the classes per view, and how it came to that.
#[derive(Default)]
pub(crate) struct Sight {
    pub(crate) classes: BTreeMap<View, BTreeSet<FieldClass>>,
    policies: BTreeSet<String>,
    quotas: BTreeMap<String, u32>,
    directory_position: Position,
}

/// Who asks for what, when.
struct Asking<'a> {
    agency: &'a AgencyCode,
    official: &'a str,
    action: Action,
    purpose: Option<&'a Purpose>,
    at: Timestamp,
}

/// What is written about an answer.
pub(crate) struct Answered<'a> {
    pub(crate) answer: &'static str,
    pub(crate) disclosed: Vec<FieldClass>,
    pub(crate) position: Position,
    pub(crate) case_ref: &'a str,
    /// Opaque reference of what was asked for.
    pub(crate) subject_ref: &'a str,
    /// Whom it concerns.
    pub(crate) subjects: Vec<SubjectId>,
}

impl<'a> Answered<'a> {
    /// An answer that discloses nothing.
    pub(crate) fn bare(answer: &'static str, position: Position) -> Self {
        Answered {
            answer,
            disclosed: Vec::new(),
            position,
            case_ref: "",
            subject_ref: "",
            subjects: Vec::new(),
        }
    }
}

impl Visit {
    /// A call for a purpose.
    pub(crate) fn enter<T: Message>(
        request: &Request<T>,
        action: &'static str,
        official: &str,
        purpose: &str,
    ) -> Result<Self, Status> {
        let mut visit = Self::anonymous(request, action)?;
        let right = (1..=OFFICIAL_CHARS_MAX).contains(&official.chars().count());
        if !right || official.chars().any(char::is_control) {
            return Err(fault::malformed("official", "1 to 64 characters, none of them a control character"));
        }
        visit.official = official.to_owned();
        let purpose: Purpose = purpose
            .parse()
            .map_err(|_| fault::malformed("purpose", "1 to 32 characters of A-Z, 0-9 and '_'"))?;
        // Policy knows the purpose, not the event that it needs: asked for elsewhere it would open what nobody said a word about.
        if purpose.as_str() == emergency::PURPOSE && action != action::CASE {
            return Err(fault::malformed(
                "purpose",
                "EMERGENCY opens one case, by GetCase, and nothing else",
            ));
        }
        visit.purpose = Some(purpose);
        Ok(visit)
    }

    /// The same, belonging to a case.
    pub(crate) fn in_case(mut self, case_ref: &str) -> Result<Self, Status> {
        if case_ref.len() > CASE_REF_BYTES_MAX || case_ref.chars().any(char::is_control) {
            return Err(fault::malformed("case_ref", "at most 128 bytes, no control characters"));
        }
        case_ref.clone_into(&mut self.case_ref);
        Ok(self)
    }

    /// A call that names neither official nor purpose.
    pub(crate) fn anonymous<T: Message>(request: &Request<T>, action: &'static str) -> Result<Self, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller
            .ok_or_else(|| Status::unauthenticated("the connection carries no agency's certificate"))?;
        let parameters = request.get_ref().encode_to_vec();
        Ok(Self {
            caller,
            official: String::new(),
            purpose: None,
            case_ref: String::new(),
            emergency: None,
            action,
            parameters,
        })
    }

    pub(crate) fn is_emergency(&self) -> bool {
        self.purpose.as_ref().is_some_and(|purpose| purpose.as_str() == emergency::PURPOSE)
    }

    /// The same, under an emergency access that was found to open it.
    pub(crate) fn under_emergency(self, taken: Position) -> Self {
        Self { emergency: Some(taken), ..self }
    }

    pub(crate) fn agency(&self) -> &AgencyCode {
        &self.caller.sender.agency
    }

    /// The classes of a view that the caller may ask for, for this purpose, whosever data it shows.
    pub(crate) fn sight(&self, parts: &Parts, view: View) -> Sight {
        let directory = parts.directory.load();
        let mut sight = Sight { directory_position: directory.position(), ..Sight::default() };
        let (action, purpose, at) = (Action::View, self.purpose.as_ref(), parts.clock.now());
        let asking = Asking { agency: self.agency(), official: &self.official, action, purpose, at };
        sight.add(&directory, &asking, view, None);
        sight
    }

    /// The same of one document, or of some document of the view where none was found: by the agencies whose data it shows.
    pub(crate) fn sight_of(&self, parts: &Parts, view: View, document: Option<&Document>) -> Sight {
        let directory = parts.directory.load();
        let (action, purpose, at) = (Action::View, self.purpose.as_ref(), parts.clock.now());
        let asking = Asking { agency: self.agency(), official: &self.official, action, purpose, at };
        let of = |provider: Option<&AgencyCode>| {
            let mut sight = Sight { directory_position: directory.position(), ..Sight::default() };
            sight.add(&directory, &asking, view, provider);
            sight
        };
        let providers = document.map(|document| document.providers.iter().collect::<Vec<_>>());
        match providers {
            Some(providers) if !providers.is_empty() => {
                let mut all = providers.into_iter().map(|provider| of(Some(provider)));
                let first = all.next().unwrap_or_default();
                all.fold(first, |sight, one| sight.join(one, view, |left, right| left & right))
            }
            Some(_) => of(None),
            None => {
                let named = directory.named_providers(self.agency());
                let others = named.into_iter().filter(|provider| *provider != self.agency());
                others
                    .map(|provider| of(Some(provider)))
                    .fold(of(None), |sight, one| sight.join(one, view, |left, right| left | right))
            }
        }
    }

    /// What a refusal of a view is for want of, as a sentence begins.
    pub(crate) fn want(&self, parts: &Parts, view: View) -> &'static str {
        let (directory, at) = (parts.directory.load(), parts.clock.now());
        let (agency, purpose) = (self.agency(), self.purpose.as_ref());
        let want = |class: &FieldClass| {
            let (action, resource, field_class) = (Action::View, view.as_str(), Some(*class));
            let (official, provider) = (Some(self.official.as_str()), None);
            directory.want(&Ask { agency, official, action, resource, field_class, purpose, provider, at })
        };
        // One class that an agreement would open is enough.
        classes_of(view).iter().map(want).find(|want| *want != "no policy").unwrap_or("no policy")
    }

    /// Leaves the durable access entry: its index, and the checkpoint that it names.
    pub(crate) async fn record(
        &self,
        parts: &Parts,
        sight: &Sight,
        mut answered: Answered<'_>,
    ) -> Result<(u64, String), Status> {
        let quotas: Vec<Quota> =
            sight.quotas.iter().map(|(agreement, most)| (agreement.clone(), *most)).collect();
        let taken = match quota::counts(answered.answer) {
            true => parts.access.quotas().take(&quotas, parts.clock.now()),
            false => Ok(()),
        };
        if taken.is_err() {
            answered = Answered::bare(QUOTA_EXCEEDED, answered.position);
        }
        let checkpoint = parts.read_models.head().checkpoint.clone();
        let under = self.emergency.map(|position| format!("emergency:{position}"));
        let case_ref = if answered.case_ref.is_empty() { &self.case_ref } else { answered.case_ref };
        let draft = AccessDraft {
            caller: Some(self.caller.clone()),
            official: self.official.clone(),
            action: self.action,
            purpose: self.purpose.as_ref().map_or_else(String::new, ToString::to_string),
            case_ref: case_ref.to_owned(),
            subject_ref: answered.subject_ref.to_owned(),
            disclosed: answered.disclosed.iter().map(ToString::to_string).collect(),
            answer: answered.answer.to_owned(),
            position: answered.position,
            directory_position: sight.directory_position,
            policies: sight.policies.iter().cloned().chain(under).collect(),
            checkpoint: Some(checkpoint.clone()),
            subjects: answered.subjects,
            embargo: parts
                .directory
                .load()
                .embargo(self.agency(), case_ref, &self.official, parts.clock.now())
                .map(Embargo::to_wire),
            parameters: self.parameters.clone().into(),
        };
        let index = parts.access.record(draft).await.map_err(|error| fault::of_access(&error))?;
        taken.map_err(|spent| fault::spent(&spent))?;
        Ok((index, checkpoint))
    }
}

impl Sight {
    /// Everything that an agency is sent unasked. The publisher has cut every message by the same question.
    pub(crate) fn published(directory: &Directory, agency: &AgencyCode, at: Timestamp) -> Self {
        let mut sight = Self { directory_position: directory.position(), ..Self::default() };
        let asking = Asking { agency, official: "", action: Action::Publish, purpose: None, at };
        let named = directory.named_providers(agency);
        for view in View::ALL {
            sight.add(directory, &asking, *view, None);
            for provider in named.iter().filter(|provider| **provider != agency) {
                sight.add(directory, &asking, *view, Some(provider));
            }
        }
        sight
    }

    /// Of two sights of a view what stands in one of them or in both; the grounds of both.
    fn join(
        mut self,
        other: Self,
        view: View,
        join: impl Fn(&BTreeSet<FieldClass>, &BTreeSet<FieldClass>) -> BTreeSet<FieldClass>,
    ) -> Self {
        let classes = join(&self.of(view), &other.of(view));
        self.policies.extend(other.policies);
        self.quotas.extend(other.quotas);
        self.classes.insert(view, classes);
        self
    }

    /// Nothing asked: a call that every declared agency may make.
    pub(crate) fn none(directory: &Directory) -> Self {
        Self { directory_position: directory.position(), ..Self::default() }
    }

    pub(crate) fn of(&self, view: View) -> BTreeSet<FieldClass> {
        self.classes.get(&view).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> BTreeSet<FieldClass> {
        self.classes.values().flatten().copied().collect()
    }

    fn add(&mut self, directory: &Directory, asking: &Asking<'_>, view: View, provider: Option<&AgencyCode>) {
        let Asking { agency, official, action, purpose, at } = *asking;
        for class in classes_of(view) {
            let (resource, field_class) = (view.as_str(), Some(*class));
            let official = Some(official);
            let ask = Ask { agency, official, action, resource, field_class, purpose, provider, at };
            let decision = directory.decide_shared(&ask);
            self.policies.extend(decision.grounds());
            if decision.allowed {
                self.quotas.extend(decision.quotas.iter().cloned());
                self.classes.entry(view).or_default().insert(*class);
            }
        }
    }
}
