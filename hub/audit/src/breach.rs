//! Who received what in a time, summed up from the access log: what a notice of a breach (article 46 of UU 27/2022, three
//! times 24 hours) has to tell. A refusal and a look-up that found nobody disclose nothing and are left out.

use std::collections::{BTreeSet, HashMap, HashSet};

use simpul_log::Reader;
use simpul_types::{AgencyCode, Timestamp};

use crate::{
    entries::{EntryError, EntryFilter, entries, first_since},
    subjects::{EVERYBODY, SubjectId},
};

/// Which answers are wanted.
#[derive(Clone, Debug)]
pub struct BreachFilter {
    /// From.
    pub since: Timestamp,
    /// Until, not included.
    pub until: Timestamp,
    /// Only what this agency received.
    pub agency: Option<AgencyCode>,
    /// Only what came over this client certificate.
    pub certificate: Option<String>,
    /// Only what this official received.
    pub official: Option<String>,
}

/// One recipient, and one kind of what it received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct To {
    /// Agency.
    pub agency: String,
    /// Connector or client name.
    pub client: String,
    /// Its certificate's digest.
    pub certificate: String,
    /// Pseudonym of the official; empty for machines.
    pub official: String,
    /// What was asked.
    pub action: String,
    /// What for.
    pub purpose: String,
    /// Field classes disclosed.
    pub disclosed: Vec<String>,
}

/// How much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct What {
    /// Answers.
    pub answers: u64,
    /// Time of the first, microseconds.
    pub first_us: i64,
    /// Of the last.
    pub last_us: i64,
    /// Whom they concern.
    pub persons: BTreeSet<SubjectId>,
    /// They could concern anybody.
    pub everybody: bool,
}

/// What a time's entries say.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Most answers first.
    pub received: Vec<(To, What)>,
    /// Entries looked through.
    pub entries: u64,
    /// Index of the first of them.
    pub first_index: u64,
    /// Persons in all of it.
    pub persons: u64,
}

/// Sums up. Blocking; reads no more of the log than the time asked for, a minute earlier and later.
///
/// # Errors
/// [`EntryError`].
pub fn summarise(reader: &Reader, filter: &BreachFilter) -> Result<Summary, EntryError> {
    // Entries stand in the order of their flushes, so their times go back by less than a minute.
    const SLACK_US: i64 = 60_000_000;
    let (since, until) = (filter.since.as_us(), filter.until.as_us());
    let first_index = first_since(reader, since)?;
    let mut summary = Summary { first_index, ..Summary::default() };
    let mut received: HashMap<To, What> = HashMap::new();
    let mut persons: HashSet<SubjectId> = HashSet::new();
    let wanted = EntryFilter { agency: filter.agency.clone(), action: None };
    for entry in entries(reader, first_index, u64::MAX, wanted) {
        let (_, entry) = entry?;
        if entry.at_us >= until.saturating_add(SLACK_US) {
            break;
        }
        summary.entries += 1;
        let of = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|wanted| wanted == is);
        let in_time = (since..until).contains(&entry.at_us);
        let from_whom = of(&filter.certificate, &entry.certificate) && of(&filter.official, &entry.official);
        if !in_time || !from_whom || entry.disclosed.is_empty() || entry.answer == "NO_RECORD" {
            continue;
        }
        let to = To {
            agency: entry.agency,
            client: entry.client,
            certificate: entry.certificate,
            official: entry.official,
            action: entry.action,
            purpose: entry.purpose,
            disclosed: entry.disclosed,
        };
        let what = received.entry(to).or_default();
        what.first_us = if what.answers == 0 { entry.at_us } else { what.first_us.min(entry.at_us) };
        what.last_us = what.last_us.max(entry.at_us);
        what.answers += 1;
        for link in &entry.links {
            match SubjectId::try_from(&link.subject[..]) {
                Ok(EVERYBODY) => what.everybody = true,
                Ok(subject) => {
                    what.persons.insert(subject);
                    persons.insert(subject);
                }
                Err(_) => {}
            }
        }
    }
    summary.persons = persons.len() as u64;
    summary.received = received.into_iter().collect();
    summary.received.sort_by(|(one, a), (other, b)| b.answers.cmp(&a.answers).then_with(|| one.cmp(other)));
    Ok(summary)
}
