//! The fold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use simpul_proto::justice::ProsecutionStep;
use simpul_proto::nrm::{ClockAct, DecidedUnder, IdentificationResult, PersonRole, Stage};
use simpul_proto::returns::DocumentState;

use crate::{
    clock::{Clock, ClockBook},
    fact::{Fact, FactKind},
};

/// A case as its facts have it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Every stage it has been in, oldest first; the last is where it stands.
    pub stages: Vec<StageEntry>,
    /// Every role of every person, in the order in which they were assigned.
    pub roles: Vec<Role>,
    /// Decisions by host country and nation, side by side; a later one of the same decider stands beside the earlier.
    pub decisions: Vec<Decision>,
    /// In the order of their offers.
    pub referrals: Vec<Referral>,
    /// The newest word per purpose and person.
    pub consents: Vec<Consent>,
    /// In the order of their starts.
    pub clocks: Vec<Clock>,
    /// Beds held for it.
    pub beds: Vec<Bed>,
    /// Deadlines that were missed, and who was told.
    pub breaches: Vec<Breach>,
    /// Documents of journeys home, each as its holder has it now.
    pub papers: Vec<Paper>,
    /// What did not fit.
    pub flags: Vec<Flag>,
    /// Opaque ids of those who have been charged.
    charged: BTreeSet<String>,
}

/// A document of a journey home, of a person or of remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Opaque id of the document's stream.
    pub record: String,
    /// `DEATH_CERTIFICATE`, `AIRWAY_BILL`, …
    pub kind: String,
    /// Agency or company that has it to give.
    pub holder: String,
    /// Whether it is there.
    pub state: DocumentState,
    /// Day of the newest event.
    pub since: String,
    /// The newest event.
    pub position: u64,
}

/// A missed deadline, as the hub said it to one level of task forces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The event that started the clock.
    pub clock: u64,
    /// Code of its rule.
    pub rule: String,
    /// Last day in time.
    pub due: String,
    /// Level that heard of it.
    pub level: String,
    /// Day on which it was noticed.
    pub noticed_on: String,
    /// Agencies that were told; empty: nobody of this level is known.
    pub told: Vec<String>,
    /// The event.
    pub position: u64,
}

/// A stage, from when, who holds the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEntry {
    /// Which.
    pub stage: Stage,
    /// Since when, `YYYY-MM-DD`.
    pub since: String,
    /// Agency.
    pub holder: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// The event.
    pub position: u64,
}

/// A role of a person in the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Opaque id of the person; empty where the event names none.
    pub person: String,
    /// Which.
    pub role: PersonRole,
    /// `YYYY-MM-DD`.
    pub from: String,
    /// `YYYY-MM-DD`; empty: goes on.
    pub until: String,
    /// Who decided.
    pub decided_by: String,
    /// UU 21/2007 art. 18.
    pub non_punishment: bool,
    /// The event.
    pub position: u64,
}

/// A decision whether a person is identified as a victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Opaque id of the person.
    pub person: String,
    /// Nation or host country.
    pub under: DecidedUnder,
    /// Threshold reached; never guilt of anybody.
    pub result: IdentificationResult,
    /// `YYYY-MM-DD`.
    pub on: String,
    /// Organisation.
    pub by: String,
    /// The event.
    pub position: u64,
}

/// A referral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// Opaque id of its stream.
    pub record: String,
    /// `SHELTER`, `HEALTH`, …
    pub service: String,
    /// Who offered.
    pub from: String,
    /// Who might accept.
    pub to: Vec<String>,
    /// Last day to answer.
    pub answer_by: String,
    /// How it stands.
    pub state: ReferralState,
    /// Agency of the newest event.
    pub by: String,
    /// Day of the newest event.
    pub since: String,
    /// The newest event.
    pub position: u64,
}

/// How a referral stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferralState {
    /// Waits for an answer.
    Offered,
    /// Somebody has it.
    Accepted,
    /// Refused.
    Declined,
    /// Nobody answered in time, or it was taken back.
    Lapsed,
    /// The service has begun.
    Delivered,
    /// Done.
    Closed,
}

