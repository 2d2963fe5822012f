//! Counts by definition, small cells hidden. The log is read from its beginning to the cut-off, so a count takes seconds on a million
//! events and anyone who replays can make it again.

use std::sync::Arc;

use jiff::civil::Date;
use prost::Message;
use simpul_projection::{ReadModels, StateError};
use simpul_proto::{catalogue, statistics::FigureStated, v1};
use simpul_statistics::{
    Counter, Definition, Definitions, Measure, Period, Table, differences, hide_small_cells,
};
use simpul_types::{FieldClass, Position, Timestamp, View};
use tonic::{Request, Status};

use crate::{
    Parts, fault,
    gate::{Answered, Sight, Visit, action},
};

const FIGURE_STATED: &str = "simpul.statistics.v1.FigureStated";

pub(crate) async fn definitions(
    parts: &Arc<Parts>,
    request: &Request<v1::ListDefinitionsRequest>,
) -> Result<v1::ListDefinitionsResponse, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::DEFINITIONS, &asked.official, &asked.purpose)?;
    let sight = allowed(parts, &visit).await?;
    let position = parts.read_models.position();
    visit.record(parts, &sight, Answered::bare("DEFINITIONS", position)).await?;
    Ok(v1::ListDefinitionsResponse { definitions: Definitions::builtin().iter().map(wire).collect() })
}

pub(crate) async fn count(
    parts: &Arc<Parts>,
    request: &Request<v1::CountRequest>,
) -> Result<v1::CountResponse, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::COUNT, &asked.official, &asked.purpose)?;
    let unknown = || fault::malformed("code", "the code of a definition, as ListDefinitions gives them");
    let definition = Definitions::builtin().get(&asked.code).ok_or_else(unknown)?;
    let period = Period { from: day("from", &asked.from)?, until: day("until", &asked.until)? };
    if period.until < period.from {
        return Err(fault::malformed("until", "not before `from`"));
    }
    let group_by = Some(asked.group_by.clone()).filter(|field| !field.is_empty());
    if group_by.as_ref().is_some_and(|field| !definition.group_by.contains(field)) {
        let rule = format!("one of the definition's fields: {}", definition.group_by.join(", "));
        return Err(fault::malformed("group_by", rule));
    }
    let sight = allowed(parts, &visit).await?;
    let head = parts.read_models.head().end;
    let cut_off = asked.cut_off_position.map_or(head, Position::new);
    if cut_off > head {
        return Err(fault::malformed("cut_off_position", format!("at most {head}, where the log ends now")));
    }
    let (models, compare) = (parts.read_models.clone(), asked.compare);
    let counted = tokio::task::spawn_blocking(move || {
        let counting = Counting { definition, period, compare };
        counting.run(&models, group_by.as_deref(), cut_off)
    });
    let counted = match counted.await {
        Ok(Ok(counted)) => counted,
        Ok(Err(error)) => return Err(fault::of_state(&error, parts.ids.as_ref())),
        Err(error) => return Err(fault::internal(&error, parts.ids.as_ref())),
    };
    let answered = Answered {
        answer: "COUNT",
        disclosed: vec![FieldClass::Reference],
        position: cut_off,
        case_ref: "",
        subject_ref: &definition.code,
        subjects: Vec::new(),
    };
    let (access_entry, checkpoint) = visit.record(parts, &sight, answered).await?;
    let published = hide_small_cells(&counted.table);
    let cell = |(group, value)| v1::CountCell { group, value };
    Ok(v1::CountResponse {
        definition: Some(wire(definition)),
        from: period.from.to_string(),
        until: period.until.to_string(),
        cut_off_position: cut_off.get(),
        checkpoint,
        total: Some(cell((String::new(), published.total))),
        rows: published.rows.into_iter().map(cell).collect(),
        unreadable: counted.unreadable,
        figures: counted.figures,
        access_entry,
    })
}

/// Whether the caller may ask for statistics; a refusal is recorded.
async fn allowed(parts: &Arc<Parts>, visit: &Visit) -> Result<Sight, Status> {
    let sight = visit.sight(parts, View::Statistic);
    if sight.of(View::Statistic).contains(&FieldClass::Reference) {
        return Ok(sight);
    }
    let refusal = Answered::bare("DENIED", parts.read_models.position());
    visit.record(parts, &sight, refusal).await?;
    Err(fault::denied(format!("no policy lets {} ask for statistics for this purpose", visit.agency())))
}

