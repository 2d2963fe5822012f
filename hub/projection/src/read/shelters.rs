//! Shelters as they stand on a night, and whom somebody must not meet in one.

use std::collections::BTreeSet;

use jiff::civil::Date;
use simpul_cases::{BedState, Case, Shelter, bed_stream};
use simpul_proto::shelter::ShelterDeclared;
use simpul_types::StreamName;

use super::{NOW, PersonId, ReadModels, Shared, mechanism::typed, people::HISTORY_MAX};
use crate::{
    error::StateError,
    key::{self, Id},
    listed, render,
};

/// A shelter with its beds.
pub struct ShelterStanding {
    /// Opaque reference of its document.
    pub reference: String,
    /// What matching needs of it: no address.
    pub shelter: Shelter,
}

impl ReadModels {
    /// Every shelter, its beds taken on a night and the opaque ids of who sleeps there or will.
    ///
    /// # Errors
    /// The store or the log.
    pub fn shelters(&self, night: Date) -> Result<Vec<ShelterStanding>, StateError> {
        let mut standings = Vec::new();
        for record in self.shared.listed(listed::SHELTERS, None)? {
            let Some((_, payload)) = self.shared.newest_of(&record)? else { continue };
            let Some(declared) = typed::<ShelterDeclared>(&payload) else { continue };
            let mut shelter = Shelter {
                code: declared.code.clone(),
                province: declared.province,
                country: declared.country,
                takes_women: declared.takes_women,
                takes_men: declared.takes_men,
                takes_children: declared.takes_children,
                takes_families: declared.takes_families,
                step_free: declared.step_free,
                security_level: declared.security_level,
                beds: declared.beds,
                ..Shelter::default()
            };
            self.shared.fill(&mut shelter, night)?;
            standings.push(ShelterStanding { reference: key::text(&record), shelter });
        }
        Ok(standings)
    }

    /// The stream of a bed, and how many events it has: what `BedHeld` is submitted with.
    pub fn bed_stream(&self, shelter_code: &str, bed: u32) -> Option<(StreamName, u64)> {
        let stream: StreamName = bed_stream(shelter_code, bed).parse().ok()?;
        let version = self.shared.reader.stream(&stream).len();
        Some((stream, version as u64))
    }

    /// Whom a person must not meet under one roof: of every case in which the person is accused, the others; of every case in which
    /// the person is not only accused, the accused. Roles that ended count too.
    ///
    /// # Errors
    /// The store or the log.
    pub fn kept_apart_from(&self, person: &PersonId) -> Result<BTreeSet<String>, StateError> {
        let shared = &self.shared;
        let ones = shared.said_to_be_one(person, NOW)?.persons;
        let mut cases: BTreeSet<Id> = BTreeSet::new();
        for one in &ones {
            for record in shared.records_of(one)? {
                let snapshot = shared.snapshot_at(&record, NOW)?;
                cases.extend(snapshot.and_then(|(_, snapshot)| key::one(&snapshot.case)));
            }
        }
        let mut apart = BTreeSet::new();
        for case in cases {
            let people = shared.people_of_case(&case)?;
            let mine = |(id, _): &&(Id, bool)| ones.iter().any(|one| one.0 == *id);
            let accused = people.iter().filter(mine).any(|(_, accused)| *accused);
            let other = people.iter().filter(mine).any(|(_, accused)| !accused);
            let theirs = people.iter().filter(|one| !mine(one));
            apart.extend(
                theirs
                    .filter(|(_, they_are)| if *they_are { other } else { accused })
                    .map(|(id, _)| key::text(id)),
            );
        }
        Ok(apart)
    }
}

impl Shared {
    /// Beds that are held or slept in on a night, and by whom.
    fn fill(&self, shelter: &mut Shelter, night: Date) -> Result<(), StateError> {
        let id = listed::shelter_id(&self.state.blind, &shelter.code);
        for record in self.listed(listed::BEDS, Some(&id))? {
            let Some((_, snapshot)) = self.snapshot_at(&record, NOW)? else { continue };
            let history = self.history(&record, NOW, HISTORY_MAX)?;
            let events = self.entry_events(&record, &history)?;
            let facts = render::facts_of(&key::text(&record), &events);
            let Some(bed) = Case::of(&facts).beds.pop() else { continue };
            if !bed.free_on(night) && matches!(bed.state, BedState::Held | BedState::Occupied) {
                shelter.taken.insert(bed.bed);
                shelter.guests.extend(key::unpack(&snapshot.persons).map(|id| key::text(&id)));
            }
        }
        Ok(())
    }

    /// Everybody whom the records of a case name, and whether as accused.
    fn people_of_case(&self, case: &Id) -> Result<Vec<(Id, bool)>, StateError> {
        let mut people = Vec::new();
        for item in self.state.scan(&key::members(case)) {
            let Some(record) = item?.0.get(17..).and_then(key::one) else { return Err(StateError::Row) };
            for position in self.history(&record, NOW, HISTORY_MAX)? {
                let Some((_, snapshot)) = self.snapshot_at(&record, position.plus(1))? else { continue };
                if snapshot.case != case {
                    continue;
                }
                let Some((_, payload)) = self.open_at(position)? else { continue };
                people.extend(key::unpack(&snapshot.persons).zip(payload.accused()));
            }
        }
        Ok(people)
    }
}
