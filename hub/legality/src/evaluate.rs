//! The evaluator: facts and rules in, assessment out.

use jiff::civil::Date;
use simpul_proto::{
    embassy::StayCategory,
    registry::{EmployerKind, PlacementRecorded},
    v1::{RequirementResult, RequirementState, Scheme, VerdictKind},
};
use simpul_types::{AgencyCode, Position, Timestamp};

use crate::{
    after,
    book::{Bilingual, Check, Contract, Outcome, Requirement, Rule, RuleBook, Situation, When},
    day::Day,
    facts::{Facts, PlacementFacts, Sourced, StayFact},
    fresh,
    select::{self, Chosen, Departure},
    text::{self, Fill, Limit},
    warnings::{self, Warnings},
};

mod age;
mod arrival;
mod cost;
mod evidence;
mod licence;
mod sea;

/// What the rules say about one person's placement; the verdict is made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The answer.
    pub kind: VerdictKind,
    /// Every requirement of the table, in its order.
    pub requirements: Vec<RequirementResult>,
    /// The day the placement was judged for.
    pub valid_at: Date,
    /// Rule set in force on that day; empty before the first.
    pub rule_set: String,
    /// Scheme as recorded; unspecified where no placement was judged.
    pub scheme: Scheme,
    /// ISO 3166-1 alpha-3; empty where no placement was judged.
    pub destination: String,
    /// Opaque reference of the placement judged; empty where none was.
    pub placement_ref: String,
    /// Notes that do not change the verdict.
    pub warnings: Vec<String>,
    /// Agencies that can supply what is UNKNOWN, without repetition.
    pub can_answer: Vec<String>,
    /// How things stand after departure; empty where not known.
    pub post_departure: String,
}

/// Judges. `valid_at` selects the placement and the day (see the table of the module `select`); `today` is the present
/// day, and what is asked for where `valid_at` is absent.
pub fn evaluate(book: &RuleBook, facts: &Facts, valid_at: Option<Date>, today: Date) -> Assessment {
    let as_of = valid_at.unwrap_or(today);
    let mut warnings = Warnings::default();
    warnings::of_claims(facts, &mut warnings);
    let Some(chosen) = select::select(&facts.placements, as_of, today) else {
        return without_placement(book, facts, as_of, warnings);
    };
    let record = &chosen.episode.placement.value;
    let day = match chosen.departure {
        Departure::On(day) => day,
        Departure::Not | Departure::Undated => as_of,
    };
    let mut assessment = Assessment {
        kind: VerdictKind::InsufficientEvidence,
        requirements: Vec::new(),
        valid_at: day,
        rule_set: book.set_on(day).unwrap_or_default().into(),
        scheme: record.scheme(),
        destination: record.destination.clone(),
        placement_ref: chosen.episode.reference.clone(),
        warnings: Vec::new(),
        can_answer: Vec::new(),
        post_departure: String::new(),
    };
    let open = if chosen.departure == Departure::Undated {
        Some(&book.situations.departure_unknown)
    } else if !book.schemes.contains(&record.scheme()) {
        Some(&book.situations.scheme_not_served)
    } else if assessment.rule_set.is_empty() {
        Some(&book.situations.no_rule_set)
    } else {
        None
    };
    if let Some(situation) = open {
        let origin = Some(Origin::of(&chosen.episode.placement));
        assessment.requirements = all(book, situation, RequirementState::Unknown, origin, day);
        assessment.can_answer.clone_from(&situation.can_answer);
    } else {
        let case = Case::new(book, facts, &chosen, day, (as_of, today));
        apply(&case, &mut assessment, &mut warnings);
        age::warn_of_child(&case, &mut warnings);
    }
    if chosen.departure == Departure::Not {
        warnings.add("NOT_DEPARTED");
    }
    assessment.post_departure = after::state(book, facts, &chosen, as_of, &mut warnings).into();
    let source = &chosen.episode.placement.source;
    fresh::stamp(book, facts, Some(source), today, &mut assessment.requirements, &mut warnings);
    assessment.warnings = warnings.into_list();
    assessment
}

