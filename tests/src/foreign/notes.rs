//! Verifier keys, signed notes, checkpoints and cosignatures, right and spoiled.

use data_encoding::BASE64;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    cosignature::CosignatureSigner,
    note::{ED25519_TYPE, NoteSigner, NoteVerifier, SignedNote},
};

use super::question::{Ask, List, hex};
use crate::seeded::Seeded;

const ROUNDS: usize = 6;

fn said(checkpoint: &Checkpoint) -> String {
    format!("{} {}", checkpoint.size, hex(checkpoint.root))
}

pub(super) fn vkey(list: &mut List, class: &str, vkey: &str) {
    let ours = NoteVerifier::parse(vkey).is_ok_and(|verifier| verifier.key_type() == ED25519_TYPE);
    list.add(class, Ask::Vkey { vkey: vkey.into() }, ours);
}

pub(super) fn note(list: &mut List, class: &str, vkey: &str, note: &str) {
    let ours = NoteVerifier::parse(vkey).and_then(|verifier| SignedNote::open(note, &[verifier])).is_ok();
    list.add(class, Ask::Note { vkey: vkey.into(), note: note.into() }, ours);
}

pub(super) fn cosigned(list: &mut List, class: &str, vkey: &str, note: &str) {
    let ours = NoteVerifier::parse(vkey).and_then(|verifier| SignedNote::open(note, &[verifier])).is_ok();
    list.add(class, Ask::Cosigned { vkey: vkey.into(), note: note.into() }, ours);
}

pub(super) fn signed_checkpoint(list: &mut List, class: &str, vkey: &str, note: &str) {
    let opened = NoteVerifier::parse(vkey).ok().and_then(|verifier| checkpoint::open(note, &verifier).ok());
    let ask = Ask::SignedCheckpoint { vkey: vkey.into(), note: note.into() };
    list.add(class, ask, opened.as_ref().map(said));
}

pub(super) fn checkpoint(list: &mut List, class: &str, text: &str) {
    let parsed = Checkpoint::parse(text).ok();
    list.add(class, Ask::Checkpoint { text: text.into() }, parsed.as_ref().map(said));
}

pub(super) fn ask(list: &mut List, seed: u64) {
    let mut seeded = Seeded(seed ^ 0x6e6f_7465);
    for round in 0..ROUNDS {
        let name = format!("log.example/{round}");
        let log = NoteSigner::new(&name, &seeded.digest()).expect("a valid name");
        let stranger = NoteSigner::new("stranger.example", &seeded.digest()).expect("a valid name");
        let witness = CosignatureSigner::new("witness.example", &seeded.digest()).expect("a valid name");
        let text = Checkpoint { origin: name, size: seeded.number() >> 1, root: seeded.digest() }.body();
        about(list, &log, &stranger, &text, &mut seeded);
        cosignatures(list, &log, &witness, &text, &mut seeded);
        keys(list, &log.verifier().to_string(), &mut seeded);
        texts(list, &text);
    }
}

fn about(list: &mut List, log: &NoteSigner, stranger: &NoteSigner, text: &str, seeded: &mut Seeded) {
    let key = log.verifier().to_string();
    let key = key.as_str();
    let (own, other) = (log.sign_line(text), stranger.sign_line(text));
    let mut both = |class: &str, whole: &str| {
        note(list, class, key, whole);
        signed_checkpoint(list, class, key, whole);
    };
    both("note", &format!("{text}\n{own}"));
    both("note with a stranger's line before", &format!("{text}\n{other}{own}"));
    both("note with a stranger's line behind", &format!("{text}\n{own}{other}"));
    both("note of a stranger alone", &format!("{text}\n{other}"));
    both("note of another text", &format!("{}\n{own}", text.replacen('\n', "\n1", 1)));
    both("note signed twice", &format!("{text}\n{own}{own}"));
    let bad = spoiled_line(log, text, seeded);
    both("note with a spoiled signature", &format!("{text}\n{bad}"));
    both("note with a good and a spoiled signature of one key", &format!("{text}\n{own}{bad}"));
    both("note with a spoiled and a good signature of one key", &format!("{text}\n{bad}{own}"));
    both("note without signatures", &format!("{text}\n"));
    both("note without the empty line", &format!("{text}{own}"));
    both("note without its last newline", format!("{text}\n{own}").trim_end());
    both("note with carriage returns", &format!("{text}\n{own}").replace('\n', "\r\n"));
    both("note with a line that is no signature", &format!("{text}\n{own}hello\n"));
    both("note with an empty line behind", &format!("{text}\n{own}\n"));
    both("note with a hyphen for the dash", &format!("{text}\n{}", own.replace('\u{2014}', "-")));
    both("note with base64 without padding", &format!("{text}\n{}", own.replace('=', "")));
    both(
        "note with a space in the base64",
        &format!("{text}\n{}", own.replacen("= ", "=", 1).replace("=\n", "= \n")),
    );
    let control = format!("{}\u{1}\n", text.trim_end());
    both("note with a control character, signed", &format!("{control}\n{}", log.sign_line(&control)));
    both("note with base64 in two padded pieces", &format!("{text}\n{}", in_two_pieces(&own)));
    // Signed texts that are no checkpoint, or one that only some read so.
    let root = text.lines().nth(2).unwrap_or_default();
    let origin = log.verifier().name().to_string();
    for (class, text) in [
        ("checkpoint with an extension line", format!("{text}extension\n")),
        ("checkpoint of size 07", format!("{origin}\n07\n{root}\n")),
        ("checkpoint of size +7", format!("{origin}\n+7\n{root}\n")),
        ("checkpoint of size 2^64", format!("{origin}\n18446744073709551616\n{root}\n")),
        ("checkpoint of size 2^63", format!("{origin}\n9223372036854775808\n{root}\n")),
        ("checkpoint of another origin", format!("other.example\n7\n{root}\n")),
        ("checkpoint with a short root", format!("{origin}\n7\nAAAA\n")),
        ("checkpoint of two lines", format!("{origin}\n7\n")),
    ] {
        signed_checkpoint(list, class, key, &format!("{text}\n{}", log.sign_line(&text)));
    }
}

