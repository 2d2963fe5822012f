//! What is handed to and fro when a connector enrols: an invitation that the authority signed, and around it the request that the new key
//! signed. JSON files; no secret is in any of them.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use simpul_types::{Sender, Timestamp};

use crate::{SigningKey, VerifyingKey, sha256};

/// Payload type of an invitation.
pub const INVITE_TYPE: &str = "application/vnd.simpul.invite.v1+json";
/// Payload type of a request.
pub const REQUEST_TYPE: &str = "application/vnd.simpul.enrolment.v1+json";
/// Largest request file, bytes.
pub const REQUEST_BYTES_MAX: usize = 16_384;

/// A signed text, as a JSON file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedText {
    payload_type: String,
    /// Base64.
    payload: String,
    key_id: String,
    /// Base64; Ed25519 over the DSSE pre-authentication encoding.
    signature: String,
}

/// What the authority invites to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Reference, used once.
    pub invite: String,
    /// Agency of the connector.
    pub agency: String,
    /// Its name.
    pub connector: String,
    /// RFC 3339; the first moment at which it no longer counts.
    pub expires_at: String,
    /// gRPC address of the hub.
    pub endpoint: String,
    /// Name in the hub's certificate.
    pub server_name: String,
    /// Trust anchors of the hub's certificate, PEM.
    pub ca_pem: String,
    /// Verifier key of the log.
    pub log_verifier: Option<String>,
    /// Verifier key of the access log.
    pub access_verifier: Option<String>,
    /// Public key of verdicts, hex.
    pub verdict_key: Option<String>,
    /// Address of NATS.
    pub nats: Option<String>,
    /// HTTPS address of the hub that takes the request, for example `https://hub.example:7444`. Absent: it is handed over as a file.
    #[serde(default)]
    pub enrol_url: Option<String>,
}

/// What the agency asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// By the authority.
    pub invitation: SignedText,
    /// Ed25519, hex; it signs this.
    pub public_key: String,
    /// Certificate signing request, PEM.
    pub csr_pem: String,
}

/// A request that holds, as far as its own signature and form go; whether the authority signed its invitation is another question.
#[derive(Clone, Debug)]
pub struct EnrolmentRequest {
    /// What is asked for.
    pub application: Application,
    /// What was invited to.
    pub invitation: Invitation,
    /// Whom.
    pub sender: Sender,
    /// The key that is to be registered.
    pub public_key: VerifyingKey,
    /// First moment at which the invitation no longer counts.
    pub expires_at: Timestamp,
    /// What people read to each other over the telephone.
    pub fingerprint: String,
}

/// Why a text is no invitation or no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct EnrolmentError {
    field: &'static str,
    rule: String,
}

fn wrong(field: &'static str, rule: impl ToString) -> EnrolmentError {
    EnrolmentError { field, rule: rule.to_string() }
}

impl SignedText {
    /// Signs a payload.
    ///
    /// # Panics
    /// Where a payload cannot be JSON; those here can.
    pub fn new(payload_type: &str, payload: &impl Serialize, key: &SigningKey) -> Self {
        let payload = serde_json::to_vec(payload).expect("strings and structures are JSON");
        Self {
            payload_type: payload_type.into(),
            signature: BASE64.encode(&key.sign_dsse(payload_type, &payload)),
            key_id: key.key_id().to_string(),
            payload: BASE64.encode(&payload),
        }
    }

    /// What it says; who signed it is not looked at.
    ///
    /// # Errors
    /// Another payload type, no Base64, no JSON of that shape.
    pub fn read<T: DeserializeOwned>(&self, payload_type: &str) -> Result<T, EnrolmentError> {
        if self.payload_type != payload_type {
            return Err(wrong("payload_type", format_args!("is not {payload_type}")));
        }
        let payload =
            BASE64.decode(self.payload.as_bytes()).map_err(|_| wrong("payload", "is not Base64"))?;
        serde_json::from_slice(&payload).map_err(|error| wrong("payload", error))
    }

    /// Whether that key signed it.
    pub fn is_by(&self, key: &VerifyingKey) -> bool {
        let payload = BASE64.decode(self.payload.as_bytes());
        let (Ok(payload), Ok(signature)) = (payload, BASE64.decode(self.signature.as_bytes())) else {
            return false;
        };
        key.verify_dsse(&self.payload_type, &payload, &signature).is_ok()
    }

