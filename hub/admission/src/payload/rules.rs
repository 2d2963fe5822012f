//! The rules of every payload: required or not, bounds, dates, closed lists. Those of most types are read from the options in
//! `proto/`; those of the first five stand here, as `proto/` says in its comments.

use std::{collections::HashMap, sync::LazyLock};

use simpul_proto::catalogue::{self, FieldForm, MessageRules};

use super::{
    Field, Message,
    Need::{self, Optional, Repeated, Required, Several},
    Rule::{self, Country, Date, Digits, Enum, Text},
};

/// A number, code or reference.
const CODE: Rule = Text(128);
/// A name of a person, a company, a unit.
const NAME: Rule = Text(200);
/// Free text; the bound of an event is narrower where it is long.
const NARRATIVE: Rule = Text(131_072);

const fn field(number: u32, name: &'static str, need: Need, rule: Rule) -> Field {
    Field { number, name, need, rule }
}

/// The rules of an event type; `None` where the directory's fold has them, or the catalogue does not have the
/// type.
pub(crate) fn of(event_type: &str) -> Option<&'static Message> {
    BY_CODE
        .iter()
        .copied()
        .find(|message| message.name == event_type)
        .or_else(|| DERIVED.get(event_type).copied())
}

static DERIVED: LazyLock<HashMap<&'static str, &'static Message>> =
    LazyLock::new(|| catalogue::kinds().iter().map(|kind| (kind.name(), derive(kind.rules))).collect());

/// The same rules in the shape that the walk reads; they live as long as the process.
fn derive(rules: &MessageRules) -> &'static Message {
    let fields: Vec<Field> = rules.fields.iter().map(derive_field).collect();
    let ordered = rules.fields.iter().filter_map(|field| Some((field.number, field.not_before?.0)));
    let ordered: Vec<(u32, u32)> = ordered.collect();
    Box::leak(Box::new(Message { name: rules.name, fields: fields.leak(), ordered: ordered.leak() }))
}

fn derive_field(field: &catalogue::Field) -> Field {
    let need = match (field.list, field.required) {
        (true, true) => Several(field.most),
        (true, false) => Repeated(field.most),
        (false, true) => Required,
        (false, false) => Optional,
    };
    let rule = match field.form {
        FieldForm::Text(most) => Text(most),
        FieldForm::Digits(count) => Digits(count),
        FieldForm::Date => Date,
        FieldForm::Country => Country,
        FieldForm::Region => Rule::Region,
        FieldForm::ImoNumber => Rule::ImoNumber,
        FieldForm::PersonRef => Rule::PersonRef,
        FieldForm::Enum(most) => Enum(most),
        FieldForm::Number | FieldForm::Bool => Rule::Number,
        FieldForm::Message(inner) => Rule::Message(derive(inner)),
    };
    Field { number: field.number, name: field.name, need, rule }
}

static BY_CODE: &[&Message] = &[&PLACEMENT, &LICENCE, &CASE, &INTAKE, &SCREENING];

static PERSON: Message = Message {
    name: "simpul.v1.PersonClaim",
    fields: &[
        field(1, "nik", Optional, Digits(16)),
        field(2, "passport", Optional, Text(32)),
        field(3, "card", Optional, Text(64)),
        field(4, "name", Required, NAME),
        field(5, "birth_date", Optional, Date),
        field(6, "sex", Optional, Enum(2)),
        field(7, "nationality", Optional, Country),
        field(8, "mrz", Optional, Text(95)),
        field(9, "origin_village", Optional, Text(16)),
        field(10, "phone", Optional, Text(32)),
    ],
    ordered: &[],
};

static PLACEMENT: Message = Message {
    name: "simpul.registry.v1.PlacementRecorded",
    fields: &[
        field(1, "placement_no", Required, CODE),
        field(2, "person", Required, Rule::Message(&PERSON)),
        field(3, "scheme", Required, Enum(6)),
        field(4, "destination", Required, Country),
        field(5, "occupation", Required, CODE),
        field(6, "employer", Optional, Rule::Message(&EMPLOYER)),
        field(7, "placer_licence_no", Optional, CODE),
        field(8, "recruitment_permit_no", Optional, CODE),
        field(9, "departure_date", Optional, Date),
        field(10, "status", Optional, Enum(5)),
        field(11, "evidence", Repeated(64), Rule::Message(&EVIDENCE)),
        field(12, "first_departure_date", Optional, Date),
        field(13, "contract_signed_on", Optional, Date),
        field(14, "costs", Repeated(64), Rule::Message(&COST)),
        field(15, "sea_contract", Optional, Rule::Message(&SEA_CONTRACT)),
        field(16, "arrival_report", Optional, Rule::Message(&ARRIVAL)),
        field(17, "contract_changes", Repeated(64), Rule::Message(&CHANGE)),
    ],
    ordered: &[],
};

static COST: Message = Message {
    name: "simpul.registry.v1.CostCharged",
    fields: &[
        field(1, "kind", Required, Enum(11)),
        field(2, "amount_idr", Required, Rule::Number),
        field(3, "means", Optional, Enum(4)),
        field(4, "charged_by", Optional, NAME),
        field(5, "charged_on", Optional, Date),
    ],
    ordered: &[],
};

