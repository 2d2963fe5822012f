//! One document, cut to what the caller may see; and how far everything has come.

use std::{sync::Arc, time::Duration};

use simpul_audit::SubjectId;
use simpul_projection::Document;
use simpul_proto::v1;
use simpul_types::{Position, View};
use tonic::{Request, Status};

use crate::{
    Parts, emergency, fault,
    gate::{Answered, Sight, Visit, action},
};

/// How long `at_least_position` is waited for.
const POSITION_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a case reference, an LP number or an opaque reference.
const REFERENCE_BYTES_MAX: usize = 128;

pub(crate) async fn case(
    parts: &Arc<Parts>,
    request: &Request<v1::GetCaseRequest>,
) -> Result<v1::ViewDocument, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::CASE, &asked.official, &asked.purpose)?;
    let reference = reference("case_ref", &asked.case_ref)?;
    if visit.is_emergency() {
        return in_an_emergency(parts, visit, reference, asked).await;
    }
    answer(parts, visit, View::Case, reference, asked.at_least_position).await
}

/// Shown under the event that the caller names and under no other.
async fn in_an_emergency(
    parts: &Arc<Parts>,
    visit: Visit,
    reference: &str,
    asked: &v1::GetCaseRequest,
) -> Result<v1::ViewDocument, Status> {
    const FIELD: &str = "emergency_position";
    let Some(position) = asked.emergency_position.map(Position::new) else {
        return Err(fault::malformed(FIELD, "required with purpose EMERGENCY"));
    };
    let (judge, agency, case_ref) = (Arc::clone(parts), visit.agency().clone(), reference.to_owned());
    let opens = tokio::task::spawn_blocking(move || {
        emergency::opens(&judge, position, &agency, &case_ref, judge.clock.now())
    });
    match opens.await {
        Ok(Ok(())) => {
            answer(parts, visit.under_emergency(position), View::Case, reference, asked.at_least_position)
                .await
        }
        Ok(Err(shut)) => {
            let sight = Sight::none(&parts.directory.load());
            visit.record(parts, &sight, Answered::bare("DENIED", parts.read_models.position())).await?;
            Err(fault::denied(format!("{FIELD} must name {shut}")))
        }
        Err(error) => Err(fault::internal(&error, parts.ids.as_ref())),
    }
}

pub(crate) async fn placement(
    parts: &Arc<Parts>,
    request: &Request<v1::GetPlacementRequest>,
) -> Result<v1::ViewDocument, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::PLACEMENT, &asked.official, &asked.purpose)?
        .in_case(&asked.case_ref)?;
    let reference = reference("placement_ref", &asked.placement_ref)?;
    answer(parts, visit, View::Placement, reference, asked.at_least_position).await
}

pub(crate) async fn record(
    parts: &Arc<Parts>,
    request: &Request<v1::GetRecordRequest>,
) -> Result<v1::ViewDocument, Status> {
    let asked = request.get_ref();
    let visit =
        Visit::enter(request, action::RECORD, &asked.official, &asked.purpose)?.in_case(&asked.case_ref)?;
    let view = asked.view.parse().ok().filter(|view| *view != View::Case && *view != View::Placement);
    let view =
        view.ok_or_else(|| fault::malformed("view", "one of the views that GetRecordRequest lists"))?;
    let reference = reference("record_ref", &asked.record_ref)?;
    answer(parts, visit, view, reference, asked.at_least_position).await
}

pub(crate) async fn position(
    parts: &Arc<Parts>,
    request: &Request<v1::GetPositionRequest>,
) -> Result<v1::GetPositionResponse, Status> {
    let visit = Visit::anonymous(request, action::POSITION)?;
    let directory = parts.directory.load_full();
    let sight = Sight::none(&directory);
    let read_position = parts.read_models.position();
    if directory.agency(visit.agency()).is_none() {
        visit.record(parts, &sight, Answered::bare("DENIED", read_position)).await?;
        return Err(fault::denied(format!("{} is not declared in the directory", visit.agency())));
    }
    let agencies = parts.outbox.agencies();
    let published_sequence =
        agencies.iter().map(|agency| (agency.to_string(), parts.outbox.published_sequence(agency))).collect();
    let log_position = parts.read_models.head().end;
    let (_, checkpoint) = visit.record(parts, &sight, Answered::bare("POSITION", read_position)).await?;
    Ok(v1::GetPositionResponse {
        log_position: log_position.get(),
        read_position: read_position.get(),
        published_sequence,
        checkpoint,
    })
}

