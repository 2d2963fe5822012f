//! The shape of the rule files.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, de::Error};
use simpul_proto::{embassy::StayCategory, registry, v1};

/// All files together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "set")]
    pub(super) sets: Vec<RuleSet>,
    pub(super) evaluator: Evaluator,
    pub(super) situation: Situations,
    pub(super) outside_law: OutsideLaw,
    pub(super) child: Child,
    pub(super) freshness: FreshnessRule,
    pub(super) after_departure: AfterDeparture,
    #[serde(default)]
    pub(super) card_grace: Vec<CardGrace>,
    pub(super) texts: Texts,
    pub(super) names: BTreeMap<String, Bilingual>,
    pub(super) sea_parts: SeaParts,
    #[serde(default)]
    pub(super) list: BTreeMap<String, List>,
    #[serde(rename = "requirement")]
    pub(super) requirements: Vec<Requirement>,
}

/// Codes that rules name as `@name`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub(super) codes: Vec<String>,
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    confidence: Confidence,
}

/// A sentence or name in both languages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bilingual {
    pub(crate) en: String,
    pub(crate) id: String,
}

/// A name for the rules in force from a day on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSet {
    pub(crate) name: String,
    pub(crate) from: Date,
    #[allow(dead_code, reason = "for the reader of the file")]
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluator {
    #[serde(deserialize_with = "schemes")]
    pub(super) schemes: Vec<v1::Scheme>,
    pub(super) requirements: Vec<String>,
}

/// Answers that do not come from the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Situations {
    pub(crate) not_on_record: Situation,
    pub(crate) no_placement: Situation,
    pub(crate) departure_unknown: Situation,
    pub(crate) scheme_not_served: Situation,
    pub(crate) no_rule_set: Situation,
    pub(crate) outside_law: Situation,
    pub(crate) no_rule: Situation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Situation {
    pub(crate) law: String,
    pub(crate) can_answer: Vec<String>,
    pub(crate) reason: Bilingual,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsideLaw {
    #[serde(deserialize_with = "stays")]
    pub(super) stays: Vec<StayCategory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreshnessRule {
    pub(super) stale_after_days: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Child {
    pub(super) under_years: i16,
}

/// Which evidence tells until when a placement runs, the strongest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AfterDeparture {
    #[serde(deserialize_with = "evidence_kinds")]
    pub(crate) runs_until: Vec<registry::EvidenceKind>,
}

/// A window in which an expired card may still be renewed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardGrace {
    #[allow(dead_code, reason = "for the reader of the file")]
    rule: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    law: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    confidence: Confidence,
    pub(crate) from: Date,
    pub(crate) until: Date,
}

/// How sure we are that the rule is as it stands here.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Confidence {
    High,
    Medium,
    Low,
}

/// One row of the decision table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) name: Bilingual,
    /// Whether it can decide a verdict.
    #[serde(default = "yes")]
    pub(crate) decides: bool,
    /// Agencies that can supply what is unknown.
    pub(crate) can_answer: Vec<String>,
    /// The norm, by day, for rules that name none of their own.
    pub(crate) laws: Vec<DatedLaw>,
    /// The first in force that fits is applied.
    #[serde(rename = "rule")]
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatedLaw {
    pub(crate) from: Date,
    pub(crate) law: String,
}

/// One dated rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) from: Date,
    /// Last day in force.
    pub(crate) until: Option<Date>,
    #[serde(default)]
    pub(crate) when: When,
    pub(crate) check: Check,
    pub(crate) law: Option<String>,
    /// Said instead of the check's own sentence; required where the check has none.
    pub(crate) reason: Option<Bilingual>,
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    confidence: Confidence,
}

/// Which placements a rule is for; an empty list stands for all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    #[serde(default, deserialize_with = "schemes")]
    pub(crate) schemes: Vec<v1::Scheme>,
    /// ISO 3166-1 alpha-3; `@name` of a list until the book is assembled, as with the occupations.
    #[serde(default)]
    pub(crate) destinations: Vec<String>,
    #[serde(default)]
    pub(crate) occupations: Vec<String>,
    #[serde(default, deserialize_with = "employers")]
    pub(crate) employers: Vec<registry::EmployerKind>,
    pub(crate) contract: Option<Contract>,
    /// Whether the placement names a placing company.
    pub(crate) placer: Option<bool>,
}

/// What is known of the day on which the running contract was signed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contract {
    Undated,
    SignedBefore(Date),
}

/// How a rule is judged.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Check {
    /// The requirement does not apply.
    NotRequired,
    /// Met, nothing is closed.
    Open,
    /// Closed, or said to be.
    Closed { outcome: Outcome },
    /// Every document of the list must be good on the day.
    Evidence { all_of: Vec<Need>, missing: Missing },
    /// The person must be of age on the day.
    Age { min_years: i16 },
    /// A licence that the placement names must be in force on the day.
    Licence {
        #[serde(deserialize_with = "licence_kind")]
        licence: registry::LicenceKind,
        /// What it means that the placement names none.
        missing: Missing,
        /// What it means that it had ended, or not begun, on the day.
        #[serde(default = "not_met")]
        expired: Missing,
        /// It must hang on the placing company's licence.
        #[serde(default)]
        of_the_placer: bool,
        /// It must cover the destination.
        #[serde(default)]
        for_the_destination: bool,
    },
    /// Nothing forbidden may have been charged to the worker. Raises OVERCHARGE and DEBT_BONDAGE_INDICATOR.
    Cost {
        /// Kinds of cost that are forbidden; empty: any.
        #[serde(default, deserialize_with = "cost_kinds")]
        forbidden: Vec<registry::CostKind>,
        /// Ways to pay that tie the worker.
        #[serde(deserialize_with = "many_means")]
        debt: Vec<registry::CostMeans>,
    },
    /// The sea crew's agreement must name what is asked, and the documents must be good. Working time beyond the limits
    /// raises EXPLOITATION_INDICATOR_HOURS.
    SeaContract {
        documents: Vec<Need>,
        /// NOT_MET without these.
        must_name: Vec<SeaPart>,
        /// UNKNOWN without these.
        leaves_open: Vec<SeaPart>,
        hours_per_day_max: u32,
        hours_per_week_max: u32,
    },
    /// Has the worker reported the arrival? Raises NOT_YET_REPORTED.
    ArrivalReport,
}