    /// What people read to each other over the telephone: 16 hexadecimal digits in fours.
    pub fn fingerprint(&self) -> String {
        let hex = HEXLOWER.encode(&sha256(&[self.payload.as_bytes()])[..8]);
        hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }
}

impl Invitation {
    /// Whom it invites.
    ///
    /// # Errors
    /// Names that are none.
    pub fn sender(&self) -> Result<Sender, EnrolmentError> {
        Ok(Sender {
            agency: self.agency.parse().map_err(|error| wrong("agency", error))?,
            connector: self.connector.parse().map_err(|error| wrong("connector", error))?,
        })
    }
}

impl EnrolmentRequest {
    /// Reads a request file, and checks that the key signed it that it is for.
    ///
    /// # Errors
    /// [`EnrolmentError`], naming the field.
    pub fn read(file: &[u8]) -> Result<Self, EnrolmentError> {
        if file.len() > REQUEST_BYTES_MAX {
            return Err(wrong("request", format_args!("at most {REQUEST_BYTES_MAX} bytes")));
        }
        let request: SignedText = serde_json::from_slice(file).map_err(|error| wrong("request", error))?;
        let application: Application = request.read(REQUEST_TYPE)?;
        let public_key =
            VerifyingKey::from_hex(&application.public_key).map_err(|_| wrong("public_key", "is no key"))?;
        if !request.is_by(&public_key) {
            return Err(wrong("signature", "the request is not signed by the key that it is for"));
        }
        let invitation: Invitation = application.invitation.read(INVITE_TYPE)?;
        let expires_at = invitation.expires_at.parse().map_err(|error| wrong("expires_at", error))?;
        let (sender, fingerprint) = (invitation.sender()?, request.fingerprint());
        Ok(Self { application, invitation, sender, public_key, expires_at, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            invite: "0190".into(),
            agency: "kp2mi".into(),
            connector: "sisko-2".into(),
            expires_at: "2026-12-01T00:00:00Z".into(),
            endpoint: "https://localhost:7443".into(),
            server_name: "localhost".into(),
            ca_pem: String::new(),
            log_verifier: None,
            access_verifier: None,
            verdict_key: None,
            nats: None,
            enrol_url: None,
        }
    }

    fn request(invitation: &Invitation, named: &SigningKey, signs: &SigningKey) -> Vec<u8> {
        let invitation = SignedText::new(INVITE_TYPE, invitation, &SigningKey::generate());
        let public_key = HEXLOWER.encode(&named.public_key());
        let application = Application { invitation, public_key, csr_pem: String::new() };
        serde_json::to_vec(&SignedText::new(REQUEST_TYPE, &application, signs)).unwrap()
    }

    #[test]
    fn a_request_is_signed_by_the_key_that_it_is_for() {
        let (key, other) = (SigningKey::generate(), SigningKey::generate());
        let read = EnrolmentRequest::read(&request(&invitation(), &key, &key)).unwrap();
        assert_eq!(read.sender.to_string(), "kp2mi/sisko-2");
        assert_eq!(read.public_key.as_bytes(), &key.public_key());
        assert_eq!(read.fingerprint.len(), 19);
        let forged = EnrolmentRequest::read(&request(&invitation(), &key, &other)).unwrap_err();
        assert_eq!(forged.field, "signature");
    }

    #[test]
    fn what_is_no_request_names_the_field() {
        let key = SigningKey::generate();
        let field = |invitation: &Invitation| {
            EnrolmentRequest::read(&request(invitation, &key, &key)).unwrap_err().field
        };
        assert_eq!(field(&Invitation { agency: "KP2MI".into(), ..invitation() }), "agency");
        assert_eq!(field(&Invitation { connector: String::new(), ..invitation() }), "connector");
        assert_eq!(field(&Invitation { expires_at: "tomorrow".into(), ..invitation() }), "expires_at");
        assert_eq!(EnrolmentRequest::read(b"{}").unwrap_err().field, "request");
        assert_eq!(EnrolmentRequest::read(&[b' '; REQUEST_BYTES_MAX + 1]).unwrap_err().field, "request");
    }
}
