//! `simpul person link|unlink|distinguish`: a word of an official about two persons, as an event of the stream of that pair.

use std::{io::Write, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use prost::Message;
use serde_json::json;
use simpul_connector::{Client, EventDraft};
use simpul_proto::identity::{LinkConfidence, PersonsDistinguished, PersonsLinked, PersonsUnlinked};
use simpul_types::{Clock, clock::System};

use crate::{connection::ConnectionArgs, output::json_line};

/// What every such word says.
#[derive(Args)]
pub struct Word {
    /// Reference of a person, as `simpul person find` shows it
    person: String,

    /// Reference of the other
    other: String,

    /// Why you submit it, for example ASSIST
    #[arg(long)]
    purpose: String,

    /// The law that lets you
    #[arg(long, default_value = "UU 21/2007")]
    legal_basis: String,
}

#[derive(Args)]
pub struct Link {
    #[command(flatten)]
    word: Word,

    /// What it rests on; may be given several times: SAME_FACE, FAMILY_CONFIRMED, FINGERPRINT, DOCUMENTS_COMPARED, …
    #[arg(long, required = true)]
    ground: Vec<String>,

    /// How sure you are
    #[arg(long, default_value = "certain")]
    confidence: Confidence,

    #[arg(long, default_value = "")]
    note: String,
}

#[derive(Args)]
pub struct Unlink {
    #[command(flatten)]
    word: Word,

    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub struct Distinguish {
    #[command(flatten)]
    word: Word,

    #[arg(long)]
    reason: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Confidence {
    Probable,
    Certain,
}

/// The event before it is known who decides and when.
pub(super) struct Decided {
    event_type: &'static str,
    stream: String,
    word: Word,
    payload: Box<dyn Fn(String, String) -> Vec<u8>>,
}

impl Link {
    pub(super) fn event(self) -> anyhow::Result<Decided> {
        let (grounds, note) = (self.ground, self.note);
        let confidence = match self.confidence {
            Confidence::Probable => LinkConfidence::Probable,
            Confidence::Certain => LinkConfidence::Certain,
        };
        let (person, same_as) = (self.word.person.clone(), self.word.other.clone());
        decided("simpul.identity.v1.PersonsLinked", self.word, move |decided_by, decided_on| {
            let (person, same_as, grounds, note) =
                (person.clone(), same_as.clone(), grounds.clone(), note.clone());
            let confidence = confidence.into();
            PersonsLinked { person, same_as, confidence, grounds, note, decided_by, decided_on }
                .encode_to_vec()
        })
    }
}

impl Unlink {
    pub(super) fn event(self) -> anyhow::Result<Decided> {
        let (person, same_as, reason) = (self.word.person.clone(), self.word.other.clone(), self.reason);
        decided("simpul.identity.v1.PersonsUnlinked", self.word, move |decided_by, decided_on| {
            let (person, same_as, reason) = (person.clone(), same_as.clone(), reason.clone());
            PersonsUnlinked { person, same_as, reason, decided_by, decided_on }.encode_to_vec()
        })
    }
}

impl Distinguish {
    pub(super) fn event(self) -> anyhow::Result<Decided> {
        let (person, other, reason) = (self.word.person.clone(), self.word.other.clone(), self.reason);
        decided("simpul.identity.v1.PersonsDistinguished", self.word, move |decided_by, decided_on| {
            let (person, other, reason) = (person.clone(), other.clone(), reason.clone());
            PersonsDistinguished { person, other, reason, decided_by, decided_on }.encode_to_vec()
        })
    }
}

fn decided(
    event_type: &'static str,
    word: Word,
    payload: impl Fn(String, String) -> Vec<u8> + 'static,
) -> anyhow::Result<Decided> {
    let (one, other) = (word.person.as_str(), word.other.as_str());
    for reference in [one, other] {
        let right = reference.len() == 32 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !right {
            bail!(
                "`{reference}` is no reference of a person: 32 hexadecimal digits, as `simpul person find` shows them"
            );
        }
    }
    if one == other {
        bail!("both references name the same person");
    }
    // One stream per pair, whichever is named first: whoever speaks later about the same pair is seen to.
    let stream = format!("person-pair/{}{}", one.min(other), one.max(other));
    Ok(Decided { event_type, stream, word, payload: Box::new(payload) })
}

pub(super) async fn run(
    decided: Decided,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let now = System.now();
    let today = now.to_string().chars().take("YYYY-MM-DD".len()).collect();
    let mut draft = EventDraft::new(
        decided.event_type.parse()?,
        decided.stream.parse()?,
        now,
        decided.word.purpose.parse().context("--purpose")?,
        (decided.payload)(official, today).into(),
    );
    draft.legal_basis = decided.word.legal_basis.into();
    let client = Client::connect(connection.load()?.hub).await?;
    let accepted = client.submit(vec![draft]).await?;
    let position = accepted.first_position();
    if json {
        json_line(out, &json!({ "position": position, "leaf": accepted.receipt.leaf_index }))?;
    } else {
        writeln!(out, "recorded at position {position}, leaf {}", accepted.receipt.leaf_index)?;
    }
    Ok(ExitCode::SUCCESS)
}
