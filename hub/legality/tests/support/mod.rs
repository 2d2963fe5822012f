//! Invented placements, complete to begin with; a case takes away or changes what it is about.
#![allow(dead_code, reason = "each test file uses its part")]

use jiff::civil::Date;
use simpul_legality::{Assessment, Facts, PlacementFacts, RuleBook, Sourced, StayFact, evaluate};
use simpul_proto::{
    embassy::StayCategory,
    registry::{
        ArrivalReport, CostCharged, CostKind, Employer, EmployerKind, Evidence, EvidenceKind, EvidenceResult,
        LicenceKind, LicenceRecorded, PlacementRecorded, PlacementStatus, SeaContract, Suspension,
    },
    v1::{PersonClaim, RequirementState, Scheme},
};
use simpul_types::{Position, Timestamp};

pub fn date(text: &str) -> Date {
    text.parse().expect("a date of a test")
}

pub const TODAY: &str = "2026-01-15";

pub fn sourced<T>(value: T, position: u64) -> Sourced<T> {
    Sourced {
        value,
        position: Position::new(position),
        source: "kp2mi".parse().expect("an agency"),
        observed_at: Timestamp::from_us(1_700_000_000_000_000),
    }
}

pub fn evidence(kind: EvidenceKind, issued: &str, until: &str) -> Evidence {
    Evidence {
        kind: kind as i32,
        number: format!("{}-1", kind.as_str_name()),
        issued_on: issued.into(),
        valid_until: until.into(),
        result: EvidenceResult::Valid as i32,
        detail: if kind == EvidenceKind::Visa { "WORK".into() } else { String::new() },
        ..Evidence::default()
    }
}

pub fn licence(kind: LicenceKind, number: &str) -> LicenceRecorded {
    LicenceRecorded {
        licence_no: number.into(),
        kind: kind as i32,
        holder: "PT Contoh Karya".into(),
        valid_from: "2004-11-01".into(),
        valid_until: "2029-12-31".into(),
        parent_licence_no: if kind == LicenceKind::Sip2mi { "SIP3MI 12/2015".into() } else { String::new() },
        ..LicenceRecorded::default()
    }
}

/// A mission met the person there on that day.
pub fn met_in(country: &str, day: &str) -> Sourced<StayFact> {
    let (category, contact_date, country) = (StayCategory::Worker, Some(date(day)), country.into());
    sourced(StayFact { category, contact_date, country }, 20)
}

fn sea_contract() -> SeaContract {
    SeaContract {
        vessel_name: "MV Contoh Samudra".into(),
        imo_number: "9074729".into(),
        flag: "TWN".into(),
        rank: "AB".into(),
        hours_per_day_max: 12,
        hours_per_week_max: 70,
        wage_month: 550,
        wage_currency: "USD".into(),
        repatriation_by: "owner".into(),
        endorsed_by: "KSOP Contoh".into(),
        ..SeaContract::default()
    }
}

/// One person with one placement.
pub struct Story {
    pub facts: Facts,
    pub valid_at: Option<Date>,
}

/// For a failing property: what the messages' own `Debug` withholds, of invented people.
impl std::fmt::Debug for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "valid at {:?}", self.valid_at)?;
        for claim in &self.facts.claims {
            let PersonClaim { nik, birth_date, mrz, .. } = &claim.value;
            write!(f, "; claim {nik:?} {birth_date:?} {mrz:?}")?;
        }
        for stay in &self.facts.stays {
            write!(f, "; stay {:?}", stay.value)?;
        }
        for episode in &self.facts.placements {
            let record = &episode.placement.value;
            write!(f, "; placement {:?} {:?} {:?}", record.scheme(), record.destination, record.occupation)?;
            write!(f, " {:?} departs {:?}", record.employer, record.departure_date)?;
            write!(f, " {:?} signed {:?}", record.status(), record.contract_signed_on)?;
            for licence in [&episode.placer, &episode.permit].into_iter().flatten() {
                write!(f, " {:?}", licence.value)?;
            }
            for piece in &record.evidence {
                let Evidence { number, issued_on, valid_from, valid_until, detail, .. } = piece;
                write!(f, "; {:?} {:?}", piece.kind(), piece.result())?;
                write!(f, " {number:?} {issued_on:?} {valid_from:?} {valid_until:?} {detail:?}")?;
            }
        }
        Ok(())
    }
}