/// What a person has allowed or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Opaque id of the person; empty where the event names none.
    pub person: String,
    /// What for.
    pub for_purpose: String,
    /// Allowed or not.
    pub given: bool,
    /// `YYYY-MM-DD`.
    pub on: String,
    /// The event.
    pub position: u64,
}

/// A bed of a shelter, as far as this case is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bed {
    /// Opaque id of the bed's stream.
    pub record: String,
    /// Code of the shelter.
    pub shelter_code: String,
    /// Number of the bed.
    pub bed: u32,
    /// Last day it is held.
    pub until: String,
    /// How it stands.
    pub state: BedState,
    /// The newest event.
    pub position: u64,
}

/// How a bed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BedState {
    /// Kept until a day; after it, free again.
    Held,
    /// Given back.
    Released,
    /// Somebody sleeps in it.
    Occupied,
    /// Left.
    Vacated,
}

/// Something that does not fit. Nothing is lost: the event stands, and so does the flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The event.
    pub position: u64,
    /// Field of its payload.
    pub field: &'static str,
    /// Code of the rule.
    pub rule: &'static str,
}

impl ReferralState {
    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "OFFERED",
            Self::Accepted => "ACCEPTED",
            Self::Declined => "DECLINED",
            Self::Lapsed => "LAPSED",
            Self::Delivered => "DELIVERED",
            Self::Closed => "CLOSED",
        }
    }
}

impl BedState {
    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Released => "RELEASED",
            Self::Occupied => "OCCUPIED",
            Self::Vacated => "VACATED",
        }
    }
}

impl Bed {
    /// Whether somebody else may have it on a day: a hold ends by itself after its last day.
    pub fn free_on(&self, day: Date) -> bool {
        match self.state {
            BedState::Held => self.until.parse::<Date>().is_ok_and(|until| until < day),
            BedState::Occupied => false,
            BedState::Released | BedState::Vacated => true,
        }
    }
}

