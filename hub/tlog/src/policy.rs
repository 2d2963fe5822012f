//! Trust policies (c2sp.org/tlog-policy): which logs a verifier knows, which witnesses, and which of them must have
//! cosigned a checkpoint before it counts.
//!
//! | line | |
//! |---|---|
//! | `log <vkey> [<url>]` | its name is the origin; key of type 1 |
//! | `witness <name> <vkey> [<url>]` | key of type 4 |
//! | `group <name> all\|any\|<k> <member>…` | witnesses and groups of lines above; a name is a member once |
//! | `quorum <name>\|none` | exactly one |
//! | `# …`, empty | passed over |
//!
//! ```text
//! log simpul.example/demo+6b3de0ae+AZp…
//! witness ngo witness.ngo.example+1f0c7a2e+BFx…
//! witness court witness.court.example+77ab01c3+BNd…
//! group oversight all ngo court
//! quorum oversight
//! ```
//!
//! Names are opaque bytes, as the specification has them; white space is space and tab only.

use std::{collections::HashSet, fmt};

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    cosignature,
    note::{COSIGNATURE_TYPE, ED25519_TYPE, NoteError, NoteVerifier, SignedNote},
};

/// Files larger than this are refused; 32 logs, witnesses and groups take some 10 KiB.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// A policy file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log that the policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the key's name is the log's origin.
    pub key: NoteVerifier,
    /// Where it is reached.
    pub url: Option<String>,
}

/// A witness that the policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What this policy calls it; shown with replacement characters where it is not UTF-8.
    pub name: String,
    /// Its key.
    pub key: NoteVerifier,
    /// Its submission prefix (c2sp.org/tlog-witness).
    pub url: Option<String>,
}

/// A checkpoint that the policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The log key that signed it.
    pub log: NoteVerifier,
    /// Known witnesses that cosigned it, in the order of the policy.
    pub cosigned: Vec<Cosigned>,
}

/// One witness's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Name in the policy.
    pub witness: String,
    /// When, by its own clock; seconds since 1970-01-01T00:00:00Z.
    pub time_s: u64,
}

/// Why a policy file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {what}")]
pub struct PolicyError {
    /// From 1; the line behind the last where something is missing.
    pub line: usize,
    /// What is wrong and what is expected.
    pub what: String,
}

