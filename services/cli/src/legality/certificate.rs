//! `simpul legality certificate` and `verify-certificate`: a verdict on paper.
//!
//! The QR code holds `SIMPUL1:` and the signed certificate in base32 (RFC 4648, no padding): upper-case letters and digits,
//! which a QR code packs best. The page holds the same text, so that the file can be checked without a camera.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use prost::Message;
use serde_json::json;
use simpul_proto::v1;

use super::{check, page};
use crate::{
    connection::{self, ConnectionArgs},
    output::{json_line, remark, time},
    trust, wire_json,
};

/// Before the signed bytes in a QR code.
const PREFIX: &str = "SIMPUL1:";

/// A certificate's file is a page; anything much larger is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Args)]
pub struct Certificate {
    #[command(flatten)]
    check: check::Check,

    /// Write the page here, HTML with the QR code in it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Verify {
    /// The page, a file with the text of the QR code, or that text itself
    #[arg(value_name = "FILE|TEXT")]
    certificate: String,

    /// Public key of the hub's verdicts, hex or file; absent: the one in client.toml
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

pub async fn run(
    command: Certificate,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let answer = check::ask(command.check, connection, true).await?;
    let signed = answer.response.certificate.context("the hub's answer holds no certificate")?;
    let certificate = trust::certificate(&signed, &answer.key)?;
    let verdict = answer.response.signed.as_ref().map(|signed| simpul_signing::sha256(&[&signed.verdict]));
    if verdict.is_none_or(|digest| certificate.verdict_digest[..] != digest) {
        bail!("the certificate was not signed beside this verdict");
    }
    let page = page::html(&answer.checked.verdict, &text(&signed), &signed.key_id)?;
    let shown = command.out.display();
    std::fs::write(&command.out, page).with_context(|| format!("writing {shown}"))?;
    remark(format_args!("page to print: {shown}"));
    show(&certificate, &signed.key_id, json, out)
}

pub fn verify(
    command: &Verify,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let key = match &command.key {
        Some(key) => trust::verdict_key(key)?,
        None => connection::verdict_key(&connection.load()?, None)?,
    };
    let signed = signed(&read(&command.certificate)?)?;
    show(&trust::certificate(&signed, &key)?, &signed.key_id, json, out)
}

/// The text of the QR code.
fn text(signed: &v1::SignedVerdict) -> String {
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&signed.encode_to_vec()))
}

fn read(given: &str) -> anyhow::Result<String> {
    let path = Path::new(given);
    if given.starts_with(PREFIX) || !path.is_file() {
        return Ok(given.to_owned());
    }
    let bytes = std::fs::metadata(path).with_context(|| format!("reading {given}"))?.len();
    if bytes > FILE_BYTES_MAX {
        bail!("{given} has {bytes} bytes; a certificate is smaller");
    }
    std::fs::read_to_string(path).with_context(|| format!("reading {given}"))
}

/// The signed bytes out of a page or the text of a QR code.
fn signed(text: &str) -> anyhow::Result<v1::SignedVerdict> {
    let (_, rest) = text
        .split_once(PREFIX)
        .with_context(|| format!("no certificate in it: its text begins with {PREFIX}"))?;
    let end = rest.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit()).unwrap_or(rest.len());
    let bytes = BASE32_NOPAD.decode(&rest.as_bytes()[..end]).context("the certificate's text is damaged")?;
    v1::SignedVerdict::decode(&bytes[..]).context("the certificate's text is damaged")
}

fn show(certificate: &v1::Certificate, key_id: &str, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let certificate = wire_json::of("Certificate", certificate)?;
        return json_line(
            out,
            &json!({ "certificate": certificate, "signature": { "valid": true, "key_id": key_id } }),
        );
    }
    let kind = certificate.kind().as_str_name();
    writeln!(out, "{kind}  (judged for {}, rule set {})", certificate.valid_at, certificate.rule_set)?;
    if !certificate.decides.is_empty() {
        writeln!(out, "  decided by     {}", certificate.decides.join(" "))?;
    }
    writeln!(
        out,
        "  answered       {} to {}, access entry {}, log position {}",
        time(certificate.answered_at_us),
        certificate.agency,
        certificate.access_entry,
        certificate.position
    )?;
    if let Some(known_at) = certificate.known_at_us {
        writeln!(out, "  known at       {}", time(known_at))?;
    }
    writeln!(
        out,
        "  about          {} (keyed hash of the number asked for)",
        HEXLOWER.encode(&certificate.subject_ref)
    )?;
    writeln!(out, "  signature      valid, key {key_id}")?;
    writeln!(out, "  This certificate names nobody and gates no protection and no service.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use simpul_signing::{CERTIFICATE_TYPE, SigningKey};

    use super::*;

    fn made(key: &SigningKey) -> (v1::Verdict, String) {
        let row = v1::RequirementResult {
            id: "R9".into(),
            decides: true,
            reason: "Work visa: \"TOURIST\" <none>".into(),
            reason_id: "Visa kerja: tidak ada".into(),
            ..Default::default()
        };
        let verdict = v1::Verdict {
            version: 1,
            kind: v1::VerdictKind::NonProcedural as i32,
            requirements: vec![row],
            valid_at: "2025-04-01".into(),
            rule_set: "id-pmi-2025-03".into(),
            placement_ref: "p".into(),
            agency: "kbri-yangon".into(),
            ..Default::default()
        };
        let certificate = v1::Certificate {
            version: 1,
            kind: verdict.kind,
            decides: vec!["R9".into()],
            valid_at: verdict.valid_at.clone(),
            rule_set: verdict.rule_set.clone(),
            agency: verdict.agency.clone(),
            subject_ref: vec![7; 32].into(),
            verdict_digest: vec![8; 32].into(),
            ..Default::default()
        };
        let bytes = certificate.encode_to_vec();
        let signature = key.sign_dsse(CERTIFICATE_TYPE, &bytes).to_vec().into();
        let signed =
            v1::SignedVerdict { verdict: bytes.into(), signature, key_id: key.key_id().as_str().into() };
        (verdict, text(&signed))
    }

    #[test]
    fn a_page_is_checked_by_the_text_that_its_code_holds() {
        let key = SigningKey::generate();
        let (verdict, text) = made(&key);
        assert!(text.len() < 700, "{} characters", text.len());
        let page = page::html(&verdict, &text, key.key_id().as_str()).expect("fits");
        for holder in [&page, &text] {
            let certificate = trust::certificate(&signed(holder).expect("whole"), &key.verifying_key());
            assert_eq!(certificate.expect("holds").decides, ["R9"]);
        }
        assert!(page.contains("NON-PROSEDURAL") && page.contains("Non-procedural"));
        assert!(page.contains("&quot;TOURIST&quot; &lt;none&gt;"), "what comes from outside is escaped");
        assert!(page.contains("<svg"));
    }

    #[test]
    fn a_changed_letter_or_another_key_is_noticed() {
        let key = SigningKey::generate();
        let (_, text) = made(&key);
        assert!(
            trust::certificate(&signed(&text).expect("whole"), &SigningKey::generate().verifying_key())
                .is_err()
        );
        for at in [PREFIX.len() + 20, text.len() / 2, text.len() - 8] {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("letters");
            let holds = signed(&changed).and_then(|signed| trust::certificate(&signed, &key.verifying_key()));
            assert!(holds.is_err(), "{at}");
        }
        assert!(signed("no code here").is_err());
    }
}
