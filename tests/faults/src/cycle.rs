//! One cycle: a log of its own, a fault or several, and the judgment. Every cycle is a function of its number and the seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use simpul_log::{
    faults::{self, Bug, Failure, Kind},
    trace::Event,
};

use crate::{
    check,
    child::Child,
    damage::{self, Damage, SegmentCase, Whole},
    harness, load,
    power_cut::Replay,
    random::Random,
    witness::{Acknowledged, Witness},
};

/// A process that has not ended by then hangs.
const PROCESS_TIME_MAX: Duration = Duration::from_secs(60);
const SIGKILL: i32 = 9;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// About a minute.
    Short,
    /// Everything, and random cycles up to a number.
    Long,
}

/// What all cycles share.
pub struct Setting {
    program: PathBuf,
    scratch: PathBuf,
    seed: u64,
    bug: Option<Bug>,
    few: Whole,
    many: Whole,
    /// Operations by kind, and passes of each point, in a run without faults.
    operations: Vec<u64>,
    points: BTreeMap<String, u64>,
}

/// One cycle.
#[derive(Clone, Debug)]
pub enum Cycle {
    /// A crash at a named point, another one after it, and on.
    Crash(&'static str),
    /// SIGKILL at some time, again and again.
    Kill,
    /// An operation fails.
    Io(Kind, u64, Failure, bool),
    /// No fault but the power cuts, many of them.
    PowerCut,
    /// A point takes its time.
    Delay(&'static str),
    /// Damage to a closed log.
    Damage(DamageCase),
}

/// Damage, and to which log.
#[derive(Clone, Debug)]
pub struct DamageCase {
    damage: Damage,
    many: bool,
}

impl Cycle {
    /// The row of the report it counts in.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Crash(_) => "crash point",
            Self::Kill => "SIGKILL",
            Self::Io(..) => "failing operation",
            Self::PowerCut => "power cut",
            Self::Delay(_) => "slow step",
            Self::Damage(case) => match case.damage {
                Damage::Cut { .. } => "cut last frame",
                Damage::Flip { .. } => "flipped bit",
                Damage::Segments { .. } => "segment files",
            },
        }
    }
}

