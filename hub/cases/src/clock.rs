//! Clocks: rules as data, business days, pauses, extensions, breaches and who hears of them.

use std::{collections::BTreeSet, sync::LazyLock};

use jiff::{ToSpan, civil::Date, civil::Weekday};
use serde::Deserialize;
use simpul_proto::nrm::{ClockAct, ClockSet};

static BUILTIN: LazyLock<ClockBook> = LazyLock::new(|| {
    ClockBook::read(include_str!("../clocks.toml")).expect("a test reads the clocks beside this crate")
});

/// All rules, escalation and holidays.
pub struct ClockBook {
    rules: Vec<ClockRule>,
    levels: Vec<String>,
    escalate_after: i64,
    holidays: Vec<Holidays>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRule {
    /// For example `services-7d`.
    pub code: String,
    /// In Indonesian.
    pub title_id: String,
    /// In English.
    pub title_en: String,
    /// How long.
    pub days: i64,
    /// `calendar` or `business`.
    pub unit: Unit,
    /// In force from.
    pub from: toml::value::Datetime,
    /// In force until.
    #[serde(default)]
    pub until: Option<toml::value::Datetime>,
    /// Where it stands.
    pub source: String,
    /// `high`, `medium` or `low`.
    pub confidence: String,
}

impl ClockRule {
    /// Whether a clock may be started under it on a day, `YYYY-MM-DD`.
    pub fn in_force_on(&self, day: &str) -> bool {
        let (from, until) = (self.from.to_string(), self.until.map(|until| until.to_string()));
        from.as_str() <= day && until.is_none_or(|until| day <= until.as_str())
    }
}

/// What days count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// All.
    Calendar,
    /// Monday to Friday without holidays.
    Business,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holidays {
    country: String,
    every_year: Vec<String>,
    dates: Vec<String>,
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clock: Vec<ClockRule>,
    escalation: Escalation,
    holidays: Vec<Holidays>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Escalation {
    levels: Vec<String>,
    escalate_after: i64,
}

/// Why a file of clocks is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Not such a file.
    #[error("not a file of clocks: {0}")]
    Form(#[from] toml::de::Error),
    /// Two rules have one code.
    #[error("clock {0} stands twice")]
    Twice(String),
    /// A number of days below one, or a day that is none.
    #[error("{0}")]
    Day(String),
}

/// Which days count, in the countries concerned.
pub struct Calendar<'a> {
    holidays: Vec<&'a Holidays>,
}

/// A clock of a case: what was done to it. When it runs out follows from the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Code of its rule.
    pub rule: String,
    /// The event that started it.
    pub position: u64,
    /// Kabupaten, kota or province whose task forces hear of a breach; empty: those of the centre alone.
    pub region: String,
    /// Host country whose holidays count too; empty: none.
    pub country: String,
    start: String,
    /// Pauses: first day, and the day it went on.
    pauses: Vec<(String, Option<String>)>,
    /// Days added, why, who approved.
    extensions: Vec<(i64, String, String)>,
    stop: Option<String>,
}

/// How a clock stands on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// Last day in time; `None` while it is paused, or where the book does not have the rule.
    pub due: Option<Date>,
    /// It was stopped in time, or late.
    pub stopped: bool,
    /// It is paused.
    pub paused: bool,
    /// Days past its due day; 0 while in time.
    pub late_days: i64,
    /// Task forces that hear of it, lowest first.
    pub escalated_to: Vec<String>,
}

