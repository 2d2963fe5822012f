//! What a verification found, for people and, through serde, for scripts.

use std::fmt;

use serde::Serialize;

/// Violations listed one by one; the rest is counted. The first one is what an operator needs.
pub const VIOLATIONS_LISTED_MAX: usize = 100;

/// Which of the hub's two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogName {
    /// What agencies submitted.
    Main,
    /// Who looked at it.
    Access,
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Access => "access",
        })
    }
}

/// Something that cannot be in an honest log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which log.
    pub log: LogName,
    /// File beside the segments, below the log's folder, where it is about one.
    pub file: Option<String>,
    /// File name of the segment, where one is known.
    pub segment: Option<String>,
    /// Leaf it stands in, or the first one affected.
    pub leaf: Option<u64>,
    /// Position it stands at, or the first one affected.
    pub position: Option<u64>,
    /// What is wrong; never content of a payload.
    pub what: String,
}

impl Violation {
    /// About a file beside the segments.
    pub(crate) fn of_file(log: LogName, file: &str, what: &str) -> Self {
        let file = Some(file.to_owned());
        Self { log, file, segment: None, leaf: None, position: None, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} log", self.log)?;
        if let Some(file) = &self.file {
            write!(f, ", file {file}")?;
        }
        if let Some(segment) = &self.segment {
            write!(f, ", segment {segment}")?;
        }
        if let Some(leaf) = self.leaf {
            write!(f, ", leaf {leaf}")?;
        }
        if let Some(position) = self.position {
            write!(f, ", position {position}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What was looked at in one log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Frames, tree and checkpoints; its own first violation is among the report's too.
    #[serde(flatten)]
    pub bytes: simpul_log::verify::Report,
    /// Statement signatures that were checked.
    pub signatures_checked: u64,
    /// Statement signatures whose key was not to be had.
    pub signatures_not_checked: u64,
    /// Payloads that were unsealed and compared with what their sender committed to.
    pub payloads_opened: u64,
    /// Of the main log: what can be said of its payloads.
    pub payloads: Payloads,
    /// Of the main log: its executed erasures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<ErasureNote>,
    /// Of the main log: its recorded checkpoints of the access log, each compared with what that is now.
    #[serde(skip_serializing_if = "is_zero")]
    pub access_checkpoints: u64,
    /// Of the main log: its newest key epoch, whose keys were compared with the key files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_epoch: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Payloads by what can be said of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Payloads {
    /// READABLE: opened, and as its sender committed to it.
    pub readable: u64,
    /// SEALED: the verifier was given no key.
    pub sealed: u64,
    /// ERASED: an execution behind it in the log made its key dead.
    pub erased: u64,
    /// MISSING: neither; a violation.
    pub missing: u64,
}

impl Payloads {
    pub(super) fn add(&mut self, others: Self) {
        self.readable += others.readable;
        self.sealed += others.sealed;
        self.erased += others.erased;
        self.missing += others.missing;
    }
}

/// One executed erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErasureNote {
    /// Position of the execution.
    pub position: u64,
    /// Reference of the request.
    pub request: String,
    /// Who asked.
    pub requested_by: String,
    /// Who approved.
    pub approved_by: Vec<String>,
    /// What was erased.
    pub streams: Vec<String>,
}

/// The whole outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Whether there is no violation.
    pub ok: bool,
    /// The log of submissions.
    pub main: LogReport,
    /// The access log; absent where the folder has none.
    pub access: Option<LogReport>,
    /// The first violations, in the order of the logs.
    pub violations: Vec<Violation>,
    /// How many there are in all.
    pub violations_total: u64,
    /// What is odd or was not checked, and is no violation.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Events of both logs divided by seconds.
    pub events_per_second: f64,
}

/// Collects violations and notes.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) violations: Vec<Violation>,
    pub(super) violations_total: u64,
    pub(super) notes: Vec<String>,
}

impl Findings {
    pub(super) fn violation(&mut self, violation: Violation) {
        self.violations_total += 1;
        if self.violations.len() < VIOLATIONS_LISTED_MAX {
            self.violations.push(violation);
        }
    }
}

/// A violation inside a leaf, before the log and the segment are added.
pub(super) struct Finding {
    pub(super) leaf: u64,
    pub(super) position: Option<u64>,
    pub(super) what: String,
}

impl Finding {
    pub(super) fn new(leaf: u64, position: Option<u64>, what: impl Into<String>) -> Self {
        Self { leaf, position, what: what.into() }
    }

    pub(super) fn in_log(self, log: LogName, segment: &str) -> Violation {
        let Self { leaf, position, what } = self;
        Violation { log, file: None, segment: Some(segment.to_owned()), leaf: Some(leaf), position, what }
    }
}
