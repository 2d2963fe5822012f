//! Persons by how they are described: candidates for an official to choose from. Finding somebody, and finding nobody, are
//! accesses like any other; an answer discloses the class identity and nothing else.

use std::sync::Arc;

use simpul_identity::{Described, Name};
use simpul_projection::{Candidate, Found, IdentifierKind, Person};
use simpul_proto::v1;
use simpul_types::{FieldClass, View, identity::oddities};
use tonic::{Request, Status};

use crate::{
    Parts, document, fault,
    gate::{Answered, Visit, action},
};

/// Candidates where none are asked for.
const LIMIT: u32 = 10;
/// Candidates at most: whoever needs more does not know whom they look for.
const LIMIT_MAX: u32 = 50;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 200;

pub(crate) async fn persons(
    parts: &Arc<Parts>,
    request: &Request<v1::FindPersonsRequest>,
) -> Result<v1::FindPersonsResponse, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::FIND_PERSONS, &asked.official, &asked.purpose)?
        .in_case(&asked.case_ref)?;
    let (described, limit) = description(asked)?;
    let sight = visit.sight(parts, View::Identity);
    if !sight.of(View::Identity).contains(&FieldClass::Identity) {
        let refusal = Answered::bare("DENIED", parts.read_models.position());
        visit.record(parts, &sight, refusal).await?;
        let message = format!("no policy lets {} look for persons for this purpose", visit.agency());
        return Err(fault::denied(message));
    }
    document::reach(parts, asked.at_least_position).await?;
    // Read before the look-up: the answer reflects at least this much of the log.
    let position = parts.read_models.position();
    let found = look(parts, described, limit).await?;
    // An entry names every person that it disclosed.
    let named: Vec<String> = found.candidates.iter().map(|one| one.person.id.to_string()).collect();
    let named = named.join(" ");
    let answered = match named.is_empty() {
        true => Answered::bare("NO_RECORD", position),
        false => Answered {
            answer: "CANDIDATES",
            disclosed: vec![FieldClass::Identity],
            position,
            case_ref: "",
            subject_ref: &named,
            subjects: found.candidates.iter().map(|one| *one.person.id.as_bytes()).collect(),
        },
    };
    let (access_entry, checkpoint) = visit.record(parts, &sight, answered).await?;
    Ok(v1::FindPersonsResponse {
        candidates: found.candidates.iter().map(candidate).collect(),
        truncated: found.truncated,
        position: position.get(),
        checkpoint,
        access_entry,
    })
}

fn description(asked: &v1::FindPersonsRequest) -> Result<(Described, usize), Status> {
    let name = Name::of(&asked.name);
    if name.is_empty() || asked.name.len() > NAME_BYTES_MAX || asked.name.chars().any(char::is_control) {
        return Err(fault::malformed("name", "a name of at least one letter, at most 200 bytes"));
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let date: &str = &asked.birth_date;
    let year = date.len() == 4 && digits(date);
    if !date.is_empty() && !year && (date.len() != 10 || date.parse::<jiff::civil::Date>().is_err()) {
        return Err(fault::malformed("birth_date", "a date as `YYYY-MM-DD`, or a year"));
    }
    if ![0, 2, 4, 6, 10].contains(&asked.origin.len()) || !digits(&asked.origin) {
        return Err(fault::malformed("origin", "a wilayah code of 2, 4, 6 or 10 digits"));
    }
    let sex = v1::Sex::try_from(asked.sex)
        .map_err(|_| fault::malformed("sex", "one of SEX_UNSPECIFIED, FEMALE, MALE"))?;
    let limit = if asked.limit == 0 { LIMIT } else { asked.limit };
    if limit > LIMIT_MAX {
        return Err(fault::malformed("limit", "at most 50"));
    }
    let sex = (sex != v1::Sex::Unspecified).then_some(sex as i32);
    let described =
        Described { name, birth_date: asked.birth_date.clone(), sex, origin: asked.origin.clone() };
    Ok((described, limit as usize))
}

async fn look(parts: &Arc<Parts>, described: Described, limit: usize) -> Result<Found, Status> {
    let models = parts.read_models.clone();
    let found = tokio::task::spawn_blocking(move || {
        models.complete()?;
        models.find_persons(&described, limit)
    });
    match found.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(fault::of_state(&error, parts.ids.as_ref())),
        Err(error) => Err(fault::internal(&error, parts.ids.as_ref())),
    }
}

fn candidate(found: &Candidate) -> v1::PersonCandidate {
    let Person { id, claims, conflicts, ties, .. } = &found.person;
    let kinds = found.person.identifier_kinds().into_iter().map(|kind| match kind {
        IdentifierKind::Nik => "NIK".to_owned(),
        IdentifierKind::Passport => "PASSPORT".to_owned(),
        IdentifierKind::Card => "CARD".to_owned(),
        IdentifierKind::Reference => "REFERENCE".to_owned(),
    });
    let said = ties.iter().map(|tie| v1::PersonTie {
        other_ref: tie.other.to_string(),
        state: tie.state.as_str().into(),
        position: tie.position.get(),
    });
    let hit = conflicts.iter().map(|conflict| v1::PersonTie {
        other_ref: conflict.other.to_string(),
        state: "CONFLICT".into(),
        position: conflict.last.get(),
    });
    let odd = oddities(claims.iter().map(|claim| &claim.value)).into_iter().map(str::to_owned);
    let conflicting = (!conflicts.is_empty()).then(|| "CONFLICTING_IDENTIFIERS".to_owned());
    v1::PersonCandidate {
        person_ref: id.to_string(),
        score: found.score.0.into(),
        claims: claims
            .iter()
            .map(|claim| v1::CandidateClaim {
                source: claim.source.to_string(),
                position: claim.position.get(),
                observed_at: claim.observed_at.to_string(),
                name: claim.value.name.clone(),
                birth_date: claim.value.birth_date.clone(),
                sex: claim.value.sex,
                nationality: claim.value.nationality.clone(),
                origin_village: claim.value.origin_village.clone(),
            })
            .collect(),
        identifiers: kinds.collect(),
        ties: said.chain(hit).collect(),
        warnings: conflicting.into_iter().chain(odd).collect(),
    }
}