fn reference<'a>(field: &str, text: &'a str) -> Result<&'a str, Status> {
    let right = (1..=REFERENCE_BYTES_MAX).contains(&text.trim().len()) && !text.chars().any(char::is_control);
    right.then_some(text).ok_or_else(|| fault::malformed(field, "1 to 128 bytes, no control characters"))
}

/// Waits until the read models have come so far.
pub(crate) async fn reach(parts: &Parts, at_least: Option<u64>) -> Result<(), Status> {
    let Some(position) = at_least else { return Ok(()) };
    if parts.read_models.wait_for(Position::new(position), POSITION_TIMEOUT).await {
        return Ok(());
    }
    Err(Status::unavailable(format!(
        "at_least_position: the read models have not reached it within {} s",
        POSITION_TIMEOUT.as_secs()
    )))
}

async fn answer(
    parts: &Arc<Parts>,
    visit: Visit,
    view: View,
    reference: &str,
    at_least: Option<u64>,
) -> Result<v1::ViewDocument, Status> {
    let sight = visit.sight_of(parts, view, None);
    if sight.of(view).is_empty() {
        let refusal = Answered::bare("DENIED", parts.read_models.position());
        visit.record(parts, &sight, refusal).await?;
        let want = visit.want(parts, view);
        let message = format!("{want} lets {} see any part of a {view} for this purpose", visit.agency());
        return Err(fault::denied(message));
    }
    reach(parts, at_least).await?;
    // Read before the look-up: the answer reflects at least this much of the log.
    let position = parts.read_models.position();
    let found = look_up(parts, view, reference).await?;
    // Who tried to see what does not exist for them is told to those whom it concerns all the same.
    let tried = found.as_ref().map(|(document, _)| subjects_of(document)).unwrap_or_default();
    // What is for another agency does not exist for this one.
    let found = found.filter(|(document, _)| document.is_for(visit.agency()));
    // Nor does what shows data of agencies with whom it has no agreement.
    let found = found.and_then(|(document, case_ref)| {
        let sight = visit.sight_of(parts, view, Some(&document));
        (!sight.of(view).is_empty()).then_some((document, case_ref, sight))
    });
    let Some((document, case_ref, sight)) = found else {
        let nothing = Answered { subjects: tried, ..Answered::bare("NO_RECORD", position) };
        visit.record(parts, &sight, nothing).await?;
        return Err(Status::not_found(format!("no {view} of this reference is on record")));
    };
    let allowed = sight.of(view);
    let answered = Answered {
        answer: "DOCUMENT",
        disclosed: document.disclosed(&allowed),
        position,
        case_ref: &case_ref,
        subject_ref: &document.r#ref,
        subjects: tried,
    };
    let (access_entry, checkpoint) = visit.record(parts, &sight, answered).await?;
    Ok(v1::ViewDocument {
        view: view.to_string(),
        r#ref: document.r#ref.clone(),
        json: document.cut(&allowed).to_string(),
        withheld: document.withheld(&allowed).iter().map(ToString::to_string).collect(),
        position: position.get(),
        checkpoint,
        access_entry,
    })
}

fn subjects_of(document: &Document) -> Vec<SubjectId> {
    document.persons.iter().map(|person| *person.as_bytes()).collect()
}

/// The document, and the agencies' own reference of a case. An LP number is none: it never goes into an access entry in
/// clear, though a case may be asked for by it.
async fn look_up(
    parts: &Arc<Parts>,
    view: View,
    reference: &str,
) -> Result<Option<(Document, String)>, Status> {
    let (models, reference) = (parts.read_models.clone(), reference.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        models.complete()?;
        let Some(document) = models.document(view, &reference)? else { return Ok(None) };
        let case = if view == View::Case { models.case(&document.r#ref)? } else { None };
        Ok(Some((document, case.and_then(|case| case.case_ref).unwrap_or_default())))
    });
    match found.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            let error: simpul_projection::StateError = error;
            Err(fault::of_state(&error, parts.ids.as_ref()))
        }
        Err(error) => Err(fault::internal(&error, parts.ids.as_ref())),
    }
}
