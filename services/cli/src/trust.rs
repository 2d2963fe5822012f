//! Checking what the hub says against keys that the caller already holds.

use std::path::Path;

use anyhow::{Context, bail};
use data_encoding::BASE64;
use prost::Message;
use serde::{Deserialize, Serialize};
use simpul_proto::v1;
use simpul_signing::{CERTIFICATE_TYPE, VERDICT_TYPE, VerifyingKey};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
};

/// A verdict whose signature holds.
pub struct CheckedVerdict {
    pub verdict: v1::Verdict,
    pub key_id: String,
    /// The checkpoint it carries; `None` where no log key was at hand to check it.
    pub checkpoint: Option<Checkpoint>,
}

/// Checks a signed verdict: the signature under the verdict key, the checkpoint under the log's key, and that the one
/// covers what the other says.
///
/// # Errors
/// The first thing that does not hold.
pub fn verdict(
    signed: &v1::SignedVerdict,
    key: &VerifyingKey,
    log: Option<&NoteVerifier>,
) -> anyhow::Result<CheckedVerdict> {
    if signed.key_id != key.key_id().as_str() {
        bail!("the verdict is signed with key {}, the trusted one is {}", signed.key_id, key.key_id());
    }
    if key.verify_dsse(VERDICT_TYPE, &signed.verdict, &signed.signature).is_err() {
        bail!("the verdict's signature does not hold under key {}", key.key_id());
    }
    let verdict =
        v1::Verdict::decode(signed.verdict.clone()).context("the signed bytes are not a verdict")?;
    if verdict.version != 1 {
        bail!("the verdict has version {}, this tool knows 1", verdict.version);
    }
    let checkpoint = log.map(|log| checkpoint::open(&verdict.checkpoint, log)).transpose();
    let checkpoint = checkpoint.context("the verdict's checkpoint does not hold under the log's key")?;
    Ok(CheckedVerdict { verdict, key_id: signed.key_id.clone(), checkpoint })
}

/// Checks a signed certificate.
///
/// # Errors
/// The first thing that does not hold.
pub fn certificate(signed: &v1::SignedVerdict, key: &VerifyingKey) -> anyhow::Result<v1::Certificate> {
    if signed.key_id != key.key_id().as_str() {
        bail!("the certificate is signed with key {}, the trusted one is {}", signed.key_id, key.key_id());
    }
    if key.verify_dsse(CERTIFICATE_TYPE, &signed.verdict, &signed.signature).is_err() {
        bail!("the certificate's signature does not hold under key {}", key.key_id());
    }
    let certificate =
        v1::Certificate::decode(signed.verdict.clone()).context("the signed bytes are not a certificate")?;
    if certificate.version != 1 {
        bail!("the certificate has version {}, this tool knows 1", certificate.version);
    }
    Ok(certificate)
}

/// A public key given as 64 hex digits or as a file that holds them.
///
/// # Errors
/// Where it is neither.
pub fn verdict_key(text: &str) -> anyhow::Result<VerifyingKey> {
    let text =
        text_or_file(text, |text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    VerifyingKey::from_hex(text.trim()).ok().context("the verdict key is not 64 hex digits of an Ed25519 key")
}

/// A verifier key (`name+id+key`) given as such or as a file that holds it.
///
/// # Errors
/// Where it is neither.
pub fn log_key(text: &str) -> anyhow::Result<NoteVerifier> {
    let text = text_or_file(text, |text| text.contains('+'))?;
    text.trim().parse::<NoteVerifier>().ok().context("the log's key is not a verifier key `name+id+key`")
}

fn text_or_file(text: &str, is_value: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    match Path::new(text) {
        path if path.is_file() => std::fs::read_to_string(path).with_context(|| format!("reading {text}")),
        _ if is_value(text) => Ok(text.into()),
        _ => bail!("{text} is neither a key nor a file that holds one"),
    }
}

/// A signed verdict on disk: the JSON envelope of DSSE.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

impl Envelope {
    pub fn new(signed: &v1::SignedVerdict) -> Self {
        Self {
            payload_type: VERDICT_TYPE.into(),
            payload: BASE64.encode(&signed.verdict),
            signatures: vec![EnvelopeSignature {
                keyid: signed.key_id.clone(),
                sig: BASE64.encode(&signed.signature),
            }],
        }
    }

    /// Back to the wire form; nothing is checked but the form.
    ///
    /// # Errors
    /// Where it is not the envelope of a verdict.
    pub fn signed(&self) -> anyhow::Result<v1::SignedVerdict> {
        if self.payload_type != VERDICT_TYPE {
            bail!("the envelope holds {:?}, not a verdict", self.payload_type);
        }
        let [signature] = self.signatures.as_slice() else {
            bail!("the envelope has {} signatures, a verdict has one", self.signatures.len());
        };
        Ok(v1::SignedVerdict {
            verdict: BASE64.decode(self.payload.as_bytes()).context("payload is not base64")?.into(),
            signature: BASE64.decode(signature.sig.as_bytes()).context("sig is not base64")?.into(),
            key_id: signature.keyid.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use simpul_signing::SigningKey;
    use simpul_tlog::note::NoteSigner;

    use super::*;

    fn signer(seed: [u8; 32]) -> NoteSigner {
        NoteSigner::new("simpul.example/test", &seed).expect("a valid name")
    }

    fn signed(key: &SigningKey, log: &NoteSigner) -> v1::SignedVerdict {
        let checkpoint = Checkpoint { origin: log.name().into(), size: 3, root: [7; 32] }.sign(log);
        let verdict = v1::Verdict { version: 1, checkpoint, ..Default::default() }.encode_to_vec();
        v1::SignedVerdict {
            signature: key.sign_dsse(VERDICT_TYPE, &verdict).to_vec().into(),
            verdict: verdict.into(),
            key_id: key.key_id().as_str().into(),
        }
    }

    #[test]
    fn a_verdict_makes_the_round_trip_through_its_file() {
        let (key, log) = (SigningKey::generate(), signer([1; 32]));
        let text = serde_json::to_string(&Envelope::new(&signed(&key, &log))).expect("plain strings");
        let envelope: Envelope = serde_json::from_str(&text).expect("as written");
        let checked =
            verdict(&envelope.signed().expect("as written"), &key.verifying_key(), Some(&log.verifier()))
                .expect("both signatures hold");
        assert_eq!(checked.checkpoint.map(|checkpoint| checkpoint.size), Some(3));
    }

    #[test]
    fn a_changed_byte_or_another_key_is_noticed() {
        let (key, log) = (SigningKey::generate(), signer([1; 32]));
        let right = signed(&key, &log);
        let other = signer([2; 32]).verifier();
        assert!(verdict(&right, &SigningKey::generate().verifying_key(), None).is_err());
        assert!(verdict(&right, &key.verifying_key(), Some(&other)).is_err());
        let mut changed = right;
        let mut bytes = changed.verdict.to_vec();
        bytes[1] ^= 1;
        changed.verdict = bytes.into();
        assert!(verdict(&changed, &key.verifying_key(), None).is_err());
    }
}
