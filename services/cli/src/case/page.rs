//! A case as a page: who holds it, whom it is about, the path of a person from recruitment to return in the order of its days, what was found,
//! what is open. Only what the hub disclosed stands here; what policy withholds is named at the end.

use std::{collections::BTreeMap, io::Write};

use serde_json::{Map, Value};
use simpul_proto::catalogue;

/// Columns of a page.
const WIDTH: usize = 110;
/// Members of an event that say where it comes from, not what happened.
const PROVENANCE: &[&str] = &["type", "source", "observed_at", "position", "record", "case_ref", "positions"];

/// One line of the path.
pub struct Step {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// Breaks ties of one day.
    pub position: u64,
    /// Indonesian and English.
    pub title: (String, String),
    /// What is told of it.
    pub details: Vec<String>,
    /// Who said so.
    pub source: String,
}

/// What the page is made of.
pub struct Page<'a> {
    /// By field class.
    pub fields: &'a Value,
    /// Steps that stand in other documents: placements of the case's persons.
    pub beside: Vec<Step>,
    /// Opaque reference, position, withheld classes, access entry.
    pub foot: (&'a str, u64, &'a [String], u64),
}

/// Writes it.
///
/// # Errors
/// Where stdout does not take it.
pub fn write(page: Page<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let Page { fields, beside, foot: (reference, position, withheld, access_entry) } = page;
    let general = &fields["reference"];
    let name = text(&general["case_ref"]).unwrap_or(reference);
    writeln!(out, "KASUS / CASE  {name}")?;
    if let Some(stage) = general["stage"].as_object() {
        let word = |key: &str| stage.get(key).and_then(text).unwrap_or("-");
        writeln!(
            out,
            "  tahap / stage       {} sejak / since {}, dipegang / held by {}",
            word("stage"),
            word("since"),
            word("holder")
        )?;
    }
    people(fields, out)?;
    path(fields, beside, out)?;
    findings(fields, out)?;
    open(general, out)?;
    for flag in list(&general["flags"]) {
        let word = |key: &str| text(&flag[key]).unwrap_or("-").to_owned();
        writeln!(
            out,
            "  ! periksa / check   {}: {} (event {})",
            word("field"),
            word("rule"),
            flag["position"]
        )?;
    }
    if !withheld.is_empty() {
        writeln!(out, "\nTidak ditampilkan menurut kebijakan / withheld by policy: {}", withheld.join(", "))?;
    }
    writeln!(out, "\n{reference}, as of position {position}, access entry {access_entry}")?;
    Ok(())
}

/// Everybody once, with every role.
fn people(fields: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut people: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for class in ["identity", "suspect"] {
        let of = &fields[class];
        let claims = list(&of["persons"]).iter().chain(list(&of["events"]).iter().flat_map(claims));
        for claim in claims {
            let (Some(id), Some(name)) = (text(&claim["person"]), text(&claim["name"])) else { continue };
            let known = people.entry(id.to_owned()).or_default();
            known.0 = name.to_owned();
            known.1.extend(list(&claim["roles"]).iter().filter_map(text).map(str::to_owned));
        }
        for role in list(&of["roles"]) {
            let (Some(id), Some(role_name)) = (text(&role["person"]), text(&role["role"])) else { continue };
            let ended = text(&role["until"]).map_or(String::new(), |until| format!(" until {until}"));
            let spared = if role["non_punishment"] == true { " (UU 21/2007 art. 18)" } else { "" };
            people.entry(id.to_owned()).or_default().1.push(format!("{role_name}{ended}{spared}"));
        }
    }
    if people.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nORANG / PEOPLE")?;
    for (id, (name, mut roles)) in people {
        roles.dedup();
        writeln!(out, "  {name:<32} {:<44} {id}", roles.join(", "))?;
    }
    Ok(())
}

/// Claims about persons within an event.
pub fn claims(event: &Value) -> impl Iterator<Item = &Value> {
    let members = event.as_object().into_iter().flat_map(Map::values);
    let nested = members.flat_map(|value| match value {
        Value::Array(items) => items.iter().collect::<Vec<_>>(),
        one => vec![one],
    });
    nested.filter(|value| value.get("person").is_some_and(Value::is_string) && value.get("name").is_some())
}

