//! Shelters for a person: codes, beds and reasons, never an address. Class reference of the view `shelter`.

use std::sync::Arc;

use jiff::{civil::Date, tz::Offset};
use simpul_cases::{Need, Shelter, match_shelters as matching};
use simpul_projection::{IdentifierKind, ReadModels, StateError};
use simpul_proto::v1;
use simpul_types::{FieldClass, View};
use tonic::{Request, Status};

use crate::{
    Parts, document, fault,
    gate::{Answered, Visit, action},
};

/// Days are Jakarta's, as in verdicts.
const JAKARTA: Offset = jiff::tz::offset(7);
/// Matches where none are asked for.
const LIMIT: u32 = 10;
/// Matches at most.
const LIMIT_MAX: u32 = 50;

pub(crate) async fn match_shelters(
    parts: &Arc<Parts>,
    request: &Request<v1::MatchSheltersRequest>,
) -> Result<v1::MatchSheltersResponse, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::MATCH_SHELTERS, &asked.official, &asked.purpose)?
        .in_case(&asked.case_ref)?;
    let (need, night, limit) = read(parts, asked)?;
    let sight = visit.sight(parts, View::Shelter);
    if !sight.of(View::Shelter).contains(&FieldClass::Reference) {
        visit.record(parts, &sight, Answered::bare("DENIED", parts.read_models.position())).await?;
        let message = format!("no policy lets {} look for shelters for this purpose", visit.agency());
        return Err(fault::denied(message));
    }
    document::reach(parts, asked.at_least_position).await?;
    // Read before the look-up: the answer reflects at least this much of the log.
    let position = parts.read_models.position();
    let (models, person) = (parts.read_models.clone(), asked.person_ref.clone());
    let looked = tokio::task::spawn_blocking(move || look(&models, need, &person, night, limit)).await;
    let mut response = match looked {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(fault::of_state(&error, parts.ids.as_ref())),
        Err(error) => return Err(fault::internal(&error, parts.ids.as_ref())),
    };
    let named = !asked.person_ref.is_empty();
    let subjects =
        named.then(|| parts.read_models.subject_id(IdentifierKind::Reference, &asked.person_ref)).into_iter();
    let subjects = subjects.collect();
    let answered = Answered {
        answer: if response.matches.is_empty() { "NO_RECORD" } else { "SHELTERS" },
        disclosed: vec![FieldClass::Reference],
        position,
        case_ref: "",
        // Whom it was asked for: that somebody looks for a bed for a person is an access too.
        subject_ref: &asked.person_ref,
        subjects,
    };
    (response.access_entry, response.checkpoint) = visit.record(parts, &sight, answered).await?;
    response.position = position.get();
    Ok(response)
}

fn read(parts: &Parts, asked: &v1::MatchSheltersRequest) -> Result<(Need, Date, usize), Status> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if asked.country.len() != 3 || !asked.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(fault::malformed("country", "ISO 3166-1 alpha-3"));
    }
    if ![0, 2].contains(&asked.province.len()) || !digits(&asked.province) {
        return Err(fault::malformed("province", "a wilayah code of 2 digits"));
    }
    if asked.security_level > 3 {
        return Err(fault::malformed("security_level", "1, 2 or 3"));
    }
    let sex = v1::Sex::try_from(asked.sex)
        .map_err(|_| fault::malformed("sex", "one of SEX_UNSPECIFIED, FEMALE, MALE"))?;
    let night = match asked.on.as_str() {
        "" => {
            let time = jiff::Timestamp::from_microsecond(parts.clock.now().as_us()).unwrap_or_default();
            JAKARTA.to_datetime(time).date()
        }
        day => day.parse().map_err(|_| fault::malformed("on", "a date as `YYYY-MM-DD`"))?,
    };
    let limit = if asked.limit == 0 { LIMIT } else { asked.limit };
    if limit > LIMIT_MAX {
        return Err(fault::malformed("limit", "at most 50"));
    }
    let need = Need {
        province: asked.province.clone(),
        country: asked.country.clone(),
        woman: sex == v1::Sex::Female,
        man: sex == v1::Sex::Male,
        child: asked.child,
        family: asked.family,
        step_free: asked.step_free,
        security_level: asked.security_level,
        ..Need::default()
    };
    Ok((need, night, limit as usize))
}

fn look(
    models: &ReadModels,
    mut need: Need,
    person_ref: &str,
    night: Date,
    limit: usize,
) -> Result<v1::MatchSheltersResponse, StateError> {
    models.complete()?;
    if let Some(person) = models.person_by(IdentifierKind::Reference, person_ref)? {
        need.apart_from = models.kept_apart_from(&person)?;
    }
    let standings = models.shelters(night)?;
    let shelters: Vec<Shelter> = standings.iter().map(|one| one.shelter.clone()).collect();
    let found = matching(&need, &shelters);
    let mut response = v1::MatchSheltersResponse {
        kept_apart: u32::try_from(found.kept_apart).unwrap_or(u32::MAX),
        full: u32::try_from(found.full).unwrap_or(u32::MAX),
        ..Default::default()
    };
    for one in found.found.into_iter().take(limit) {
        let Some(standing) = standings.iter().find(|standing| standing.shelter.code == one.code) else {
            continue;
        };
        let bed = models.bed_stream(&one.code, one.bed);
        let (bed_stream, bed_stream_version) =
            bed.map(|(stream, version)| (stream.to_string(), version)).unwrap_or_default();
        response.matches.push(v1::ShelterMatch {
            code: one.code,
            shelter_ref: standing.reference.clone(),
            bed: one.bed,
            free: one.free,
            province: standing.shelter.province.clone(),
            reasons: one.reasons.into_iter().map(str::to_owned).collect(),
            bed_stream,
            bed_stream_version,
        });
    }
    Ok(response)
}