/// Nobody is placed: outside the law, or simply not known here. Never non-procedural.
fn without_placement(book: &RuleBook, facts: &Facts, as_of: Date, mut warnings: Warnings) -> Assessment {
    if !facts.placements.is_empty() {
        warnings.add("PLACEMENT_CANCELLED");
    }
    let stay = newest_stay(&facts.stays, as_of);
    let outside = stay.filter(|stay| book.outside_law.contains(&stay.value.category));
    let (kind, state, situation) = match outside {
        Some(_) => {
            (VerdictKind::NotAMigrantWorker, RequirementState::NotApplicable, &book.situations.outside_law)
        }
        None if facts.found => {
            (VerdictKind::InsufficientEvidence, RequirementState::Unknown, &book.situations.no_placement)
        }
        None => {
            (VerdictKind::InsufficientEvidence, RequirementState::Unknown, &book.situations.not_on_record)
        }
    };
    Assessment {
        kind,
        requirements: all(book, situation, state, outside.map(Origin::of), as_of),
        valid_at: as_of,
        rule_set: book.set_on(as_of).unwrap_or_default().into(),
        scheme: Scheme::Unspecified,
        destination: String::new(),
        placement_ref: String::new(),
        warnings: warnings.into_list(),
        can_answer: situation.can_answer.clone(),
        post_departure: String::new(),
    }
}

/// The newest stay that was known by the day asked for.
fn newest_stay(stays: &[Sourced<StayFact>], as_of: Date) -> Option<&Sourced<StayFact>> {
    stays
        .iter()
        .filter(|stay| stay.value.category != StayCategory::Unspecified)
        .filter(|stay| stay.value.contact_date.is_none_or(|date| date <= as_of))
        .max_by_key(|stay| (stay.value.contact_date, stay.position))
}

/// Every requirement in the same state, for a situation that the table does not cover.
fn all(
    book: &RuleBook,
    situation: &Situation,
    state: RequirementState,
    origin: Option<Origin>,
    day: Date,
) -> Vec<RequirementResult> {
    let row = |requirement: &Requirement| {
        let (reason, reason_id) =
            text::fill(&situation.reason, &Fill { what: &requirement.name, day, limit: None });
        let mut row = RequirementResult {
            id: requirement.id.clone(),
            state: state as i32,
            decides: requirement.decides && state == RequirementState::Unknown,
            reason,
            reason_id,
            legal_source: situation.law.clone(),
            ..RequirementResult::default()
        };
        cite(&mut row, origin);
        row
    };
    book.requirements.iter().map(row).collect()
}

/// Applies the table.
fn apply(case: &Case, assessment: &mut Assessment, warnings: &mut Warnings) {
    let mut worst = Weight::Fine;
    let mut weights = Vec::with_capacity(case.book.requirements.len());
    for requirement in &case.book.requirements {
        let rule = requirement.rules.iter().find(|rule| case.fits(rule));
        let (finding, rule_name, law) = match rule {
            Some(rule) => (
                judge(case, requirement, rule, warnings),
                rule.rule.as_str(),
                law(requirement, rule, case.day),
            ),
            None => (case.no_rule(requirement), "", ""),
        };
        let counts = if requirement.decides { finding.weight } else { Weight::Fine };
        worst = worst.max(counts);
        weights.push(counts);
        if counts == Weight::Open {
            for agency in &requirement.can_answer {
                if !assessment.can_answer.contains(agency) {
                    assessment.can_answer.push(agency.clone());
                }
            }
        }
        let fill = Fill { what: finding.what, day: case.day, limit: finding.limit };
        let (reason, reason_id) = text::fill(finding.text, &fill);
        let mut row = RequirementResult {
            id: requirement.id.clone(),
            state: finding.state as i32,
            reason,
            reason_id,
            legal_source: law.into(),
            rule: rule_name.into(),
            ..RequirementResult::default()
        };
        cite(&mut row, finding.origin);
        assessment.requirements.push(row);
    }
    for (row, weight) in assessment.requirements.iter_mut().zip(weights) {
        row.decides = worst != Weight::Fine && weight == worst;
    }
    assessment.kind = match worst {
        Weight::Fine => VerdictKind::Procedural,
        Weight::Open => VerdictKind::InsufficientEvidence,
        Weight::Against => VerdictKind::NonProcedural,
    };
}

fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    rule: &'a Rule,
    warnings: &mut Warnings,
) -> Finding<'a> {
    // `check` of the book refuses a rule without a reason where the check has no sentence of its own.
    let said = rule.reason.as_ref().unwrap_or(&requirement.name);
    let closed = |state, weight| Finding {
        state,
        weight,
        text: said,
        what: &requirement.name,
        limit: None,
        origin: Some(Origin::of(&case.episode.placement)),
    };
    match &rule.check {
        Check::NotRequired => {
            Finding { origin: None, ..closed(RequirementState::NotApplicable, Weight::Fine) }
        }
        Check::Open => closed(RequirementState::Met, Weight::Fine),
        Check::Closed { outcome: Outcome::NotMet } => closed(RequirementState::NotMet, Weight::Against),
        Check::Closed { outcome: Outcome::Unknown } => closed(RequirementState::Unknown, Weight::Open),
        Check::Evidence { all_of, missing } => evidence::judge(case, requirement, all_of, *missing, warnings),
        Check::Age { min_years } => age::judge(case, requirement, *min_years, warnings),
        Check::Licence { licence, missing, expired, of_the_placer, for_the_destination } => {
            let wanted = licence::Wanted {
                kind: *licence,
                missing: *missing,
                expired: *expired,
                of_the_placer: *of_the_placer,
                for_the_destination: *for_the_destination,
            };
            licence::judge(case, requirement, &wanted)
        }
        Check::Cost { forbidden, debt } => cost::judge(case, requirement, forbidden, debt, warnings),
        Check::SeaContract { documents, must_name, leaves_open, hours_per_day_max, hours_per_week_max } => {
            let hours = (*hours_per_day_max, *hours_per_week_max);
            let wanted = sea::Wanted { documents, must_name, leaves_open, hours };
            sea::judge(case, requirement, &wanted, warnings)
        }
        Check::ArrivalReport => arrival::judge(case, requirement, warnings),
    }
}