fn path(fields: &Value, beside: Vec<Step>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut steps = beside;
    steps.extend(events(fields));
    steps.extend(records(fields));
    steps.sort_by(|a, b| (&a.day, a.position).cmp(&(&b.day, b.position)));
    writeln!(out, "\nPERJALANAN / THE PATH")?;
    for step in steps {
        let (indonesian, english) = &step.title;
        writeln!(out, "  {}  {indonesian} / {english}  [{}]", step.day, step.source)?;
        let mut line = String::new();
        for detail in step.details {
            let full = line.chars().count() + detail.chars().count() > WIDTH - 16;
            if full && !line.is_empty() {
                writeln!(out, "              {line}")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(" · ");
            }
            line.push_str(&detail);
        }
        if !line.is_empty() {
            writeln!(out, "              {line}")?;
        }
    }
    Ok(())
}

/// Events of streams: what the classes say of one event is put together again.
fn events(fields: &Value) -> Vec<Step> {
    let mut merged: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for class in fields.as_object().into_iter().flat_map(Map::values) {
        for event in list(&class["events"]) {
            let (Some(position), Some(members)) = (event["position"].as_u64(), event.as_object()) else {
                continue;
            };
            let known = merged.entry(position).or_default();
            for (name, value) in members {
                known.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    merged
        .into_iter()
        .map(|(position, event)| {
            let name = event.get("type").and_then(text).unwrap_or("-");
            let kind = catalogue::kinds().iter().find(|kind| kind.short_name() == name);
            let title = kind.map_or((name.into(), name.into()), |kind| {
                (kind.title_id.to_owned(), kind.title_en.to_owned())
            });
            step(position, title, &event)
        })
        .collect()
}

/// Intakes, screenings on older forms, police reports: one snapshot each.
fn records(fields: &Value) -> Vec<Step> {
    let titles = [
        ("intake", "Diterima perwakilan", "Received by the mission"),
        ("screening", "Skrining (formulir lama)", "Screening (older form)"),
        ("report", "Laporan polisi", "Police report"),
    ];
    let told = list(&fields["reference"]["records"]).iter().filter_map(|record| {
        let kind = text(&record["kind"])?;
        let (_, indonesian, english) = titles.into_iter().find(|(name, ..)| *name == kind)?;
        let mut members = record.as_object()?.clone();
        for unsaid in ["kind", "stream", "stream_version"] {
            members.remove(unsaid);
        }
        let reference = text(&record["record"])?;
        for class in fields.as_object()?.iter().filter(|(class, _)| *class != "reference") {
            for of_record in class.1.as_object()?.values().flat_map(list) {
                if text(&of_record["record"]) == Some(reference) && of_record.get("person").is_none() {
                    let said = of_record.as_object()?.iter().filter(|(name, _)| *name != "position");
                    said.for_each(|(name, value)| {
                        members.entry(name.clone()).or_insert_with(|| value.clone());
                    });
                }
            }
        }
        let position = record["position"].as_u64()?;
        Some(step(position, (indonesian.to_owned(), english.to_owned()), &members))
    });
    told.collect()
}

fn step(position: u64, title: (String, String), members: &Map<String, Value>) -> Step {
    let is_day =
        |name: &str| name == "on" || name == "from" || name.ends_with("_on") || name.ends_with("_date");
    // The day of an event is the first date of its own that is no deadline.
    let mut days = members.iter().filter(|(name, _)| is_day(name)).filter_map(|(_, value)| text(value));
    let observed = members.get("observed_at").and_then(text).and_then(|time| time.get(..10));
    let day = days.next().or(observed).unwrap_or("          ").to_owned();
    let mut details = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| !PROVENANCE.contains(&name.as_str())) {
        if value.as_str() != Some(&day) {
            details.extend(detail(name, value));
        }
    }
    let source = members.get("source").and_then(text).unwrap_or("-").to_owned();
    Step { day, position, title, details, source }
}

/// One member in words; a person by name, a list by its values.
fn detail(name: &str, value: &Value) -> Option<String> {
    let shown = match value {
        Value::Null | Value::Object(_) if value.get("name").is_none() => return None,
        Value::Object(_) => text(&value["name"])?.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let words: Vec<String> = items
                .iter()
                .filter_map(|item| match item {
                    Value::String(text) => Some(text.clone()),
                    Value::Object(_) => {
                        let value = text(&item["value"]).map(str::to_owned);
                        value.or_else(|| answer(item)).or_else(|| text(&item["name"]).map(str::to_owned))
                    }
                    _ => None,
                })
                .collect();
            words.join(", ")
        }
        other => other.to_string(),
    };
    (!shown.is_empty()).then(|| format!("{}: {shown}", name.replace('_', " ")))
}

/// An answer to a question of a form.
fn answer(item: &Value) -> Option<String> {
    let question = text(&item["question"])?;
    let choices: Vec<&str> = list(&item["choices"]).iter().filter_map(text).collect();
    let said = text(&item["text"]).map_or_else(|| choices.join("+"), str::to_owned);
    Some(format!("{question}={said}"))
}

/// Results of screenings and decisions, side by side.
fn findings(fields: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let of = &fields["screening_result"];
    let (results, decisions) = (list(&of["results"]), list(&of["decisions"]));
    if results.is_empty() && decisions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nHASIL / RESULTS  (ambang identifikasi, bukan pembuktian / thresholds of identification, no proof)"
    )?;
    for result in results {
        let word = |key: &str| text(&result[key]).unwrap_or("-").to_owned();
        writeln!(
            out,
            "  {:<22} {:<14} {:<22} internasional / international {} ({})",
            word("form_version"),
            word("screening_no"),
            if result["reviewed"] == true { "ditinjau / reviewed" } else { "" },
            word("international"),
            word("international_rule"),
        )?;
        let charges = list(&result["charges"]);
        for charge in charges {
            let word = |key: &str| text(&charge[key]).unwrap_or("-").to_owned();
            writeln!(out, "  {:60} {} {} ({})", "", word("charge"), word("threshold"), word("rule"))?;
        }
        if charges.is_empty() {
            writeln!(out, "  {:60} domestik / domestic {}", "", word("domestic"))?;
        }
    }
    for decision in decisions {
        let word = |key: &str| text(&decision[key]).unwrap_or("-").to_owned();
        writeln!(
            out,
            "  keputusan / decision   {} {} oleh / by {} ({})",
            word("on"),
            word("result"),
            word("by"),
            word("under")
        )?;
    }
    Ok(())
}

