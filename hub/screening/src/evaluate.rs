//! What answers come to: the international definition and the domestic charges side by side.
//!
//! | threshold | reached when |
//! |---|---|
//! | NO_INDICATION | fewer than two elements are shown |
//! | INDICATION | two of act, means and purpose are shown; of a child where means are not needed, a purpose is |
//! | IDENTIFIED | every element that is needed is shown, by the international definition also a combination of Delphi dimensions, **and** an officer other than the interviewer has confirmed |
//!
//! Unknown and refused answers show nothing and stand against nobody.

use jiff::{ToSpan, civil::Date};
use simpul_proto::{embassy::ScreeningResult, screening::ReviewOutcome};

use crate::{
    book::{Definition, DefinitionKind, Form, Forms, Kind, Question},
    delphi::DelphiResult,
    screening::{Review, Screening},
};

/// A threshold of identification, never of guilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// Nothing that points to trafficking so far.
    NoIndication,
    /// Reasonable grounds: protection begins.
    Indication,
    /// Identified.
    Identified,
}

/// How old the person was when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgeGroup {
    /// Eighteen or more.
    Adult,
    /// Under eighteen, or in doubt.
    Child,
}

/// One of the three elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// What was done.
    Act,
    /// By what means.
    Means,
    /// What for.
    Purpose,
}

/// An answer that shows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Code of the question.
    pub question: String,
    /// Code of the choice.
    pub choice: String,
}

/// One element under one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementResult {
    /// Which.
    pub element: Element,
    /// Whether the definition needs it of this person.
    pub needed: bool,
    /// The answers that show it; empty: not shown.
    pub by: Vec<Shown>,
}

/// The result under one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Code of the definition; empty where an officer stated the result.
    pub definition: String,
    /// Threshold reached.
    pub threshold: Threshold,
    /// Code of the rule by which.
    pub rule: &'static str,
    /// Each element with its answers.
    pub elements: Vec<ElementResult>,
}

/// Something that does not fit; the screening stands all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Field of the payload, or code of a question.
    pub field: String,
    /// Code of the rule.
    pub rule: &'static str,
}

/// Everything that a screening comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Form and version.
    pub form_version: String,
    /// By birth date, answers and doubt.
    pub age: AgeGroup,
    /// By the international definition.
    pub international: Finding,
    /// By each domestic charge that was in force when it happened.
    pub domestic: Vec<Finding>,
    /// ILO's indicators that were found, with their answers.
    pub ilo: Vec<(String, Vec<Shown>)>,
    /// General signs that were found.
    pub signs: Vec<Shown>,
    /// The Delphi sets that apply.
    pub delphi: Vec<DelphiResult>,
    /// An officer other than the interviewer has confirmed.
    pub confirmed: bool,
    /// What does not fit.
    pub flags: Vec<Flag>,
}

impl Threshold {
    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoIndication => "NO_INDICATION",
            Self::Indication => "INDICATION",
            Self::Identified => "IDENTIFIED",
        }
    }
}

impl AgeGroup {
    /// Its name in documents and data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adult => "ADULT",
            Self::Child => "CHILD",
        }
    }
}

impl Element {
    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "ACT",
            Self::Means => "MEANS",
            Self::Purpose => "PURPOSE",
        }
    }

    const fn shown_as(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Means => "means",
            Self::Purpose => "purpose",
        }
    }
}

impl Evaluation {
    /// The highest threshold of the domestic charges.
    pub fn domestic_threshold(&self) -> Threshold {
        self.domestic.iter().map(|finding| finding.threshold).max().unwrap_or(Threshold::NoIndication)
    }
}