/// Why a policy does not accept a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The note is malformed, or a signature of a known key does not verify.
    #[error("the checkpoint's note does not hold")]
    Note(#[from] NoteError),
    /// The text is no checkpoint.
    #[error("the note is no checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// No key of the policy's logs with this origin signed it.
    #[error("no log key of the policy for origin `{0}` signed it")]
    Log(String),
    /// Too few witnesses.
    #[error("quorum `{quorum}` is not met: {}", cosigned_words(cosigned))]
    Quorum {
        /// Its name.
        quorum: String,
        /// Who did cosign.
        cosigned: Vec<Cosigned>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    needed: usize,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    /// An index below that of the group it stands in.
    Group(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    None,
    Of(Member),
}

impl Policy {
    /// The policy that knows this log and asks for no witness.
    pub fn of_log(key: NoteVerifier) -> Self {
        let logs = vec![PolicyLog { key, url: None }];
        Self { logs, witnesses: Vec::new(), groups: Vec::new(), quorum: Quorum::None }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`], naming the line.
    pub fn parse(file: &[u8]) -> Result<Self, PolicyError> {
        let mut parser = Parser::default();
        let refused = |line: usize| move |what: String| PolicyError { line, what };
        if file.len() > POLICY_BYTES_MAX {
            return Err(refused(1)(format!("the file is larger than {POLICY_BYTES_MAX} bytes")));
        }
        let file = file.strip_suffix(b"\n").unwrap_or(file);
        let mut lines = 0;
        for (line, text) in (1..).zip(file.split(|byte| *byte == b'\n')) {
            parser.line(text).map_err(refused(line))?;
            lines = line;
        }
        let Parser { logs, witnesses, groups, quorum, .. } = parser;
        let quorum = quorum.ok_or_else(|| refused(lines + 1)("there is no line `quorum <name>`".into()))?;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// The logs, in the order of the file; none where they are known from elsewhere.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the file.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Takes a log that is known from elsewhere, where the file lists none.
    pub fn or_log(mut self, key: NoteVerifier) -> Self {
        if self.logs.is_empty() {
            self.logs.push(PolicyLog { key, url: None });
        }
        self
    }

    /// Name of the quorum; `none` where no witness is asked for.
    pub fn quorum(&self) -> &str {
        match self.quorum {
            Quorum::None => "none",
            Quorum::Of(Member::Witness(at)) => &self.witnesses[at].name,
            Quorum::Of(Member::Group(at)) => &self.groups[at].name,
        }
    }

    /// Whether the quorum is met by the witnesses that `cosigned` says yes to.
    pub fn is_met(&self, cosigned: impl Fn(&PolicyWitness) -> bool) -> bool {
        let mut met = Vec::with_capacity(self.groups.len());
        let holds = |member: Member, met: &[bool]| match member {
            Member::Witness(at) => cosigned(&self.witnesses[at]),
            Member::Group(at) => met[at],
        };
        for group in &self.groups {
            let votes = group.members.iter().filter(|member| holds(**member, &met)).count();
            met.push(votes >= group.needed);
        }
        match self.quorum {
            Quorum::None => true,
            Quorum::Of(member) => holds(member, &met),
        }
    }

    /// Judges a signed checkpoint: signed by a known log, and cosigned as the quorum asks. Lines of unknown keys are
    /// passed over; one wrong signature of a known key refuses it all.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, note: &str) -> Result<Accepted, Refused> {
        let logs = self.logs.iter().map(|log| &log.key);
        let keys: Vec<_> = logs.chain(self.witnesses.iter().map(|witness| &witness.key)).cloned().collect();
        let note = match SignedNote::open(note, &keys) {
            Err(NoteError::Unsigned) => {
                return Err(Refused::Log(Checkpoint::parse(&SignedNote::parse(note)?.text)?.origin));
            }
            opened => opened?,
        };
        let checkpoint = Checkpoint::parse(&note.text)?;
        let signed = |key: &NoteVerifier| note.signatures.iter().any(|signature| key.made(signature));
        let log = self.logs.iter().find(|log| log.key.name() == checkpoint.origin && signed(&log.key));
        let Some(log) = log.map(|log| log.key.clone()) else {
            return Err(Refused::Log(checkpoint.origin));
        };
        let time_of = |witness: &PolicyWitness| {
            let lines = note.signatures.iter().filter(|signature| witness.key.made(signature));
            lines.filter_map(cosignature::time_of).max()
        };
        let cosigned = self.witnesses.iter().filter_map(|witness| {
            time_of(witness).map(|time_s| Cosigned { witness: witness.name.clone(), time_s })
        });
        let cosigned: Vec<_> = cosigned.collect();
        if !self.is_met(|witness| time_of(witness).is_some()) {
            return Err(Refused::Quorum { quorum: self.quorum().into(), cosigned });
        }
        Ok(Accepted { checkpoint, log, cosigned })
    }
}

impl fmt::Display for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.witness)
    }
}

fn cosigned_words(cosigned: &[Cosigned]) -> String {
    match cosigned {
        [] => "no known witness cosigned".into(),
        some => {
            let names: Vec<_> = some.iter().map(ToString::to_string).collect();
            format!("cosigned by {} only", names.join(", "))
        }
    }
}

#[derive(Default)]
struct Parser<'a> {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
    names: Vec<(&'a [u8], Member)>,
    /// Names that are members already.
    taken: HashSet<&'a [u8]>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), String> {
        if let Some(byte) = line.iter().find(|byte| (**byte < 0x20 && **byte != b'\t') || **byte == 0x7f) {
            return Err(format!("byte 0x{byte:02x} is not allowed; lines end with a newline alone"));
        }
        let words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let words: Vec<_> = words.collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] => self.log(key, None),
            [b"log", key, url] => self.log(key, Some(shown(url))),
            [b"log", ..] => Err("expected `log <vkey> [<url>]`".into()),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(shown(url))),
            [b"witness", ..] => Err("expected `witness <name> <vkey> [<url>]`".into()),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"group", ..] => Err("expected `group <name> all|any|<k> <member>…`".into()),
            [b"quorum", name] => self.quorum(name),
            [b"quorum", ..] => Err("expected `quorum <name>` or `quorum none`".into()),
            [other, ..] => Err(format!("`{}` is neither log, witness, group nor quorum", shown(other))),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<String>) -> Result<(), String> {
        let key = vkey(key, ED25519_TYPE)?;
        if self.logs.iter().any(|log| log.key.public_key() == key.public_key()) {
            return Err("this log's key stands in the file already".into());
        }
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, name: &'a [u8], key: &[u8], url: Option<String>) -> Result<(), String> {
        let key = vkey(key, COSIGNATURE_TYPE)?;
        if self.witnesses.iter().any(|witness| witness.key.public_key() == key.public_key()) {
            return Err("this witness's key stands in the file already".into());
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: shown(name), key, url });
        Ok(())
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], members: &[&'a [u8]]) -> Result<(), String> {
        let needed = match threshold {
            b"any" => 1,
            b"all" => members.len(),
            digits => {
                number(digits).filter(|needed| (1..=members.len()).contains(needed)).ok_or_else(|| {
                    format!("threshold `{}`: expected `all`, `any` or 1 to {}", shown(digits), members.len())
                })?
            }
        };
        let members = members.iter().map(|member| {
            let known = self.find(member)?;
            if self.taken.insert(member) {
                return Ok(known);
            }
            Err(format!("`{}` is a group's member already", shown(member)))
        });
        let members = members.collect::<Result<Vec<_>, String>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: shown(name), needed, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum line".into());
        }
        self.quorum = Some(if name == b"none" { Quorum::None } else { Quorum::Of(self.find(name)?) });
        Ok(())
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), String> {
        if name == b"none" || self.find(name).is_ok() {
            return Err(format!("the name `{}` is taken", shown(name)));
        }
        self.names.push((name, member));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<Member, String> {
        let found = self.names.iter().find(|(defined, _)| *defined == name);
        found
            .map(|(_, member)| *member)
            .ok_or_else(|| format!("no witness or group `{}` is defined on a line above", shown(name)))
    }
}

fn vkey(text: &[u8], key_type: u8) -> Result<NoteVerifier, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the verifier key is not UTF-8".to_string())?;
    let key = NoteVerifier::parse(text).map_err(|error| error.to_string())?;
    if key.key_type() != key_type {
        let (is, wanted) = (key.key_type(), key_type);
        return Err(format!(
            "the verifier key of `{}` is of type {is}, here stands one of type {wanted}",
            key.name()
        ));
    }
    Ok(key)
}

/// Decimal without sign and leading zero.
fn number(digits: &[u8]) -> Option<usize> {
    let plain = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    if plain { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