/// What somebody is to do still.
fn open(general: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let word = |value: &Value, key: &str| text(&value[key]).unwrap_or("-").to_owned();
    for clock in list(&general["clocks"]).iter().filter(|clock| clock["stopped"] != true) {
        let due = if clock["paused"] == true { "ditunda / paused".into() } else { word(clock, "due") };
        lines.push(format!("{due}  {} / {}", word(clock, "title_id"), word(clock, "title_en")));
    }
    for breach in list(&general["breaches"]) {
        let told: Vec<&str> = list(&breach["told"]).iter().filter_map(text).collect();
        let told = if told.is_empty() { "-".to_owned() } else { told.join(", ") };
        lines.push(format!(
            "{}  terlewati / missed: {}, {} → {told}",
            word(breach, "due"),
            word(breach, "rule"),
            word(breach, "level")
        ));
    }
    for referral in list(&general["referrals"]).iter().filter(|one| one["state"] == "OFFERED") {
        let to: Vec<&str> = list(&referral["to"]).iter().filter_map(text).collect();
        lines.push(format!(
            "{}  rujukan menunggu jawaban / referral waits for an answer: {} → {}",
            word(referral, "answer_by"),
            word(referral, "service"),
            to.join(", ")
        ));
    }
    for of_holder in list(&general["papers_missing"]) {
        let papers = list(&of_holder["documents"]).iter();
        let papers: Vec<_> =
            papers.map(|paper| format!("{} ({})", word(paper, "kind"), word(paper, "state"))).collect();
        let holder = word(of_holder, "holder");
        lines
            .push(format!("            dokumen kurang / documents missing, {holder}: {}", papers.join(", ")));
    }
    for bed in
        list(&general["beds"]).iter().filter(|bed| bed["state"] == "HELD" || bed["state"] == "OCCUPIED")
    {
        lines.push(format!(
            "{}  tempat tidur / bed {} {}, {}",
            word(bed, "until"),
            word(bed, "shelter_code"),
            bed["bed"],
            word(bed, "state")
        ));
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTERBUKA / OPEN")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    Ok(())
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}