/// What a screening comes to under its form, with the reviews of it. `None` where the hub does not have the form version.
pub fn evaluate(forms: &Forms, screening: &Screening, reviews: &[Review]) -> Option<Evaluation> {
    let form = forms.form(&screening.form_version)?;
    let mut flags = Vec::new();
    let age = age(screening, &mut flags);
    let review = review(screening, reviews, &mut flags);
    let answers = Answers { form, screening };
    let delphi = if form.states_results { Vec::new() } else { forms.delphi.measure(screening, age) };
    let (international, domestic) = match screening.stated {
        Some(stated) => (stated_finding(stated.international), vec![stated_finding(stated.domestic)]),
        None => {
            missing(form, screening, &mut flags);
            let reached = delphi.iter().any(|set| set.reached);
            let judge = |definition: &Definition| answers.judge(definition, age, reached, review);
            let of_kind = |kind| {
                let applies = forms.definitions.iter().filter(move |one| one.kind == kind);
                applies.filter(|one| covers(one, screening, age)).map(judge).collect::<Vec<_>>()
            };
            let domestic = of_kind(DefinitionKind::Domestic);
            (of_kind(DefinitionKind::International).into_iter().next()?, domestic)
        }
    };
    if screening.stated.is_none() && screening.acts.0.is_none() {
        flags.push(Flag { field: "acts_from".into(), rule: "ACT_DATE_UNKNOWN" });
    }
    Some(
        Evaluation {
            form_version: form.code.clone(),
            age,
            international,
            domestic,
            ilo: forms.ilo.iter().map(|one| (one.code.clone(), answers.showing("ilo", &one.code))).collect(),
            signs: answers.signs(),
            delphi,
            confirmed: review == Some(ReviewOutcome::Confirmed),
            flags,
        }
        .without_what_was_not_found(),
    )
}

impl Evaluation {
    fn without_what_was_not_found(mut self) -> Self {
        self.ilo.retain(|(_, by)| !by.is_empty());
        self
    }
}

/// Answers under their form.
struct Answers<'a> {
    form: &'a Form,
    screening: &'a Screening,
}

impl Answers<'_> {
    fn judge(
        &self,
        definition: &Definition,
        age: AgeGroup,
        delphi_reached: bool,
        review: Option<ReviewOutcome>,
    ) -> Finding {
        let means_needed = age == AgeGroup::Adult || definition.means_for_children;
        let element = |element: Element, codes: &[String], needed| {
            let mut by: Vec<Shown> = Vec::new();
            for shown in codes.iter().flat_map(|code| self.showing(element.shown_as(), code)) {
                if !by.contains(&shown) {
                    by.push(shown);
                }
            }
            ElementResult { element, needed, by }
        };
        let elements = vec![
            element(Element::Act, &definition.acts, true),
            element(Element::Means, &definition.means, means_needed),
            element(Element::Purpose, &definition.purposes, true),
        ];
        let shown = elements.iter().filter(|one| !one.by.is_empty()).count();
        let all = elements.iter().all(|one| !one.needed || !one.by.is_empty());
        let for_a_purpose = !means_needed && !elements[2].by.is_empty();
        let (threshold, rule) = match review {
            _ if !all && for_a_purpose => (Threshold::Indication, "CHILD_FOR_A_PURPOSE"),
            _ if !all && shown >= 2 => (Threshold::Indication, "TWO_ELEMENTS"),
            _ if !all => (Threshold::NoIndication, "NOTHING_SHOWN"),
            _ if definition.delphi && !delphi_reached => (Threshold::Indication, "DELPHI_NOT_REACHED"),
            Some(ReviewOutcome::Confirmed) => (Threshold::Identified, "ALL_ELEMENTS_REVIEWED"),
            Some(ReviewOutcome::Returned) => (Threshold::Indication, "RETURNED_BY_REVIEWER"),
            _ => (Threshold::Indication, "AWAITS_REVIEWER"),
        };
        Finding { definition: definition.code.clone(), threshold, rule, elements }
    }

    /// Answers that show a code of a kind, in the order of the form.
    fn showing(&self, kind: &str, code: &str) -> Vec<Shown> {
        let wanted = format!("{kind}.{code}");
        let mut by = Vec::new();
        for question in &self.form.questions {
            for choice in self.given(question) {
                let shows = match question.kind {
                    Kind::YesNo if choice == "YES" => Some(&question.shows),
                    _ => question.choices.iter().find(|one| one.code == choice).map(|one| &one.shows),
                };
                if shows.is_some_and(|shows| shows.contains(&wanted)) {
                    by.push(Shown { question: question.code.clone(), choice: choice.to_owned() });
                }
            }
        }
        by
    }

    fn signs(&self) -> Vec<Shown> {
        let counted = self.form.questions.iter().filter(|question| !question.counted_as.is_empty());
        let shown = counted.flat_map(|question| {
            let found =
                self.given(question).filter(|given| question.choices.iter().any(|one| one.code == **given));
            found.map(|choice| Shown { question: question.code.clone(), choice: choice.to_owned() })
        });
        shown.collect()
    }

    fn given(&self, question: &Question) -> impl Iterator<Item = &str> {
        let of = self.screening.answers.iter().filter(move |answer| answer.question == question.code);
        of.flat_map(|answer| &answer.choices).map(String::as_str)
    }
}

