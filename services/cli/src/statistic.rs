//! `simpul statistic`: what can be counted, and counts with their definition.

mod columns;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line, table},
};

#[derive(Subcommand)]
pub enum Command {
    /// Every definition: unit, what counts, how doubles are left out, by which date
    List(List),
    /// Count by one definition; cells of 1 to 10 are hidden
    Count(Count),
}

#[derive(Args)]
pub struct List {
    /// Why you ask
    #[arg(long, default_value = "STATISTICS")]
    purpose: String,
}

#[derive(Args)]
pub struct Count {
    /// Code of a definition, for example tppo-police-reports
    code: String,

    /// First day, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    from: String,

    /// Last day, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    until: String,

    /// One of the definition's fields
    #[arg(long, value_name = "FIELD", default_value = "")]
    group_by: String,

    /// Count only events below this position of the log
    #[arg(long, value_name = "POSITION")]
    cut_off: Option<u64>,

    /// Beside figures that agencies have stated, with the reasons why they differ
    #[arg(long)]
    compare: bool,

    /// Comma-separated values in place of a table
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write a Parquet file with the same columns as --csv
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    parquet: Option<PathBuf>,

    /// Why you ask
    #[arg(long, default_value = "STATISTICS")]
    purpose: String,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let mut client = PictureServiceClient::new(connection.connect().await?.channel);
    match command {
        Command::List(List { purpose }) => {
            let request = v1::ListDefinitionsRequest { purpose, official };
            list(&answer(client.list_definitions(request).await)?, json, out)
        }
        Command::Count(asked) => {
            let request = v1::CountRequest {
                code: asked.code,
                from: asked.from,
                until: asked.until,
                group_by: asked.group_by,
                cut_off_position: asked.cut_off,
                compare: asked.compare,
                purpose: asked.purpose,
                official,
            };
            let counted = answer(client.count(request).await)?;
            if let Some(file) = asked.parquet {
                columns::write(&counted, &file)?;
                writeln!(
                    out,
                    "{}: {} rows",
                    file.display(),
                    counted.rows.len() + counted.total.iter().len()
                )?;
                return Ok(ExitCode::SUCCESS);
            }
            match (json, asked.csv) {
                (true, _) => json_line(out, &as_json(&counted)),
                (false, true) => csv(&counted, out),
                (false, false) => show(&counted, out),
            }
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(list: &v1::ListDefinitionsResponse, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    for one in &list.definitions {
        if json {
            json_line(out, &definition(one))?;
            continue;
        }
        writeln!(out, "{}  {} / {}", one.code, one.title_id, one.title_en)?;
        writeln!(out, "  {}\n  {}", one.text_id, one.text_en)?;
        writeln!(
            out,
            "  unit {}, doubles left out by {}, dated by {}",
            one.unit, one.deduplicated_by, one.dated_by
        )?;
        writeln!(out, "  may be grouped by {}\n", one.group_by.join(", "))?;
    }
    Ok(())
}

fn show(counted: &v1::CountResponse, out: &mut dyn Write) -> anyhow::Result<()> {
    let of = counted.definition.clone().unwrap_or_default();
    writeln!(out, "{} / {}, {} to {}", of.title_id, of.title_en, counted.from, counted.until)?;
    writeln!(out, "  {}\n  {}", of.text_id, of.text_en)?;
    writeln!(out, "  unit {}, counted from the log below position {}", of.unit, counted.cut_off_position)?;
    let cells = counted.rows.iter().chain(&counted.total);
    let rows: Vec<_> = cells
        .map(|cell| {
            let group = if cell.group.is_empty() { "all" } else { &cell.group };
            [group.to_owned(), cell.value.map_or("hidden".into(), |value| value.to_string())]
        })
        .collect();
    table(out, ["group", "number"], &rows)?;
    if counted.unreadable > 0 {
        writeln!(out, "  {} events do not open any more and are not counted", counted.unreadable)?;
    }
    for figure in &counted.figures {
        let why: Vec<_> =
            figure.differences.iter().map(|one| format!("{} ({})", one.text_en, one.text_id)).collect();
        writeln!(
            out,
            "  stated: {} {} {} to {}, {} ({}), event {}",
            figure.value,
            figure.unit,
            figure.from,
            figure.until,
            figure.source,
            figure.stated_on,
            figure.position
        )?;
        writeln!(
            out,
            "    differs: {}",
            if why.is_empty() { "in nothing that is stated".into() } else { why.join("; ") }
        )?;
    }
    writeln!(out, "  access entry {}", counted.access_entry)?;
    Ok(())
}

/// Every row carries its definition, period and cut-off: a figure that is passed on keeps its meaning.
fn csv(counted: &v1::CountResponse, out: &mut dyn Write) -> anyhow::Result<()> {
    let of = counted.definition.clone().unwrap_or_default();
    writeln!(out, "code,unit,from,until,cut_off_position,group,value")?;
    for cell in counted.rows.iter().chain(&counted.total) {
        let group = cell.group.replace('"', "\"\"");
        let value = cell.value.map_or(String::new(), |value| value.to_string());
        let (code, unit, from, until) = (&of.code, &of.unit, &counted.from, &counted.until);
        writeln!(out, "{code},{unit},{from},{until},{},\"{group}\",{value}", counted.cut_off_position)?;
    }
    Ok(())
}

fn as_json(counted: &v1::CountResponse) -> Value {
    let cell = |cell: &v1::CountCell| json!({ "group": cell.group, "value": cell.value });
    let figures = counted.figures.iter().map(|figure| {
        let why = figure
            .differences
            .iter()
            .map(|one| json!({ "code": one.code, "id": one.text_id, "en": one.text_en }));
        json!({
            "title": figure.title, "unit": figure.unit, "from": figure.from, "until": figure.until,
            "value": figure.value, "source": figure.source, "stated_on": figure.stated_on,
            "position": figure.position, "differences": why.collect::<Vec<_>>(),
        })
    });
    json!({
        "definition": counted.definition.as_ref().map(definition),
        "from": counted.from, "until": counted.until, "cut_off_position": counted.cut_off_position,
        "checkpoint": counted.checkpoint, "total": counted.total.as_ref().map(cell),
        "rows": counted.rows.iter().map(cell).collect::<Vec<_>>(), "unreadable": counted.unreadable,
        "figures": figures.collect::<Vec<_>>(), "access_entry": counted.access_entry,
    })
}

fn definition(one: &v1::StatisticDefinition) -> Value {
    json!({
        "code": one.code, "unit": one.unit, "title_id": one.title_id, "title_en": one.title_en,
        "text_id": one.text_id, "text_en": one.text_en, "deduplicated_by": one.deduplicated_by,
        "dated_by": one.dated_by, "event_type": one.event_type, "group_by": one.group_by,
    })
}