impl Cycle {
    fn is_meant_for(&self, bug: Bug) -> bool {
        match bug {
            Bug::TruncateOnChecksumError => matches!(self, Self::Damage(_)),
            Bug::AcceptUnmarkedFrame => matches!(
                self,
                Self::Damage(DamageCase { damage: Damage::Cut { zeros: true, known: false, .. }, .. })
            ),
            Bug::SpareWhileRolling => matches!(self, Self::Delay(point) if point.starts_with("roll.")),
            Bug::IgnoreFlushError => matches!(self, Self::Io(Kind::Sync, _, Failure::Io, _)),
            Bug::LeaveDeadKeys => {
                matches!(self, Self::PowerCut)
                    || matches!(self, Self::Crash(point) if point.starts_with("erase."))
            }
            Bug::NameSegmentFirst => matches!(self, Self::Crash("roll.created") | Self::PowerCut),
            _ => matches!(self, Self::PowerCut),
        }
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(point) => write!(f, "crash at {point}"),
            Self::Delay(point) => write!(f, "delay at {point}"),
            Self::Damage(case) => write!(f, "{:?}", case.damage),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What a cycle counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Processes that ended by their fault, operations that failed, files that were damaged.
    pub faults: u64,
    /// States after a power cut that were judged.
    pub power_cuts: u64,
    /// Crash points that were passed.
    pub points: BTreeSet<String>,
}

/// All cycles of a run, in random order: what is enumerated, and random ones up to `random` cycles.
pub fn plan(setting: &Setting, scale: Scale, random: u64) -> Vec<Cycle> {
    let mut dice = Random::new(setting.seed);
    let mut cycles: Vec<Cycle> = faults::POINTS.iter().map(|point| Cycle::Crash(point)).collect();
    cycles
        .extend(["roll.header-flushed", "roll.renamed", "append.written", "index.written"].map(Cycle::Delay));
    let on = |many: bool| move |damage: Damage| Cycle::Damage(DamageCase { damage, many });
    for case in SegmentCase::ALL {
        let last = harness::segments(&setting.many.dir).len() - 1;
        let which = if scale == Scale::Long { (0..=last).collect() } else { vec![0, last / 2, last] };
        for (which, indexes) in which.into_iter().flat_map(|which| [(which, true), (which, false)]) {
            // One step beyond the last is the first again, which no reordering changes.
            if !(case == SegmentCase::Reordered && which == last) {
                cycles.push(on(true)(Damage::Segments { case, which, indexes }));
            }
        }
    }
    let every = if scale == Scale::Long { 1 } else { 23 };
    let part =
        |all: Vec<Damage>, every: usize| all.into_iter().step_by(every).map(on(false)).collect::<Vec<_>>();
    let marker = damage::cuts_of_marker(&setting.few);
    cycles.extend(part(marker, 1));
    cycles.extend(part(damage::cuts(&setting.few), every));
    cycles.extend(part(damage::header_flips(&setting.few), every));
    for (kind, count) in Kind::ALL.into_iter().zip(&setting.operations) {
        // Of the flushes only those of frames carry an acknowledgment, so that more of them are tried.
        let some = if kind == Kind::Sync { 32 } else { 4 };
        let step = if scale == Scale::Long { 1 } else { (count / some).max(1) };
        for ordinal in (1..=*count).step_by(step as usize).take(400) {
            for failure in Failure::ALL {
                let lasting = dice.coin();
                // Short is something of reads and writes alone.
                if failure != Failure::Short || matches!(kind, Kind::Read | Kind::Write) {
                    cycles.push(Cycle::Io(kind, ordinal, failure, lasting));
                }
            }
        }
    }
    cycles.extend(std::iter::repeat_n(Cycle::PowerCut, 24));
    cycles.extend(std::iter::repeat_n(Cycle::Kill, 6));
    while (cycles.len() as u64) < random {
        cycles.push(match dice.below(16) {
            0..4 => Cycle::Crash(dice.pick::<&str>(faults::POINTS)),
            4..7 => Cycle::Kill,
            7..9 => Cycle::PowerCut,
            9..12 => {
                let at = dice.below(Kind::ALL.len() as u64) as usize;
                let ordinal = 1 + dice.below(setting.operations[at].max(1));
                Cycle::Io(Kind::ALL[at], ordinal, *dice.pick(&Failure::ALL), dice.coin())
            }
            12 => Cycle::Delay(dice.pick::<&str>(faults::POINTS)),
            _ => {
                let many = dice.coin();
                let of = if many { &setting.many } else { &setting.few };
                on(many)(damage::any_flip(of, &mut dice))
            }
        });
    }
    // A run that is cut short by its time has seen some of everything.
    for at in (1..cycles.len()).rev() {
        cycles.swap(at, dice.below(at as u64 + 1) as usize);
    }
    // Every crash point is passed even then; and what a seeded bug is meant to be caught by comes first.
    cycles.sort_by_key(|cycle| match setting.bug {
        Some(bug) => !cycle.is_meant_for(bug),
        None => !matches!(cycle, Cycle::Crash(point) if point.starts_with("open.")),
    });
    cycles
}

impl Setting {
    /// Makes the logs that are damaged later, and counts what a run without faults does.
    ///
    /// # Errors
    /// What a run without faults already gets wrong.
    pub fn new(program: PathBuf, scratch: PathBuf, seed: u64, bug: Option<Bug>) -> Result<Self, String> {
        let empty = |name: &str| Whole { dir: scratch.join(name).join("log"), witness: Witness::default() };
        let (few, many) = (empty("few"), empty("many"));
        let (operations, points) = (Vec::new(), BTreeMap::new());
        let mut setting = Self { program, scratch, seed, bug, few, many, operations, points };
        let (dir, trace) = (setting.scratch.join("many/log"), setting.scratch.join("many/trace"));
        let child = Child { dir, trace: Some(trace.clone()), count: 120, callers: 3, ..Child::default() };
        fs::create_dir_all(setting.scratch.join("many")).map_err(system)?;
        let ended = setting.process(&child, None, &mut Witness::default())?;
        setting.operations = ended.operations;
        let replay = Replay::load(&trace).map_err(system)?;
        for event in replay.events() {
            if let Event::Point(name) = event {
                *setting.points.entry(name.clone()).or_default() += 1;
            }
        }
        for (name, count) in [("few", 6), ("many", 120)] {
            let dir = setting.scratch.join(name).join("log");
            fs::remove_dir_all(setting.scratch.join(name)).ok();
            let child = Child { dir: dir.clone(), count, callers: 1, ..Child::default() };
            let mut witness = Witness::default();
            setting.process(&child, None, &mut witness)?;
            if witness.entries.len() as u64 != count {
                return Err(format!(
                    "{} of {count} submissions were acknowledged without a fault",
                    witness.entries.len()
                ));
            }
            let copy = setting.scratch.join("copy");
            harness::copy(&dir, &copy);
            check::whole(&copy, &witness, Some(count))?;
            fs::remove_dir_all(copy).map_err(system)?;
            let whole = Whole { dir, witness };
            if name == "few" { setting.few = whole } else { setting.many = whole }
        }
        Ok(setting)
    }