/// What a sea crew's agreement names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the parts")]
pub(crate) enum SeaPart {
    VesselName,
    /// IMO number, or the number in the flag state's register.
    ShipNumber,
    Flag,
    Rank,
    Wage,
    Repatriation,
    Endorsement,
}

impl SeaPart {
    pub(super) const ALL: [Self; 7] = [
        Self::VesselName,
        Self::ShipNumber,
        Self::Flag,
        Self::Rank,
        Self::Wage,
        Self::Repatriation,
        Self::Endorsement,
    ];
}

/// Names of the parts of a sea crew's agreement.
pub(crate) type SeaParts = BTreeMap<SeaPart, Bilingual>;

/// One document that a rule asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    #[serde(deserialize_with = "evidence_kind")]
    pub(crate) evidence: registry::EvidenceKind,
    /// It must not be older than this on the day.
    pub(crate) months: Option<i32>,
    /// Codes of `detail` that do; another one leaves it open. Empty: any does.
    #[serde(default)]
    pub(crate) accepted: Vec<String>,
    /// Codes of `detail` that do not.
    #[serde(default)]
    pub(crate) refused: Vec<String>,
    /// Warnings by code of `detail`.
    #[serde(default)]
    pub(crate) warn: BTreeMap<String, String>,
}

/// What a missing piece means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    NotMet,
    Unknown,
    NotApplicable,
}

/// What a closure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    NotMet,
    Unknown,
}

/// One sentence per outcome of a check. `{what}`, `{day}` and `{limit}` are filled in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::missing_docs_in_private_items, reason = "the names are the outcomes")]
pub(crate) struct Texts {
    pub(crate) evidence_met: Bilingual,
    pub(crate) evidence_missing: Bilingual,
    pub(crate) evidence_silent: Bilingual,
    pub(crate) evidence_expired: Bilingual,
    pub(crate) evidence_not_yet: Bilingual,
    pub(crate) evidence_too_old: Bilingual,
    pub(crate) evidence_invalid: Bilingual,
    pub(crate) evidence_revoked: Bilingual,
    pub(crate) evidence_unverified: Bilingual,
    pub(crate) evidence_undated: Bilingual,
    pub(crate) evidence_refused: Bilingual,
    pub(crate) evidence_doubtful: Bilingual,
    pub(crate) age_met: Bilingual,
    pub(crate) age_under: Bilingual,
    pub(crate) age_unknown: Bilingual,
    pub(crate) age_by_nik_only: Bilingual,
    pub(crate) age_disputed: Bilingual,
    pub(crate) licence_met: Bilingual,
    pub(crate) licence_missing: Bilingual,
    pub(crate) licence_off_record: Bilingual,
    pub(crate) licence_expired: Bilingual,
    pub(crate) licence_not_yet: Bilingual,
    pub(crate) licence_suspended: Bilingual,
    pub(crate) licence_revoked: Bilingual,
    pub(crate) licence_other_company: Bilingual,
    pub(crate) licence_other_destination: Bilingual,
    pub(crate) licence_unclear: Bilingual,
    pub(crate) cost_none: Bilingual,
    pub(crate) cost_allowed: Bilingual,
    pub(crate) cost_charged: Bilingual,
    pub(crate) sea_met: Bilingual,
    pub(crate) sea_missing: Bilingual,
    pub(crate) sea_lacks: Bilingual,
    pub(crate) arrival_reported: Bilingual,
    pub(crate) arrival_open: Bilingual,
    pub(crate) arrival_not_due: Bilingual,
}

/// Names of the kinds of evidence, by number of the kind.
pub(crate) type Names = BTreeMap<i32, Bilingual>;

fn yes() -> bool {
    true
}

fn not_met() -> Missing {
    Missing::NotMet
}

/// Reads protobuf enum values by the names of the `.proto` files.
macro_rules! by_name {
    ($one:ident, $many:ident, $type:ty) => {
        #[allow(dead_code, reason = "some enums are read one at a time, others as lists")]
        fn $one<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
            let name = String::deserialize(from)?;
            <$type>::from_str_name(&name).ok_or_else(|| D::Error::custom(format!("unknown name `{name}`")))
        }

        #[allow(dead_code, reason = "some enums are read one at a time, others as lists")]
        fn $many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<$type>, D::Error> {
            let value = |name: &String| {
                <$type>::from_str_name(name).ok_or_else(|| D::Error::custom(format!("unknown name `{name}`")))
            };
            Vec::<String>::deserialize(from)?.iter().map(value).collect()
        }
    };
}

by_name!(scheme, schemes, v1::Scheme);
by_name!(employer, employers, registry::EmployerKind);
by_name!(evidence_kind, evidence_kinds, registry::EvidenceKind);
by_name!(licence_kind, licence_kinds, registry::LicenceKind);
by_name!(stay, stays, StayCategory);
by_name!(cost_kind, cost_kinds, registry::CostKind);
by_name!(means, many_means, registry::CostMeans);