impl Story {
    /// Everything in order: a factory worker to Taiwan, departing on `departure`.
    pub fn of(scheme: Scheme, departure: &str) -> Self {
        let departs = date(departure);
        let before =
            |days: i64| departs.checked_sub(jiff::Span::new().days(days)).expect("in range").to_string();
        let after = departs.checked_add(jiff::Span::new().years(2)).expect("in range").to_string();
        let passport_until = departs.checked_add(jiff::Span::new().years(5)).expect("in range").to_string();
        let kinds = (1..).map_while(|kind| EvidenceKind::try_from(kind).ok());
        let pieces = kinds.map(|kind| match kind {
            EvidenceKind::Passport => evidence(kind, &before(400), &passport_until),
            EvidenceKind::EmploymentContract | EvidenceKind::Visa => evidence(kind, &before(20), &after),
            _ => evidence(kind, &before(30), ""),
        });
        let placed = matches!(scheme, Scheme::PToP | Scheme::Ukps);
        let kind = if scheme == Scheme::Ukps { LicenceKind::UkpsPermit } else { LicenceKind::Sip3mi };
        let reported_on = departs.checked_add(jiff::Span::new().days(9)).expect("in range").to_string();
        let person = PersonClaim {
            nik: "3201015206750001".into(),
            name: "Melati Rekaan".into(),
            birth_date: "1975-06-12".into(),
            ..PersonClaim::default()
        };
        let placement = PlacementRecorded {
            placement_no: "PMI-0001".into(),
            person: Some(person.clone()),
            scheme: scheme as i32,
            destination: "TWN".into(),
            occupation: "FACTORY".into(),
            employer: Some(Employer { kind: EmployerKind::LegalEntity as i32, ..Employer::default() }),
            placer_licence_no: if placed { "SIP3MI 12/2015".into() } else { String::new() },
            recruitment_permit_no: if placed { "SIP2MI 7/2023".into() } else { String::new() },
            departure_date: departure.into(),
            status: PlacementStatus::Departed as i32,
            evidence: pieces.collect(),
            contract_signed_on: before(20),
            sea_contract: (scheme == Scheme::SeaCrew).then(sea_contract),
            arrival_report: Some(ArrivalReport { reported_on, ..ArrivalReport::default() }),
            ..PlacementRecorded::default()
        };
        let placement = PlacementFacts {
            reference: "p1".into(),
            placement: sourced(placement, 10),
            placer: placed.then(|| sourced(licence(kind, "SIP3MI 12/2015"), 3)),
            permit: placed.then(|| sourced(licence(LicenceKind::Sip2mi, "SIP2MI 7/2023"), 4)),
        };
        let facts = Facts {
            found: true,
            claims: vec![sourced(person, 10)],
            placements: vec![placement],
            stays: vec![],
            ..Facts::default()
        };
        Self { facts, valid_at: None }
    }

    /// A person that a mission met and nobody placed.
    pub fn met_as(category: StayCategory) -> Self {
        let stay = StayFact { category, contact_date: Some(date("2025-11-02")), country: String::new() };
        let person = PersonClaim { name: "Bayu Rekaan".into(), ..PersonClaim::default() };
        let facts = Facts {
            found: true,
            claims: vec![sourced(person, 5)],
            placements: vec![],
            stays: vec![sourced(stay, 5)],
            ..Facts::default()
        };
        Self { facts, valid_at: None }
    }

    pub fn with(mut self, change: impl FnOnce(&mut PlacementRecorded)) -> Self {
        change(&mut self.facts.placements[0].placement.value);
        self
    }

