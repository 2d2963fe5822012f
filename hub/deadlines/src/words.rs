//! From what is due to the events that say so.

use jiff::civil::Date;
use prost::Message;
use simpul_cases::{Case, Clock, ClockBook, Due};
use simpul_projection::{CaseId, CaseInMechanism, ReadModels, StateError, TaskForce};
use simpul_proto::{
    hub::{BreachEscalated, ClockBreached},
    nrm::ReferralLapsed,
    shelter::BedReleased,
};
use simpul_types::{ExpectedVersion, Position, StreamName};

use crate::Word;

/// Everything that is due in a case by the end of `today`, in the order in which it is to be said, and the next day on which more will be.
pub(crate) fn of_case(
    models: &ReadModels,
    id: CaseId,
    known: &CaseInMechanism,
    today: Date,
) -> Result<(Vec<Word>, Option<Date>), StateError> {
    let due = known.case.due(ClockBook::builtin());
    let next = due.iter().map(|(day, _)| *day).find(|day| *day > today);
    let mut words = Vec::new();
    // Of a clock that is late by weeks, level by level: a level's word follows that of the lower one.
    let mut breaches = 0;
    for (_, due) in due.into_iter().filter(|(day, _)| *day <= today) {
        match due {
            Due::Lapse(referral) => {
                let lapsed = ReferralLapsed { lapsed_on: today.to_string(), reason: "TIMEOUT".into() };
                let event_type = "simpul.nrm.v1.ReferralLapsed";
                words.extend(after(models, referral.position, event_type, lapsed.encode_to_vec())?);
            }
            Due::Release(bed) => {
                let released = BedReleased { released_on: today.to_string(), reason: "TIMEOUT".into() };
                let event_type = "simpul.shelter.v1.BedReleased";
                words.extend(after(models, bed.position, event_type, released.encode_to_vec())?);
            }
            Due::Breach { clock, due, level } => {
                if breaches == 0 {
                    breach(&mut words, models, id, known, &Missed { clock, due, level, today })?;
                }
                breaches += 1;
            }
        }
    }
    // More levels are due today: the case is looked at again as soon as the first one's word is in the read models.
    Ok((words, if breaches > 1 { Some(today) } else { next }))
}

/// A word that ends what an event began, unless somebody else has.
fn after(
    models: &ReadModels,
    position: u64,
    event_type: &'static str,
    payload: Vec<u8>,
) -> Result<Option<Word>, StateError> {
    let stream = models.stream_of_event(Position::new(position))?;
    Ok(stream.map(|(stream, version)| Word {
        event_type,
        stream,
        expected: ExpectedVersion::Exactly(version),
        payload,
    }))
}

struct Missed<'a> {
    clock: &'a Clock,
    due: Date,
    level: &'a str,
    today: Date,
}

/// The task forces first: once the case says that they were told, they were.
fn breach(
    words: &mut Vec<Word>,
    models: &ReadModels,
    id: CaseId,
    known: &CaseInMechanism,
    missed: &Missed<'_>,
) -> Result<(), StateError> {
    let Missed { clock, due, level, today } = *missed;
    let mut told: Vec<String> = models
        .task_forces()?
        .into_iter()
        .filter(|force: &TaskForce| force.hears(level, &clock.region))
        .map(|force| force.agency)
        .collect();
    told.sort();
    told.dedup();
    for agency in &told {
        let escalated = BreachEscalated {
            agency: agency.clone(),
            of_case: known.case_ref.clone(),
            rule: clock.rule.clone(),
            due: due.to_string(),
            level: level.to_owned(),
            holder: known.case.stage().map(|stage| stage.holder.clone()).unwrap_or_default(),
            noticed_on: today.to_string(),
            region: clock.region.clone(),
        };
        let before = earlier(&known.case, clock).filter(|breach| breach.told.contains(agency)).count();
        words.push(Word {
            event_type: "simpul.hub.v1.BreachEscalated",
            stream: stream("hub-escalation", id, clock, agency),
            expected: version(before),
            payload: escalated.encode_to_vec(),
        });
    }
    let breached = ClockBreached {
        case_ref: known.case_ref.clone(),
        rule: clock.rule.clone(),
        due: due.to_string(),
        level: level.to_owned(),
        noticed_on: today.to_string(),
        clock_position: clock.position,
        told,
    };
    words.push(Word {
        event_type: "simpul.hub.v1.ClockBreached",
        stream: stream("hub-clock", id, clock, ""),
        expected: version(earlier(&known.case, clock).count()),
        payload: breached.encode_to_vec(),
    });
    Ok(())
}

fn earlier<'a>(case: &'a Case, clock: &'a Clock) -> impl Iterator<Item = &'a simpul_cases::Breach> {
    case.breaches.iter().filter(|breach| breach.clock == clock.position)
}

fn version(events: usize) -> ExpectedVersion {
    match events {
        0 => ExpectedVersion::NoStream,
        events => ExpectedVersion::Exactly(events as u64),
    }
}

/// One stream a clock and reader, by opaque ids alone.
fn stream(source: &str, id: CaseId, clock: &Clock, agency: &str) -> StreamName {
    let of = format!("{id}\n{}\n{agency}", clock.position);
    let digest = simpul_signing::sha256(&[of.as_bytes()]);
    let name = format!("{source}/{}", data_encoding::HEXLOWER.encode(&digest[..16]));
    name.parse().expect("hexadecimal digits are a stream reference")
}