/// The same bytes, which some decoders read from this text too.
fn in_two_pieces(line: &str) -> String {
    let (start, blob) = line.trim_end().rsplit_once(' ').expect("a signature line");
    let blob = BASE64.decode(blob.as_bytes()).expect("base64");
    format!("{start} {}{}\n", BASE64.encode(&blob[..1]), BASE64.encode(&blob[1..]))
}

fn spoiled_line(log: &NoteSigner, text: &str, seeded: &mut Seeded) -> String {
    let mut signature = log.raw_sign(text);
    let bit = seeded.below(512) as usize;
    signature[bit / 8] ^= 1 << (bit % 8);
    log.verifier().line(&signature)
}

fn cosignatures(
    list: &mut List,
    log: &NoteSigner,
    witness: &CosignatureSigner,
    text: &str,
    seeded: &mut Seeded,
) {
    let key = witness.verifier().to_string();
    let own = log.sign_line(text);
    let line = witness.sign_line(seeded.number() >> 30, text);
    cosigned(list, "cosignature", &key, &format!("{text}\n{own}{line}"));
    let other = text.replacen("log.", "lag.", 1);
    cosigned(list, "cosignature of another text", &key, &format!("{other}\n{own}{line}"));
    let as_log = log.verifier().to_string();
    cosigned(list, "cosigned checkpoint, asked for the log's key", &as_log, &format!("{text}\n{own}{line}"));
    cosigned(list, "checkpoint without the cosignature", &key, &format!("{text}\n{own}"));
    let extended = format!("{text}extension\n");
    let line = witness.sign_line(1_700_000_000, &extended);
    let own = log.sign_line(&extended);
    cosigned(list, "cosigned checkpoint with an extension line", &key, &format!("{extended}\n{own}{line}"));
}

fn keys(list: &mut List, key: &str, seeded: &mut Seeded) {
    vkey(list, "vkey", key);
    let spoil = |from: &str, to: &str| key.replacen(from, to, 1);
    vkey(list, "vkey with a space", &spoil(".", " "));
    vkey(list, "vkey without name", key.trim_start_matches(|char| char != '+'));
    vkey(list, "vkey with a cut key", &key[..key.len() - 1]);
    let at = key.find('+').unwrap_or_default() + 1;
    let upper = key[at..at + 8].to_uppercase();
    vkey(list, "vkey with an upper-case id", &format!("{}{upper}{}", &key[..at], &key[at + 8..]));
    let other = format!("{:08x}", seeded.number() as u32);
    vkey(list, "vkey of another id", &format!("{}{other}{}", &key[..at], &key[at + 8..]));
}

fn texts(list: &mut List, text: &str) {
    checkpoint(list, "checkpoint text", text);
    checkpoint(list, "checkpoint text with an extension line", &format!("{text}extension\n"));
    checkpoint(list, "checkpoint text with an empty extension line", &format!("{text}\n"));
    checkpoint(list, "checkpoint text without its last newline", text.trim_end());
    checkpoint(list, "checkpoint text with carriage returns", &text.replace('\n', "\r\n"));
    checkpoint(list, "checkpoint text without origin", &text[text.find('\n').unwrap_or_default()..]);
    checkpoint(list, "checkpoint text with url-safe base64", &text.replace('+', "-").replace("log-", "log+"));
}