    pub fn placer(mut self, change: impl FnOnce(&mut LicenceRecorded)) -> Self {
        change(&mut self.facts.placements[0].placer.as_mut().expect("a placer").value);
        self
    }

    pub fn permit(mut self, change: impl FnOnce(&mut LicenceRecorded)) -> Self {
        change(&mut self.facts.placements[0].permit.as_mut().expect("a permit").value);
        self
    }

    pub fn without(self, kind: EvidenceKind) -> Self {
        self.with(|record| record.evidence.retain(|piece| piece.kind() != kind))
    }

    pub fn piece(self, kind: EvidenceKind, change: impl FnOnce(&mut Evidence)) -> Self {
        self.with(|record| {
            change(record.evidence.iter_mut().find(|piece| piece.kind() == kind).expect("such a piece"));
        })
    }

    pub fn household(self, occupation: &str, destination: &str, signed: &str) -> Self {
        self.with(|record| {
            record.occupation = occupation.into();
            record.destination = destination.into();
            record.contract_signed_on = signed.into();
            record.employer = Some(Employer { kind: EmployerKind::Household as i32, ..Employer::default() });
        })
    }

    pub fn birth(mut self, day: &str, nik: &str) -> Self {
        let own = self.facts.placements[0].placement.value.person.as_mut().expect("a person");
        for claim in [own, &mut self.facts.claims[0].value] {
            claim.birth_date = day.into();
            claim.nik = nik.into();
        }
        self
    }

    /// The placer, where there is one, is suspended from before departure on.
    pub fn placer_suspended(mut self) -> Self {
        if let Some(placer) = &mut self.facts.placements[0].placer {
            let suspension = Suspension { from: "2023-08-20".into(), ..Suspension::default() };
            placer.value.suspensions = vec![suspension];
        }
        self
    }

    /// The worker paid for being placed.
    pub fn charged(self) -> Self {
        let kind = CostKind::PlacementFee as i32;
        let cost = CostCharged { kind, amount_idr: 9_000_000, ..CostCharged::default() };
        self.with(|record| record.costs = vec![cost])
    }

    /// Everything as before, but departing on another day.
    pub fn departing(self, day: &str) -> Self {
        let other = Self::of(self.facts.placements[0].placement.value.scheme(), day);
        Self { valid_at: self.valid_at, ..other }
    }

    pub fn at(mut self, day: &str) -> Self {
        self.valid_at = Some(date(day));
        self
    }

    pub fn assess(&self) -> Assessment {
        thread_local!(static BOOK: RuleBook = RuleBook::builtin());
        BOOK.with(|book| evaluate(book, &self.facts, self.valid_at, date(TODAY)))
    }
}

/// A verdict in one line: `NON_PROCEDURAL [R5 NOT_MET] CARD_EXPIRED ask:kp2mi`; in brackets what decides.
pub fn line(assessment: &Assessment) -> String {
    let mut line = assessment.kind.as_str_name().to_owned();
    for row in assessment.requirements.iter().filter(|row| row.decides) {
        line.push_str(&format!(" [{} {}]", row.id, row.state().as_str_name()));
    }
    for warning in &assessment.warnings {
        line.push_str(&format!(" {warning}"));
    }
    if !assessment.can_answer.is_empty() {
        line.push_str(&format!(" ask:{}", assessment.can_answer.join(",")));
    }
    line
}

/// Every requirement in one line: `R1+ R2? R3- …`; `+` met, `-` not met, `x` expired, `?` unknown, `.` not applicable.
pub fn states(assessment: &Assessment) -> String {
    let sign = |state| match state {
        RequirementState::Met => '+',
        RequirementState::NotMet => '-',
        RequirementState::Expired => 'x',
        RequirementState::Unknown => '?',
        RequirementState::NotApplicable => '.',
        RequirementState::Unspecified => '!',
    };
    let rows = assessment.requirements.iter().map(|row| format!("{}{}", row.id, sign(row.state())));
    rows.collect::<Vec<_>>().join(" ")
}