impl Case {
    /// The case after these facts, in log order.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut case = Self::default();
        facts.into_iter().for_each(|fact| case.fold(fact));
        case
    }

    /// Where it stands now.
    pub fn stage(&self) -> Option<&StageEntry> {
        self.stages.last()
    }

    /// Documents of a journey that are not there yet, by who has them to give.
    pub fn papers_missing(&self) -> BTreeMap<&str, Vec<&Paper>> {
        let mut missing: BTreeMap<&str, Vec<&Paper>> = BTreeMap::new();
        for paper in self.papers.iter().filter(|paper| paper.state != DocumentState::InHand) {
            missing.entry(&paper.holder).or_default().push(paper);
        }
        missing
    }

    /// Roles that a person holds on a day. Several at once are normal.
    pub fn roles_on<'a>(&'a self, person: &'a str, day: &'a str) -> impl Iterator<Item = PersonRole> + 'a {
        let held = self.roles.iter().filter(move |role| role.person == person && role.from.as_str() <= day);
        held.filter(move |role| role.until.is_empty() || day <= role.until.as_str()).map(|role| role.role)
    }

    /// The next fact.
    pub fn fold(&mut self, fact: &Fact) {
        let position = fact.position;
        match &fact.kind {
            FactKind::StageChanged(event) => {
                self.check_stage(event.stage(), !event.reason.is_empty(), position);
                self.stages.push(StageEntry {
                    stage: event.stage(),
                    since: event.changed_on.clone(),
                    holder: event.holder.clone(),
                    unit: event.holder_unit.clone(),
                    position,
                });
            }
            FactKind::RoleAssigned(event) => self.role(fact, event),
            FactKind::IdentificationDecided(event) => self.decisions.push(Decision {
                person: first(fact),
                under: event.decided_under(),
                result: event.result(),
                on: event.decided_on.clone(),
                by: event.decided_by.clone(),
                position,
            }),
            FactKind::ConsentRecorded(event) => {
                let person = first(fact);
                self.consents.retain(|one| (&one.person, &one.for_purpose) != (&person, &event.for_purpose));
                let (for_purpose, given, on) =
                    (event.for_purpose.clone(), event.given, event.recorded_on.clone());
                self.consents.push(Consent { person, for_purpose, given, on, position });
            }
            FactKind::ClockSet(event) => self.clock(event, position),
            FactKind::ReferralOffered(event) => self.referrals.push(Referral {
                record: fact.record.clone(),
                service: event.service.clone(),
                from: fact.source.clone(),
                to: event.to_agencies.clone(),
                answer_by: event.answer_by.clone(),
                state: ReferralState::Offered,
                by: fact.source.clone(),
                since: event.offered_on.clone(),
                position,
            }),
            FactKind::ReferralAccepted(event) => {
                let offered = self.referral(fact, ReferralState::Accepted, &event.accepted_on);
                let asked = offered.is_none_or(|referral| referral.to.contains(&fact.source));
                let in_time = offered.is_none_or(|referral| event.accepted_on <= referral.answer_by);
                self.flag_unless(asked, position, "to_agencies", "ACCEPTED_BY_ANOTHER_AGENCY");
                self.flag_unless(in_time, position, "accepted_on", "ACCEPTED_AFTER_ITS_LAST_DAY");
            }
            FactKind::ReferralDeclined(event) => {
                self.referral(fact, ReferralState::Declined, &event.declined_on);
            }
            FactKind::ReferralLapsed(event) => {
                self.referral(fact, ReferralState::Lapsed, &event.lapsed_on);
            }
            FactKind::ServiceDelivered(event) => {
                self.referral(fact, ReferralState::Delivered, &event.delivered_on);
            }
            FactKind::ReferralClosed(event) => {
                self.referral(fact, ReferralState::Closed, &event.closed_on);
            }
            FactKind::BedHeld(event) => {
                self.beds.retain(|bed| bed.record != fact.record);
                self.beds.push(Bed {
                    record: fact.record.clone(),
                    shelter_code: event.shelter_code.clone(),
                    bed: event.bed,
                    until: event.until.clone(),
                    state: BedState::Held,
                    position,
                });
            }
            FactKind::BedReleased(_) => self.bed(fact, BedState::Released),
            FactKind::BedOccupied(_) => self.bed(fact, BedState::Occupied),
            FactKind::BedVacated(_) => self.bed(fact, BedState::Vacated),
            FactKind::ClockBreached(event) => self.breaches.push(Breach {
                clock: event.clock_position,
                rule: event.rule.clone(),
                due: event.due.clone(),
                level: event.level.clone(),
                noticed_on: event.noticed_on.clone(),
                told: event.told.clone(),
                position,
            }),
            FactKind::ProsecutionStepped(event) => {
                use ProsecutionStep as S;
                if matches!(event.step(), S::Charged | S::FiledWithCourt | S::SentenceDemanded) {
                    self.charged.extend(fact.persons.iter().cloned());
                }
            }
            FactKind::JudgmentRendered(_) => {
                let charged = fact.persons.iter().any(|person| self.charged.contains(person));
                self.flag_unless(charged, position, "judgment", "JUDGMENT_BEFORE_CHARGE");
            }
            FactKind::JourneyDocumentRecorded(event) => {
                self.papers.retain(|paper| paper.record != fact.record);
                self.papers.push(Paper {
                    record: fact.record.clone(),
                    kind: event.kind.clone(),
                    holder: event.holder.clone(),
                    state: event.state(),
                    since: event.recorded_on.clone(),
                    position,
                });
            }
        }
    }

    /// A case goes forward, one stage or more; back, past urgent safety, or out of CLOSED it goes with a reason. The legal track
    /// runs beside the others and is never "before" or "after" them.
    fn check_stage(&mut self, to: Stage, reasoned: bool, position: u64) {
        let along = |stage: &Stage| *stage != Stage::LegalTrack;
        let reached = self.stages.iter().map(|entry| entry.stage).filter(along);
        let (last, furthest) =
            (reached.clone().next_back(), reached.clone().max_by_key(|stage| *stage as i32));
        let safe = reached.clone().any(|stage| stage == Stage::UrgentSafety);
        if to == Stage::LegalTrack {
            return;
        }
        if last == Some(Stage::Closed) && to != Stage::Closed {
            self.flag_unless(reasoned, position, "stage", "REOPENED_WITHOUT_REASON");
        } else if last.is_some_and(|last| (to as i32) < last as i32) {
            self.flag_unless(reasoned, position, "stage", "BACK_WITHOUT_REASON");
        }
        let skips = to as i32 > Stage::UrgentSafety as i32 && !safe && to != Stage::Closed;
        if skips && furthest.is_none_or(|stage| (stage as i32) < Stage::UrgentSafety as i32) {
            self.flag_unless(reasoned, position, "stage", "SAFETY_LEFT_OUT_WITHOUT_REASON");
        }
    }

    fn role(&mut self, fact: &Fact, event: &simpul_proto::nrm::RoleAssigned) {
        use PersonRole as R;
        let position = fact.position;
        let (mine, theirs) = (event.role(), event.suspect_role());
        let role = if event.suspect.is_some() { theirs } else { mine };
        let one = event.person.is_some() != event.suspect.is_some();
        self.flag_unless(one, position, "person", "EITHER_PERSON_OR_SUSPECT");
        let fits = matches!(
            (event.suspect.is_some(), role),
            (true, R::Suspect | R::Recruiter) | (false, R::Victim | R::Witness | R::Child | R::Dependant)
        );
        self.flag_unless(fits, position, "role", "ROLE_OF_THE_OTHER_KIND");
        let person = first(fact);
        // A change of the same role of the same person ends or prolongs it; roles stand beside each other.
        self.roles
            .retain(|known| !(known.person == person && known.role == role && known.from == event.from));
        self.roles.push(Role {
            person,
            role,
            from: event.from.clone(),
            until: event.until.clone(),
            decided_by: event.decided_by.clone(),
            non_punishment: event.non_punishment,
            position,
        });
    }

    fn clock(&mut self, event: &simpul_proto::nrm::ClockSet, position: u64) {
        let act = event.act();
        if act == ClockAct::Start {
            let rule = ClockBook::builtin().rule(&event.rule);
            self.flag_unless(rule.is_some(), position, "rule", "CLOCK_RULE_UNKNOWN");
            let in_force = rule.is_none_or(|rule| rule.in_force_on(&event.on));
            self.flag_unless(in_force, position, "rule", "CLOCK_RULE_NOT_IN_FORCE");
            self.clocks.push(Clock::started(event, position));
            return;
        }
        let running = self.clocks.iter_mut().rev().find(|clock| clock.rule == event.rule && !clock.stopped());
        let Some(clock) = running else {
            self.flag_unless(false, position, "act", "CLOCK_NOT_STARTED");
            return;
        };
        if let Err(rule) = clock.apply(event, position) {
            self.flag_unless(false, position, "act", rule);
        }
    }

    fn referral(&mut self, fact: &Fact, state: ReferralState, on: &str) -> Option<&Referral> {
        let known = self.referrals.iter_mut().find(|referral| referral.record == fact.record)?;
        (known.state, known.position) = (state, fact.position);
        known.since = on.to_owned();
        known.by.clone_from(&fact.source);
        Some(known)
    }

    fn bed(&mut self, fact: &Fact, state: BedState) {
        if let Some(bed) = self.beds.iter_mut().find(|bed| bed.record == fact.record) {
            (bed.state, bed.position) = (state, fact.position);
        }
    }

    fn flag_unless(&mut self, right: bool, position: u64, field: &'static str, rule: &'static str) {
        if !right {
            self.flags.push(Flag { position, field, rule });
        }
    }
}

fn first(fact: &Fact) -> String {
    fact.persons.first().cloned().unwrap_or_default()
}
