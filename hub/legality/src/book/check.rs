//! Puts the files together and refuses rules that do not hold together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use simpul_proto::registry::EvidenceKind;
use simpul_types::AgencyCode;

use super::{
    Check, Requirement, Rule, RuleBook,
    model::{File, List, Names, SeaPart, SeaParts},
};

pub(super) fn assemble(file: File) -> Result<RuleBook, String> {
    let sets = file.sets;
    if !sets.is_sorted_by(|one, next| one.from < next.from) || sets.is_empty() {
        return Err("sets stand in the order of their days, at least one".into());
    }
    let starts: BTreeSet<Date> = sets.iter().map(|set| set.from).collect();
    let mut seen = BTreeSet::new();
    let mut by_id = BTreeMap::new();
    for mut requirement in file.requirements {
        for rule in &mut requirement.rules {
            if !seen.insert(rule.rule.clone()) {
                return Err(format!("rule `{}` stands twice", rule.rule));
            }
            dates(rule, &starts)?;
            expand(rule, &file.list)?;
        }
        check(&requirement)?;
        by_id.insert(requirement.id.clone(), requirement);
    }
    let mut requirements = Vec::new();
    for id in &file.evaluator.requirements {
        requirements.push(by_id.remove(id).ok_or_else(|| format!("no requirement `{id}`, or listed twice"))?);
    }
    if let Some(id) = by_id.keys().next() {
        return Err(format!("requirement `{id}` is not listed in evaluator.requirements"));
    }
    agencies("situation.not_on_record", &file.situation.not_on_record.can_answer)?;
    agencies("situation.no_placement", &file.situation.no_placement.can_answer)?;
    Ok(RuleBook {
        sets,
        schemes: file.evaluator.schemes,
        requirements,
        situations: file.situation,
        outside_law: file.outside_law.stays,
        child_under_years: file.child.under_years,
        stale_after_days: file.freshness.stale_after_days,
        card_grace: file.card_grace,
        after_departure: file.after_departure,
        texts: file.texts,
        names: names(file.names)?,
        sea_parts: sea_parts(file.sea_parts)?,
    })
}

fn check(requirement: &Requirement) -> Result<(), String> {
    let id = &requirement.id;
    agencies(id, &requirement.can_answer)?;
    if requirement.can_answer.is_empty() {
        return Err(format!("{id}: nobody can answer"));
    }
    if !requirement.laws.is_sorted_by(|one, next| one.from < next.from) {
        return Err(format!("{id}: laws stand in the order of their days"));
    }
    for rule in &requirement.rules {
        let named = rule.law.is_some() || requirement.laws.iter().any(|law| law.from <= rule.from);
        if !named {
            return Err(format!("{}: names no law", rule.rule));
        }
        let speaks = matches!(rule.check, Check::NotRequired | Check::Open | Check::Closed { .. });
        if speaks && rule.reason.is_none() {
            return Err(format!("{}: this check needs a reason", rule.rule));
        }
        if matches!(&rule.check, Check::Evidence { all_of, .. } if all_of.is_empty()) {
            return Err(format!("{}: asks for no evidence", rule.rule));
        }
    }
    Ok(())
}

/// A rule changes only on the first day of a set, so that a set's name fixes the rules.
fn dates(rule: &Rule, starts: &BTreeSet<Date>) -> Result<(), String> {
    let end = rule.until.map(|until| until.tomorrow().map_err(|error| error.to_string())).transpose()?;
    if end.is_some_and(|end| end <= rule.from) {
        return Err(format!("{}: ends before it begins", rule.rule));
    }
    match [Some(rule.from), end].into_iter().flatten().find(|day| !starts.contains(day)) {
        Some(day) => Err(format!("{}: no set begins on {day}", rule.rule)),
        None => Ok(()),
    }
}

/// Replaces `@name` by the codes of the list.
fn expand(rule: &mut Rule, lists: &BTreeMap<String, List>) -> Result<(), String> {
    for codes in [&mut rule.when.destinations, &mut rule.when.occupations] {
        let mut expanded = Vec::new();
        for code in std::mem::take(codes) {
            match code.strip_prefix('@') {
                Some(name) => {
                    let list = lists.get(name).ok_or_else(|| format!("{}: no list `{name}`", rule.rule))?;
                    expanded.extend(list.codes.iter().cloned());
                }
                None => expanded.push(code),
            }
        }
        *codes = expanded;
    }
    let right = |state: &String| state.len() == 3 && state.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some(wrong) = rule.when.destinations.iter().find(|state| !right(state)) {
        return Err(format!("{}: `{wrong}` is no code of a country or area", rule.rule));
    }
    Ok(())
}

fn sea_parts(parts: SeaParts) -> Result<SeaParts, String> {
    match SeaPart::ALL.iter().find(|part| !parts.contains_key(part)) {
        Some(part) => Err(format!("sea_parts: {part:?} has no name")),
        None => Ok(parts),
    }
}

fn agencies(place: &str, codes: &[String]) -> Result<(), String> {
    let wrong = codes.iter().find(|code| code.parse::<AgencyCode>().is_err());
    wrong.map_or(Ok(()), |code| Err(format!("{place}: `{code}` is no agency")))
}

fn names(by_name: BTreeMap<String, super::Bilingual>) -> Result<Names, String> {
    let mut names = Names::new();
    for (name, text) in by_name {
        let kind = EvidenceKind::from_str_name(&name).ok_or_else(|| format!("names: no kind `{name}`"))?;
        names.insert(kind as i32, text);
    }
    // Kinds are dense from 1.
    let missing = (1..)
        .map_while(|kind| EvidenceKind::try_from(kind).ok())
        .find(|kind| !names.contains_key(&(*kind as i32)));
    match missing {
        Some(kind) => Err(format!("names: {} has none", kind.as_str_name())),
        None => Ok(names),
    }
}