/// How much a finding weighs in the verdict; the worst one decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Nothing against it.
    Fine,
    /// It is not known.
    Open,
    /// It speaks against.
    Against,
}

/// What one check found.
struct Finding<'a> {
    state: RequirementState,
    weight: Weight,
    text: &'a Bilingual,
    what: &'a Bilingual,
    limit: Option<Limit<'a>>,
    origin: Option<Origin<'a>>,
}

/// Where a fact comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    position: Position,
    source: &'a AgencyCode,
    observed_at: Timestamp,
}

impl<'a> Origin<'a> {
    fn of<T>(fact: &'a Sourced<T>) -> Self {
        Self { position: fact.position, source: &fact.source, observed_at: fact.observed_at }
    }
}

fn cite(row: &mut RequirementResult, origin: Option<Origin>) {
    if let Some(origin) = origin {
        row.evidence_position = Some(origin.position.get());
        row.source = origin.source.as_str().into();
        row.observed_at_us = origin.observed_at.as_us();
    }
}

fn law<'a>(requirement: &'a Requirement, rule: &'a Rule, day: Date) -> &'a str {
    let dated = || requirement.laws.iter().rev().find(|law| law.from <= day).map(|law| law.law.as_str());
    rule.law.as_deref().or_else(dated).unwrap_or_default()
}

/// One placement on one day.
struct Case<'a> {
    book: &'a RuleBook,
    facts: &'a Facts,
    episode: &'a PlacementFacts,
    record: &'a PlacementRecorded,
    scheme: Scheme,
    employer: EmployerKind,
    signed: Option<Date>,
    placer: bool,
    day: Date,
    /// The worker had departed by `as_of`.
    departed: bool,
    /// The day that is asked for.
    as_of: Date,
    /// The source of the record has not been heard of lately, and last before the day judged: it may have more by now.
    silent_since: Option<Date>,
}

impl<'a> Case<'a> {
    fn new(
        book: &'a RuleBook,
        facts: &'a Facts,
        chosen: &Chosen<'a>,
        day: Date,
        asked: (Date, Date),
    ) -> Self {
        let record = &chosen.episode.placement.value;
        let employer = record.employer.as_ref().map_or(EmployerKind::Unspecified, |employer| employer.kind());
        Self {
            book,
            facts,
            episode: chosen.episode,
            record,
            scheme: record.scheme(),
            employer,
            signed: Day::parse(&record.contract_signed_on).date(),
            placer: !record.placer_licence_no.trim().is_empty(),
            day,
            departed: chosen.departure != Departure::Not,
            as_of: asked.0,
            silent_since: fresh::silent_since(book, facts, &chosen.episode.placement.source, asked.1)
                .filter(|heard| *heard < day),
        }
    }

    fn fits(&self, rule: &Rule) -> bool {
        let When { schemes, destinations, occupations, employers, contract, placer } = &rule.when;
        rule.from <= self.day
            && rule.until.is_none_or(|until| self.day <= until)
            && (schemes.is_empty() || schemes.contains(&self.scheme))
            && (destinations.is_empty() || destinations.contains(&self.record.destination))
            && (occupations.is_empty() || occupations.contains(&self.record.occupation))
            && (employers.is_empty() || employers.contains(&self.employer))
            && placer.is_none_or(|placer| placer == self.placer)
            && match contract {
                None => true,
                Some(Contract::Undated) => self.signed.is_none(),
                Some(Contract::SignedBefore(day)) => self.signed.is_some_and(|signed| signed < *day),
            }
    }

    fn no_rule(&self, requirement: &'a Requirement) -> Finding<'a> {
        Finding {
            state: RequirementState::NotApplicable,
            weight: Weight::Fine,
            text: &self.book.situations.no_rule.reason,
            what: &requirement.name,
            limit: None,
            origin: None,
        }
    }
}