impl ClockBook {
    /// The book that comes with the hub.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads and checks a file of clocks.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn read(text: &str) -> Result<Self, ClockError> {
        let File { clock: rules, escalation, holidays } = toml::from_str(text)?;
        let mut codes = BTreeSet::new();
        for rule in &rules {
            if !codes.insert(rule.code.as_str()) {
                return Err(ClockError::Twice(rule.code.clone()));
            }
            if rule.days < 1 {
                return Err(ClockError::Day(format!("clock {}: days must be at least 1", rule.code)));
            }
        }
        for one in &holidays {
            for day in one.dates.iter().cloned().chain(one.every_year.iter().map(|day| format!("2000-{day}")))
            {
                let bad = || ClockError::Day(format!("holidays of {}: {day} is no day", one.country));
                day.parse::<Date>().map_err(|_| bad())?;
            }
        }
        let Escalation { levels, escalate_after } = escalation;
        Ok(Self { rules, levels, escalate_after: escalate_after.max(1), holidays })
    }

    /// The days from which each level of task forces hears of a clock that nobody stopped, lowest first; empty while it is paused.
    pub fn escalation(&self, clock: &Clock) -> Vec<(Date, Date, &str)> {
        let calendar = self.calendar(Some(&clock.country));
        let state = self.state(clock, &calendar, Date::MIN);
        let Some(due) = state.due.filter(|_| !state.stopped) else { return Vec::new() };
        let day = |step: usize| {
            let step = i64::try_from(step).unwrap_or(i64::MAX);
            due.checked_add((1 + step.saturating_mul(self.escalate_after)).days()).ok()
        };
        let levels = self.levels.iter().enumerate();
        levels.filter_map(|(step, level)| Some((day(step)?, due, level.as_str()))).collect()
    }

    /// By code.
    pub fn rule(&self, code: &str) -> Option<&ClockRule> {
        self.rules.iter().find(|rule| rule.code == code)
    }

    /// Indonesia's days, and those of a host country where the book has them.
    pub fn calendar(&self, host_country: Option<&str>) -> Calendar<'_> {
        let concerned = |one: &&Holidays| one.country == "IDN" || Some(one.country.as_str()) == host_country;
        Calendar { holidays: self.holidays.iter().filter(concerned).collect() }
    }

    /// How a clock stands at the end of `today`.
    pub fn state(&self, clock: &Clock, calendar: &Calendar<'_>, today: Date) -> ClockState {
        let paused =
            clock.pauses.last().is_some_and(|(_, resumed)| resumed.is_none()) && clock.stop.is_none();
        let due = self.rule(&clock.rule).filter(|_| !paused).and_then(|rule| due(rule, clock, calendar));
        let end = clock.stop.as_ref().and_then(|day| day.parse().ok()).unwrap_or(today);
        let late_days = due.map_or(0, |due| days_between(due, end).max(0));
        let levels = if late_days > 0 { 1 + (late_days - 1) / self.escalate_after } else { 0 };
        let levels = usize::try_from(levels).unwrap_or(0).min(self.levels.len());
        let escalated_to = if clock.stop.is_some() { Vec::new() } else { self.levels[..levels].to_vec() };
        ClockState { due, stopped: clock.stop.is_some(), paused, late_days, escalated_to }
    }
}

impl Calendar<'_> {
    /// Whether a business day.
    pub fn works(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (text, in_year) = (day.to_string(), day.strftime("%m-%d").to_string());
        !weekend
            && !self.holidays.iter().any(|one| one.dates.contains(&text) || one.every_year.contains(&in_year))
    }
}

impl Clock {
    pub(crate) fn started(event: &ClockSet, position: u64) -> Self {
        let ClockSet { rule, on, region, country, .. } = event.clone();
        let (pauses, extensions) = (Vec::new(), Vec::new());
        Self { rule, position, region, country, start: on, pauses, extensions, stop: None }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Does what an event says, or names the rule it breaks.
    pub(crate) fn apply(&mut self, event: &ClockSet, _position: u64) -> Result<(), &'static str> {
        let paused = self.pauses.last().is_some_and(|(_, resumed)| resumed.is_none());
        match event.act() {
            ClockAct::Pause if event.reason.is_empty() => Err("PAUSE_WITHOUT_REASON"),
            ClockAct::Pause if paused => Err("PAUSED_ALREADY"),
            ClockAct::Pause => {
                self.pauses.push((event.on.clone(), None));
                Ok(())
            }
            ClockAct::Resume => match self.pauses.last_mut() {
                Some((_, resumed @ None)) => {
                    *resumed = Some(event.on.clone());
                    Ok(())
                }
                _ => Err("NOT_PAUSED"),
            },
            ClockAct::Extend if event.reason.is_empty() => Err("EXTENSION_WITHOUT_REASON"),
            ClockAct::Extend if event.approved_by.is_empty() => Err("EXTENSION_WITHOUT_APPROVER"),
            ClockAct::Extend => {
                let days = i64::from(event.days.min(3_660));
                self.extensions.push((days, event.reason.clone(), event.approved_by.clone()));
                Ok(())
            }
            ClockAct::Stop => {
                self.stop = Some(event.on.clone());
                Ok(())
            }
            ClockAct::Start | ClockAct::Unspecified => Err("NO_ACT"),
        }
    }

    /// Whether a day is within a pause; the day it goes on counts again.
    fn rests(&self, day: Date) -> bool {
        let text = day.to_string();
        self.pauses.iter().any(|(from, resumed)| {
            from.as_str() <= text.as_str()
                && resumed.as_ref().is_none_or(|resumed| text.as_str() < resumed.as_str())
        })
    }
}

/// The day after the start is the first that counts; days of a pause do not count.
fn due(rule: &ClockRule, clock: &Clock, calendar: &Calendar<'_>) -> Option<Date> {
    let mut left = rule.days + clock.extensions.iter().map(|(days, ..)| days).sum::<i64>();
    let mut day: Date = clock.start.parse().ok()?;
    while left > 0 {
        day = day.checked_add(1.day()).ok()?;
        let counts = !clock.rests(day) && (rule.unit == Unit::Calendar || calendar.works(day));
        left -= i64::from(counts);
    }
    Some(day)
}

fn days_between(from: Date, until: Date) -> i64 {
    from.until(until).map_or(0, |span| i64::from(span.get_days()))
}
