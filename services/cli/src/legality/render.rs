//! A checked verdict for people, or for scripts.

use std::io::Write;

use serde_json::json;
use simpul_proto::v1;

use crate::{
    output::{json_line, table, time},
    trust::CheckedVerdict,
    wire_json,
};

/// Prints the verdict and says what was checked.
///
/// # Errors
/// Where stdout does not take it.
pub fn verdict(checked: &CheckedVerdict, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let value = json!({
            "verdict": wire_json::of("Verdict", &checked.verdict)?,
            "signature": { "valid": true, "key_id": checked.key_id },
            "checkpoint": match &checked.checkpoint {
                Some(checkpoint) => json!({ "valid": true, "origin": checkpoint.origin, "size": checkpoint.size }),
                None => json!({ "valid": null, "note": "no log key at hand" }),
            },
        });
        return json_line(out, &value);
    }
    let verdict = &checked.verdict;
    writeln!(
        out,
        "{}  (judged for {}, rule set {})",
        verdict.kind().as_str_name(),
        or_dash(&verdict.valid_at),
        or_dash(&verdict.rule_set)
    )?;
    let scheme = match verdict.scheme() {
        v1::Scheme::Unspecified => "-",
        scheme => scheme.as_str_name(),
    };
    writeln!(
        out,
        "  scheme {scheme}   destination {}   placement {}   afterwards {}",
        or_dash(&verdict.destination),
        or_dash(&verdict.placement_ref),
        or_dash(&verdict.post_departure),
    )?;
    if !verdict.requirements.is_empty() {
        writeln!(out)?;
        let rows: Vec<_> = verdict.requirements.iter().map(row).collect();
        table(out, ["", "id", "state", "event", "source", "observed", "why"], &rows)?;
        writeln!(out)?;
    }
    if !verdict.warnings.is_empty() {
        writeln!(out, "  warnings       {}", verdict.warnings.join(", "))?;
    }
    if !verdict.can_answer.is_empty() {
        writeln!(out, "  can answer     {}", verdict.can_answer.join(", "))?;
    }
    writeln!(
        out,
        "  answered       {} to {} for {}, access entry {}",
        time(verdict.answered_at_us),
        verdict.agency,
        verdict.purpose,
        verdict.access_entry
    )?;
    writeln!(out, "  signature      valid, key {}", checked.key_id)?;
    match &checked.checkpoint {
        Some(checkpoint) => writeln!(
            out,
            "  checkpoint     valid, {} at {} leaves; the answer reflects the log up to position {}",
            checkpoint.origin, checkpoint.size, verdict.position
        )?,
        None => writeln!(out, "  checkpoint     not checked: no log key at hand")?,
    }
    writeln!(out, "  This verdict gates no protection and no service: every worker keeps every right.")?;
    Ok(())
}

/// One requirement; a star marks what decides the verdict.
fn row(result: &v1::RequirementResult) -> [String; 7] {
    [
        if result.decides { "*" } else { "" }.into(),
        result.id.clone(),
        result.state().as_str_name().into(),
        result.evidence_position.map_or_else(|| "-".into(), |position| position.to_string()),
        or_dash(&result.source).into(),
        match result.freshness() {
            v1::Freshness::Stale => format!("{} (stale)", day(result.observed_at_us)),
            _ => day(result.observed_at_us),
        },
        match result.rule.as_str() {
            "" => result.reason.clone(),
            rule => format!("{} [{rule}]", result.reason),
        },
    ]
}

/// Day and minute are enough for a table; `--json` has the microseconds.
fn day(us: i64) -> String {
    let time = time(us);
    time.get(..16).map_or(time.clone(), |minute| minute.replace('T', " "))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