static SEA_CONTRACT: Message = Message {
    name: "simpul.registry.v1.SeaContract",
    fields: &[
        field(1, "vessel_name", Optional, NAME),
        field(2, "imo_number", Optional, Rule::ImoNumber),
        field(3, "registry_no", Optional, CODE),
        field(4, "flag", Optional, Country),
        field(5, "rank", Optional, CODE),
        field(6, "hours_per_day_max", Optional, Rule::Number),
        field(7, "hours_per_week_max", Optional, Rule::Number),
        field(8, "wage_month", Optional, Rule::Number),
        field(9, "wage_currency", Optional, CODE),
        field(10, "repatriation_by", Optional, NAME),
        field(11, "endorsed_by", Optional, NAME),
        field(12, "endorsed_on", Optional, Date),
        field(13, "seafarer_code", Optional, CODE),
    ],
    ordered: &[],
};

static ARRIVAL: Message = Message {
    name: "simpul.registry.v1.ArrivalReport",
    fields: &[
        field(1, "reported_on", Required, Date),
        field(2, "channel", Optional, CODE),
        field(3, "mission", Optional, NAME),
    ],
    ordered: &[],
};

static CHANGE: Message = Message {
    name: "simpul.registry.v1.ContractChange",
    fields: &[
        field(1, "changed_on", Required, Date),
        field(2, "kind", Required, Enum(4)),
        field(3, "recorded_by", Optional, NAME),
        field(4, "destination", Optional, Country),
        field(5, "employer", Optional, NAME),
    ],
    ordered: &[],
};

static EMPLOYER: Message = Message {
    name: "simpul.registry.v1.Employer",
    fields: &[
        field(1, "name", Optional, NAME),
        field(2, "kind", Optional, Enum(2)),
        field(3, "city", Optional, NAME),
    ],
    ordered: &[],
};

static EVIDENCE: Message = Message {
    name: "simpul.registry.v1.Evidence",
    fields: &[
        field(1, "kind", Required, Enum(17)),
        field(2, "number", Optional, CODE),
        field(3, "issuer", Optional, NAME),
        field(4, "issued_on", Optional, Date),
        field(5, "valid_from", Optional, Date),
        field(6, "valid_until", Optional, Date),
        field(7, "result", Required, Enum(4)),
        field(8, "detail", Optional, CODE),
    ],
    ordered: &[],
};

static LICENCE: Message = Message {
    name: "simpul.registry.v1.LicenceRecorded",
    fields: &[
        field(1, "licence_no", Required, CODE),
        field(2, "kind", Required, Enum(3)),
        field(3, "holder", Required, NAME),
        field(4, "valid_from", Required, Date),
        field(5, "valid_until", Required, Date),
        field(6, "suspensions", Repeated(256), Rule::Message(&SUSPENSION)),
        field(7, "revoked_on", Optional, Date),
        field(8, "parent_licence_no", Optional, CODE),
        field(9, "destinations", Repeated(300), Country),
    ],
    ordered: &[],
};

static SUSPENSION: Message = Message {
    name: "simpul.registry.v1.Suspension",
    fields: &[
        field(1, "from", Required, Date),
        field(2, "until", Optional, Date),
        field(3, "decision_no", Optional, CODE),
    ],
    ordered: &[],
};

static CASE: Message = Message {
    name: "simpul.police.v1.CaseUpdated",
    fields: &[
        field(1, "lp_number", Required, CODE),
        field(2, "report_type", Required, Enum(2)),
        field(3, "stage", Required, Enum(15)),
        field(4, "stage_date", Required, Date),
        field(5, "unit", Required, NAME),
        field(6, "articles", Repeated(128), CODE),
        field(7, "persons", Repeated(1_024), Rule::Message(&CASE_PERSON)),
        field(8, "related_case_ref", Optional, CODE),
    ],
    ordered: &[],
};

static CASE_PERSON: Message = Message {
    name: "simpul.police.v1.CasePerson",
    fields: &[
        field(1, "roles", Several(16), Enum(6)),
        field(2, "person", Optional, Rule::Message(&PERSON)),
        field(3, "stage", Optional, Enum(15)),
    ],
    ordered: &[],
};

static INTAKE: Message = Message {
    name: "simpul.embassy.v1.IntakeRecorded",
    fields: &[
        field(1, "intake_no", Required, CODE),
        field(2, "mission", Required, NAME),
        field(3, "case_ref", Required, CODE),
        field(4, "person", Required, Rule::Message(&PERSON)),
        field(5, "stay_category", Required, Enum(7)),
        field(6, "contact_date", Required, Date),
        field(7, "location_country", Optional, Country),
        field(8, "narrative", Optional, NARRATIVE),
        field(9, "urgent_needs", Repeated(32), CODE),
        field(10, "shelter_address", Optional, Text(1_000)),
        field(11, "recruiter_contact", Optional, Text(500)),
    ],
    ordered: &[],
};

static SCREENING: Message = Message {
    name: "simpul.embassy.v1.ScreeningSubmitted",
    fields: &[
        field(1, "screening_no", Required, CODE),
        field(2, "intake_no", Required, CODE),
        field(3, "case_ref", Required, CODE),
        field(4, "form_version", Required, CODE),
        field(5, "officer", Required, CODE),
        field(6, "indicators", Repeated(256), CODE),
        field(7, "exploitation", Optional, Enum(6)),
        field(8, "result_international", Required, Enum(3)),
        field(9, "result_domestic", Required, Enum(3)),
        field(10, "narrative", Optional, NARRATIVE),
        field(11, "person", Optional, Rule::Message(&PERSON)),
    ],
    ordered: &[],
};
