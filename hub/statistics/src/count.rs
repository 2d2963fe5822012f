//! Counting the events of a log prefix by one definition.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use prost_reflect::DynamicMessage;

use crate::{
    definition::{Condition, Definition, Of, Persons},
    fields::{messages, texts},
};

/// Days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
}

impl Period {
    fn has(self, day: Date) -> bool {
        (self.from..=self.until).contains(&day)
    }
}

/// A number, and how many persons, reports or records stand behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What is published, in the unit of the definition.
    pub value: u64,
    /// What decides whether it may be published.
    pub contributors: u64,
}

/// Counts as they are; nobody sees them before [`crate::hide_small_cells`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Everything, each double left out.
    pub total: Cell,
    /// By value of the field that was asked for; empty without one. One record may stand in several.
    pub rows: BTreeMap<String, Cell>,
}

/// Takes the events of one type in log order. Keeps what it counts of each source record, so about a hundred bytes each.
pub struct Counter<'a> {
    definition: &'a Definition,
    group_by: Option<&'a str>,
    records: HashMap<String, Kept>,
    events: u64,
}

#[derive(Default)]
struct Kept {
    counts: bool,
    first: Option<Date>,
    newest: Option<Date>,
    /// What is counted once; empty: the record itself.
    keys: Vec<String>,
    groups: Vec<String>,
    amount: u64,
}

impl<'a> Counter<'a> {
    /// By one of the definition's fields, or in all.
    pub fn new(definition: &'a Definition, group_by: Option<&'a str>) -> Self {
        Self { definition, group_by, records: HashMap::new(), events: 0 }
    }

    /// The next event: its stream, the day it occurred, its payload.
    pub fn add(&mut self, stream: &str, occurred_on: Date, message: &DynamicMessage) {
        self.events += 1;
        let key = if self.definition.every { format!("{stream}#{}", self.events) } else { stream.to_owned() };
        let kept = self.records.entry(key).or_default();
        let day = match &self.definition.dated_by.field {
            Some(field) => texts(message, field).first().and_then(|text| text.parse().ok()),
            None => Some(occurred_on),
        };
        kept.first = kept.first.or(day);
        kept.newest = day.or(kept.newest);
        kept.counts = self.definition.r#where.iter().all(|condition| holds(condition, message));
        kept.keys = match &self.definition.persons {
            Some(persons) => people(persons, message),
            None => {
                let first = self
                    .definition
                    .distinct
                    .iter()
                    .find_map(|field| texts(message, field).into_iter().next());
                first.map(|text| text.to_uppercase()).into_iter().collect()
            }
        };
        kept.groups = self.group_by.map_or_else(Vec::new, |field| texts(message, field));
        let amount = self.definition.sum.as_ref().and_then(|field| texts(message, field).into_iter().next());
        kept.amount = amount.and_then(|text| text.parse().ok()).unwrap_or(0);
    }

    /// What falls into a period.
    pub fn table(&self, period: Period) -> Table {
        let mut total = Sum::default();
        let mut rows: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
        for (stream, kept) in &self.records {
            let day = if self.definition.dated_by.of == Of::First { kept.first } else { kept.newest };
            if !kept.counts || !day.is_some_and(|day| period.has(day)) {
                continue;
            }
            let keys: Vec<&str> = if self.definition.persons.is_none() && kept.keys.is_empty() {
                vec![stream]
            } else {
                kept.keys.iter().map(String::as_str).collect()
            };
            if keys.is_empty() {
                continue;
            }
            total.add(&keys, kept.amount);
            if self.group_by.is_some() {
                let known = kept.groups.iter().map(String::as_str);
                let unknown = kept.groups.is_empty().then_some("UNKNOWN");
                known.chain(unknown).for_each(|group| rows.entry(group).or_default().add(&keys, kept.amount));
            }
        }
        let sums = self.definition.sum.is_some();
        let rows = rows.into_iter().map(|(group, sum)| (group.to_owned(), sum.cell(sums))).collect();
        Table { total: total.cell(sums), rows }
    }
}

#[derive(Default)]
struct Sum<'a> {
    keys: HashSet<&'a str>,
    amount: u64,
}

impl<'a> Sum<'a> {
    fn add(&mut self, keys: &[&'a str], amount: u64) {
        self.keys.extend(keys);
        self.amount = self.amount.saturating_add(amount);
    }

    fn cell(&self, sums: bool) -> Cell {
        let contributors = self.keys.len() as u64;
        Cell { value: if sums { self.amount } else { contributors }, contributors }
    }
}

fn holds(condition: &Condition, message: &DynamicMessage) -> bool {
    texts(message, &condition.field).iter().any(|text| {
        condition.is.contains(text)
            || condition.begins.iter().any(|head| text.to_uppercase().starts_with(&head.to_uppercase()))
    })
}

/// Each person by the strongest of what is claimed: NIK, passport, else name and birth date. Two claims of one person that
/// share none of these count twice: the read models may know better, a count of a bare log prefix does not.
fn people(persons: &Persons, message: &DynamicMessage) -> Vec<String> {
    let whole = [message.clone()];
    let within = if persons.r#in.is_empty() { whole.to_vec() } else { messages(message, &persons.r#in) };
    let wanted = within.iter().filter(|one| {
        persons.field.is_empty() || texts(one, &persons.field).iter().any(|text| persons.is.contains(text))
    });
    let claims = wanted.flat_map(|one| messages(one, &persons.claim));
    claims
        .filter_map(|claim| {
            let of = |field: &str| texts(&claim, field).into_iter().next().unwrap_or_default();
            let (nik, passport) = (of("nik"), of("passport").replace(' ', ""));
            let key = match (nik.is_empty(), passport.is_empty()) {
                (false, _) => nik,
                (true, false) => passport,
                (true, true) => format!("{}|{}", of("name"), of("birth_date")),
            };
            (key != "|").then(|| key.to_uppercase())
        })
        .collect()
}