    /// Runs one cycle.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn run(&self, number: u64, cycle: &Cycle) -> Result<Tally, String> {
        let scratch = self.scratch.join(format!("cycle-{number}"));
        let seed = Random::new(self.seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d)).below(u64::MAX);
        let result = self.run_in(&scratch, cycle, &mut Random::new(seed));
        if result.is_ok() {
            fs::remove_dir_all(&scratch).map_err(system)?;
        }
        result
    }

    fn run_in(&self, scratch: &Path, cycle: &Cycle, dice: &mut Random) -> Result<Tally, String> {
        let plain = Child {
            dir: scratch.join("disk/data/log"),
            trace: Some(scratch.join("trace")),
            count: 60,
            callers: 1 + dice.below(6),
            ..Child::default()
        };
        fs::create_dir_all(scratch.join("disk")).map_err(system)?;
        let crash = |point: &str, nth: u64| Child { crash: Some(format!("{point}:{nth}")), ..plain.clone() };
        match cycle {
            Cycle::Crash("open.tail-cleared") => {
                // One of so many writes in a row is a frame, whatever else is written between them; half of it is there when the
                // log is opened again.
                let half = |ordinal: u64| {
                    let io = Some(format!("Write:{ordinal}:Short"));
                    Child { io, callers: 1, ..crash("open.tail-cleared", 1) }
                };
                let children: Vec<_> =
                    (0..20).map(|number| half(8 + number)).chain([plain.clone()]).collect();
                self.generations(scratch, &children, 3, dice)
            }
            Cycle::Crash(point) => {
                let most =
                    if point.starts_with("erase.") { load::erasures(plain.count) } else { plain.count };
                let nth = 1 + dice.below(self.points.get(*point).copied().unwrap_or(1).min(most));
                let other = *dice.pick::<&str>(faults::POINTS);
                let first = match *point {
                    "open.index-rebuilt" => crash("index.created", 1),
                    "open.tail-judged" | "open.head-flushed" => crash("append.written", 1 + dice.below(20)),
                    point if point.starts_with("open.") && dice.coin() => crash(other, 1 + dice.below(4)),
                    _ => crash(point, nth),
                };
                let second = if first.crash.as_ref().is_some_and(|crash| crash.starts_with(point)) {
                    crash(other, 1 + dice.below(5))
                } else {
                    crash(point, 1)
                };
                self.generations(scratch, &[first, second, plain.clone()], 3, dice)
            }
            Cycle::Kill => self.kills(&Child { trace: None, count: 400, ..plain.clone() }, 4, dice),
            Cycle::Io(kind, ordinal, failure, lasting) => {
                let lasting = if *lasting { ":lasting" } else { "" };
                let io = Some(format!("{kind:?}:{ordinal}:{failure:?}{lasting}"));
                let first = Child { io, ..plain.clone() };
                // A fault at the start of a log is another thing than one at the start of a hub that has a log.
                let before = Child { count: 30, ..plain.clone() };
                let generations =
                    if dice.coin() { vec![first, plain.clone()] } else { vec![before, first, plain.clone()] };
                self.generations(scratch, &generations, 3, dice)
            }
            Cycle::PowerCut => {
                let count = 30 + dice.below(90);
                let first =
                    if dice.coin() { crash("append.written", 1 + dice.below(30)) } else { plain.clone() };
                self.generations(scratch, &[first, Child { count, ..plain.clone() }], 12, dice)
            }
            Cycle::Delay(point) => {
                let delay = Some(format!("{point}:{}", 1 + dice.below(12)));
                self.generations(scratch, &[Child { delay, count: 40, ..plain.clone() }], 4, dice)
            }
            Cycle::Damage(case) => {
                let of = if case.many { &self.many } else { &self.few };
                case.damage.judge(of, &scratch.join("log"))?;
                Ok(Tally { faults: 1, ..Tally::default() })
            }
        }
    }

    /// Processes one after another on the same disk; the log is judged after each, and after power cuts at any time.
    fn generations(
        &self,
        scratch: &Path,
        children: &[Child],
        cuts: u64,
        dice: &mut Random,
    ) -> Result<Tally, String> {
        let (mut tally, mut witness, mut next) = (Tally::default(), Witness::default(), 0u64);
        for (generation, child) in children.iter().enumerate() {
            let first = next.saturating_sub(25);
            let child = Child { first, count: child.count + next - first, bug: self.bug, ..child.clone() };
            next = child.first + child.count;
            let ended = self.process(&child, None, &mut witness)?;
            tally.faults += u64::from(ended.failed || child.delay.is_some());
            if generation + 1 < children.len() && dice.coin() {
                continue;
            }
            self.judge_copy(&child.dir, scratch, &witness)
                .map_err(|what| format!("process {generation}: {what}"))?;
        }
        let trace = children[0].trace.clone().ok_or("battery: no record")?;
        let mut replay = Replay::load(&trace).map_err(system)?;
        let passed = replay.events().iter().filter_map(|event| match event {
            Event::Point(name) => Some(name.clone()),
            _ => None,
        });
        tally.points.extend(passed);
        if witness.entries.is_empty() {
            return Err("battery: nothing was acknowledged, so that nothing was shown".into());
        }
        let end = replay.events().len() as u64;
        let notes = replay.events().iter().enumerate().filter(|(_, event)| matches!(event, Event::Note(_)));
        // Half of them right behind an acknowledgment, where the most is promised.
        let notes: Vec<u64> = notes.map(|(at, _)| at as u64 + 1).collect();
        let mut moments: Vec<u64> = (0..cuts)
            .map(|_| if notes.is_empty() || dice.coin() { dice.below(end + 1) } else { *dice.pick(&notes) })
            .collect();
        moments.sort_unstable();
        for moment in moments {
            replay.advance(moment as usize);
            let mut witness = Witness::default();
            for entry in &replay.acknowledged {
                witness.add(entry.clone())?;
            }
            let disk = scratch.join("cut");
            replay.cut(&scratch.join("disk"), &disk, dice).map_err(system)?;
            check::whole(&disk.join("data/log"), &witness, None)
                .map_err(|what| format!("power cut at operation {moment} of {end}: {what}"))?;
            fs::remove_dir_all(&disk).map_err(system)?;
            tally.power_cuts += 1;
        }
        Ok(tally)
    }

    fn kills(&self, child: &Child, kills: u64, dice: &mut Random) -> Result<Tally, String> {
        let (mut tally, mut witness) = (Tally::default(), Witness::default());
        for _ in 0..kills {
            let child = Child { bug: self.bug, ..child.clone() };
            let after = Duration::from_micros(dice.below(150_000));
            let ended = self.process(&child, Some(after), &mut witness)?;
            tally.faults += u64::from(ended.failed);
            let scratch = child.dir.ancestors().nth(3).ok_or("battery: no scratch folder")?.to_path_buf();
            self.judge_copy(&child.dir, &scratch, &witness)?;
        }
        Ok(tally)
    }

    /// A log that the next process goes on with is judged as a copy, which may be written to.
    fn judge_copy(&self, dir: &Path, scratch: &Path, witness: &Witness) -> Result<(), String> {
        let copy = scratch.join("copy");
        fs::create_dir_all(&copy).map_err(system)?;
        if dir.is_dir() {
            harness::copy(dir, &copy);
        }
        check::whole(&copy, witness, None)?;
        fs::remove_dir_all(&copy).map_err(system)
    }

    fn process(&self, child: &Child, kill: Option<Duration>, witness: &mut Witness) -> Result<Ended, String> {
        let child = Child { bug: self.bug, ..child.clone() };
        let mut process = Command::new(&self.program)
            .args(child.arguments())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(system)?;
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let start = Instant::now();
        thread::scope(|scope| {
            let lines = scope.spawn(move || -> io::Result<Vec<String>> {
                out.map_or(Ok(Vec::new()), |out| BufReader::new(out).lines().collect())
            });
            let errors = scope.spawn(move || {
                let mut text = String::new();
                err.map(|mut err| err.read_to_string(&mut text));
                text
            });
            let status = loop {
                if let Some(status) = process.try_wait().map_err(system)? {
                    break status;
                }
                if kill.is_some_and(|after| start.elapsed() >= after) || start.elapsed() > PROCESS_TIME_MAX {
                    process.kill().map_err(system)?;
                }
                thread::sleep(Duration::from_millis(1));
            };
            let lines = lines.join().map_err(|_| "battery: reader")?.map_err(system)?;
            let errors = errors.join().map_err(|_| "battery: reader")?;
            if errors.contains("panicked") {
                return Err(format!("the process panicked: {errors}"));
            }
            if start.elapsed() > PROCESS_TIME_MAX {
                return Err("the process hangs".into());
            }
            let (mut failed, mut operations) = (!status.success(), Vec::new());
            for line in lines {
                if let Some(entry) = Acknowledged::from_line(&line) {
                    witness.add(entry)?;
                }
                failed |= line.starts_with("E ");
                if let Some(counts) = line.strip_prefix("D ") {
                    operations = counts.split(' ').filter_map(|count| count.parse().ok()).collect();
                }
            }
            match status.signal() {
                Some(SIGKILL) if kill.is_none() => Err("the process was killed from outside".into()),
                None if !status.success() => Err(format!("the process failed: {errors}")),
                _ => Ok(Ended { failed, operations }),
            }
        })
    }
}

struct Ended {
    /// Whether the fault was felt.
    failed: bool,
    operations: Vec<u64>,
}

fn system(error: io::Error) -> String {
    format!("battery: {error}")
}