fn stated_finding(result: ScreeningResult) -> Finding {
    let threshold = match result {
        ScreeningResult::Identified => Threshold::Identified,
        ScreeningResult::Indication => Threshold::Indication,
        ScreeningResult::NoIndication | ScreeningResult::Unspecified => Threshold::NoIndication,
    };
    Finding { definition: String::new(), threshold, rule: "STATED_BY_OFFICER", elements: Vec::new() }
}

/// Under eighteen on the first day of what happened, by the birth date or by the answer; in doubt, a child until the doubt is gone.
fn age(screening: &Screening, flags: &mut Vec<Flag>) -> AgeGroup {
    let day = screening.acts.0.or(screening.screened_on);
    let by_date = screening.born_on.zip(day).map(|(born, day)| is_child(born, day));
    let by_answer = match (screening.answered("minor", "YES"), screening.answered("minor", "NO")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let mut flag = |rule| flags.push(Flag { field: "minor".into(), rule });
    if by_date.zip(by_answer).is_some_and(|(date, answer)| date != answer) {
        flag("AGE_MISMATCH");
    }
    let doubted = screening.answered("age-doubt", "YES");
    if doubted {
        flag("AGE_IN_DOUBT_TREATED_AS_CHILD");
    } else if by_date.is_none() && by_answer.is_none() && screening.stated.is_none() {
        flag("AGE_UNKNOWN");
    }
    let child = doubted || by_date == Some(true) || by_answer == Some(true);
    if child { AgeGroup::Child } else { AgeGroup::Adult }
}

fn is_child(born: Date, day: Date) -> bool {
    born.checked_add(18.years()).is_ok_and(|grown| day < grown)
}

/// The newest review by somebody else counts.
fn review(screening: &Screening, reviews: &[Review], flags: &mut Vec<Flag>) -> Option<ReviewOutcome> {
    let mut counting = None;
    for review in reviews {
        let mut flag = |field: &str, rule| flags.push(Flag { field: field.into(), rule });
        if review.reviewer == screening.interviewer {
            flag("reviewer", "REVIEWER_IS_INTERVIEWER");
            continue;
        }
        if review.on.zip(screening.screened_on).is_some_and(|(reviewed, screened)| reviewed < screened) {
            flag("reviewed_on", "REVIEWED_BEFORE_SCREENED");
            continue;
        }
        counting = Some(review.outcome);
    }
    counting
}

/// A charge covers what happened while it was in force, in part or whole; where nobody knows when, every charge is shown.
fn covers(definition: &Definition, screening: &Screening, age: AgeGroup) -> bool {
    if definition.children_only && age == AgeGroup::Adult {
        return false;
    }
    let (Some(from), until) = screening.acts else { return true };
    let until = until.unwrap_or(from);
    definition.first_day().is_some_and(|first| first <= until)
        && definition.last_day().is_none_or(|last| from <= last)
}

fn missing(form: &Form, screening: &Screening, flags: &mut Vec<Flag>) {
    let unanswered = form.questions.iter().filter(|question| {
        question.required && !screening.answers.iter().any(|answer| answer.question == question.code)
    });
    flags.extend(
        unanswered
            .map(|question| Flag { field: question.code.clone(), rule: "REQUIRED_QUESTION_NOT_ANSWERED" }),
    );
}
