//! Persons by how they are described. Keyed hashes of the name's keys find, the sealed payloads tell the names, and
//! `simpul-identity` says how well they agree.

use std::collections::HashMap;

use simpul_identity::{Described, Name, Score, keys, score};
use simpul_proto::v1::PersonClaim;
use simpul_types::Position;

use super::{Person, PersonId, ReadModels, Shared};
use crate::{
    error::StateError,
    event::mention::name_key,
    key::{self, Id},
    row::Named,
};

/// Rows of one key that are looked at: a name so common needs a birth date.
const ROWS_PER_KEY_MAX: usize = 4_096;
/// Persons whose payload is opened, those that most keys lead to first: some milliseconds.
const OPENED_MAX: usize = 384;
/// Below it a candidate is no help.
const SCORE_MIN: Score = Score(50);

/// A person who may be meant.
pub struct Candidate {
    /// What is known of the person.
    pub person: Person,
    /// How well the best claim agrees.
    pub score: Score,
}

/// What was found.
pub struct Found {
    /// The best first.
    pub candidates: Vec<Candidate>,
    /// More persons have such a name than were looked at.
    pub truncated: bool,
}

/// A person that keys lead to.
struct Hit {
    person: Id,
    keys: usize,
    /// The event that told the name.
    position: Position,
}

impl ReadModels {
    /// Persons who agree with a description, at most `limit`; blocking, some milliseconds.
    ///
    /// # Errors
    /// The store or the log.
    pub fn find_persons(&self, asked: &Described, limit: usize) -> Result<Found, StateError> {
        let (mut hits, mut truncated) = self.shared.hits(asked)?;
        truncated |= hits.len() > OPENED_MAX;
        hits.truncate(OPENED_MAX);
        let mut scored = Vec::with_capacity(hits.len());
        for hit in hits {
            let told = self.shared.told(&hit)?;
            let best = told.iter().map(|claim| score(asked, &described(claim))).max();
            scored.extend(best.filter(|best| *best >= SCORE_MIN).map(|best| (best, hit.person)));
        }
        // Equal scores by id: the same question gives the same answer.
        scored.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        scored.truncate(limit);
        let mut candidates = Vec::with_capacity(scored.len());
        for (score, person) in scored {
            let person = self.person(&PersonId(person))?;
            candidates.extend(person.map(|person| Candidate { person, score }));
        }
        Ok(Found { candidates, truncated })
    }
}

impl Shared {
    /// Persons that the keys of a description lead to, those of most keys first, and whether a key had more than were looked at.
    fn hits(&self, asked: &Described) -> Result<(Vec<Hit>, bool), StateError> {
        let mut hits: HashMap<Id, Hit> = HashMap::new();
        let mut truncated = false;
        for key in all_keys(asked) {
            let name_key = name_key(&self.state.blind, &key);
            let mut rows = 0;
            for item in self.state.scan(&key::named_so(&name_key)).take(ROWS_PER_KEY_MAX) {
                let (key, bytes) = item?;
                let person = key.get(17..).and_then(key::one).ok_or(StateError::Row)?;
                let named: Named = crate::row::decode(&bytes)?;
                let position = Position::new(named.position);
                hits.entry(person).or_insert(Hit { person, keys: 0, position }).keys += 1;
                rows += 1;
            }
            truncated |= rows == ROWS_PER_KEY_MAX;
        }
        let mut hits: Vec<Hit> = hits.into_values().collect();
        hits.sort_unstable_by(|one, other| other.keys.cmp(&one.keys).then(one.person.cmp(&other.person)));
        Ok((hits, truncated))
    }

    /// What the event says of this person.
    fn told(&self, hit: &Hit) -> Result<Vec<PersonClaim>, StateError> {
        let Some((header, payload)) = self.open_at(hit.position)? else { return Ok(Vec::new()) };
        let claims = payload.claims();
        if claims.len() == 1 {
            return Ok(claims.into_iter().cloned().collect());
        }
        // Of several persons the snapshot says which is which.
        let Some(kind) = payload.kind() else { return Ok(Vec::new()) };
        let record = crate::projection::record_id(&self.state.blind, kind, header.stream.as_str());
        let Some((_, snapshot)) = self.snapshot_at(&record, hit.position.plus(1))? else {
            return Ok(Vec::new());
        };
        let of_person = claims.into_iter().zip(key::unpack(&snapshot.persons));
        Ok(of_person.filter(|(_, id)| *id == hit.person).map(|(claim, _)| claim.clone()).collect())
    }
}

/// The keys of a description; where only a year is known, an age perhaps, those of its neighbours too.
fn all_keys(asked: &Described) -> Vec<String> {
    let mut all = keys(&asked.name, &asked.birth_date);
    if let Ok(year) = asked.birth_date.parse::<i32>() {
        for near in [year - 1, year + 1] {
            let further = keys(&asked.name, &format!("{near:04}"));
            all.extend(further.into_iter().filter(|key| key.starts_with("y/")));
        }
    }
    all
}

fn described(claim: &PersonClaim) -> Described {
    Described {
        name: Name::of(&claim.name),
        birth_date: claim.birth_date.clone(),
        sex: Some(claim.sex).filter(|sex| *sex != 0),
        origin: claim.origin_village.clone(),
    }
}