fn day(field: &str, text: &str) -> Result<Date, Status> {
    text.parse().map_err(|_| fault::malformed(field, "a date as `YYYY-MM-DD`"))
}

struct Counting {
    definition: &'static Definition,
    period: Period,
    compare: bool,
}

struct Counted {
    table: Table,
    unreadable: u64,
    figures: Vec<v1::ComparedFigure>,
}

impl Counting {
    fn run(
        &self,
        models: &ReadModels,
        group_by: Option<&str>,
        cut_off: Position,
    ) -> Result<Counted, StateError> {
        let mut counter = Counter::new(self.definition, group_by);
        let (mut unreadable, mut figures) = (0, Vec::new());
        let mut types = vec![self.definition.event.as_str()];
        if self.compare {
            types.push(FIGURE_STATED);
        }
        models.each_payload(&types, cut_off, |told| {
            let event_type = told.header.event_type.as_str();
            let Some(payload) = told.payload else {
                unreadable += u64::from(event_type == self.definition.event);
                return;
            };
            if event_type == FIGURE_STATED
                && let Ok(figure) = FigureStated::decode(payload.clone())
            {
                figures.extend(self.compared(told.position, &figure));
            }
            if event_type == self.definition.event
                && let Some(Ok(message)) = catalogue::decode_payload(event_type, &payload)
            {
                counter.add(told.header.stream.as_str(), utc_day(told.header.occurred_at), &message);
            }
        })?;
        Ok(Counted { table: counter.table(self.period), unreadable, figures })
    }

    /// A stated figure for days of the period, and why it differs.
    fn compared(&self, position: Position, figure: &FigureStated) -> Option<v1::ComparedFigure> {
        let (from, until) = (figure.period_from.parse().ok()?, figure.period_until.parse().ok()?);
        if until < self.period.from || self.period.until < from {
            return None;
        }
        let stated = Some(figure.code.clone()).filter(|code| !code.is_empty());
        let known = stated.as_deref().and_then(|code| Definitions::builtin().get(code));
        let theirs = Measure {
            unit: figure.unit().as_str_name().into(),
            from,
            until,
            deduplicated_by: known.map(Definition::deduplicated_by),
            dated_by: known.map(Definition::dated_by),
            code: stated,
            source: figure.source.clone(),
        };
        let ours = Measure {
            unit: self.definition.unit.clone(),
            from: self.period.from,
            until: self.period.until,
            code: Some(self.definition.code.clone()),
            deduplicated_by: Some(self.definition.deduplicated_by()),
            dated_by: Some(self.definition.dated_by()),
            source: "Simpul".into(),
        };
        let why = differences(&ours, &theirs).into_iter().map(|difference| {
            let (code, text_id, text_en) = difference.texts();
            v1::FigureDifference { code: code.into(), text_id: text_id.into(), text_en: text_en.into() }
        });
        Some(v1::ComparedFigure {
            title: figure.title.clone(),
            unit: theirs.unit,
            from: figure.period_from.clone(),
            until: figure.period_until.clone(),
            value: figure.value,
            source: figure.source.clone(),
            stated_on: figure.stated_on.clone(),
            position: position.get(),
            differences: why.collect(),
        })
    }
}

/// The day in UTC; Indonesia's days begin seven to nine hours earlier, which moves events of a night at the edge of a period.
fn utc_day(at: Timestamp) -> Date {
    at.to_string().get(..10).and_then(|day| day.parse().ok()).unwrap_or_default()
}

fn wire(definition: &Definition) -> v1::StatisticDefinition {
    v1::StatisticDefinition {
        code: definition.code.clone(),
        unit: definition.unit.clone(),
        title_id: definition.title_id.clone(),
        title_en: definition.title_en.clone(),
        text_id: definition.text_id.clone(),
        text_en: definition.text_en.clone(),
        deduplicated_by: definition.deduplicated_by(),
        dated_by: definition.dated_by(),
        event_type: definition.event.clone(),
        group_by: definition.group_by.clone(),
    }
}
