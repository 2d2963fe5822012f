//! The hub's master key and what is derived from it.
//!
//! | derived | HKDF-SHA256 with salt `simpul/v1/master-key`, input the 32-byte master key, info |
//! |---|---|
//! | [`WrapKey`] without epochs | `wrap` |
//! | [`WrapKey`] of an epoch | `epoch`, then HKDF-SHA256 with this as salt, input the epoch's secret, info `wrap` |
//! | [`IndexKey`] | `index` |
//! | [`StateSealer`] | `state/` ‖ label |

use ring::hmac;
use simpul_types::Digest;
use zeroize::Zeroizing;

use crate::{
    EpochKeys, StateSealer,
    digest::random,
    seal::{WrapKey, derive, extract, hidden},
    text::{self, KeyError, Secret},
};

const LABEL: &str = "simpul-master-key";

/// 32 secret bytes that stand outside every backup; all keys at rest hang on them.
///
/// | file | one line, `simpul-master-key:` and 32 bytes in lower-case hex |
/// |---|---|
#[derive(Clone)]
pub struct MasterKey {
    secret: Secret,
    epochs: Option<EpochKeys>,
}

/// Turns identifiers into look-up keys that say nothing without it (PII-1). Cheap to clone.
#[derive(Clone)]
pub struct IndexKey(hmac::Key);

hidden!(MasterKey, IndexKey);

impl MasterKey {
    /// A fresh key.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn generate() -> Self {
        Self { secret: Zeroizing::new(random()), epochs: None }
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`KeyError`] where it is another kind of key or no key.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        Ok(Self { secret: text::parse(LABEL, text)?, epochs: None })
    }

    /// The text of a key file. SECRET: for a file that only its owner can read.
    pub fn to_text(&self) -> Zeroizing<String> {
        text::render(LABEL, &self.secret)
    }

    /// With the epochs that its data keys are wrapped in.
    #[must_use]
    pub fn with_epochs(self, epochs: EpochKeys) -> Self {
        Self { epochs: Some(epochs), ..self }
    }

    /// The key that wraps data keys.
    pub fn wrap_key(&self) -> WrapKey {
        let alone = WrapKey::from_bytes(*self.derive(&[b"wrap"]));
        match &self.epochs {
            None => alone,
            Some(epochs) => epochs.wrap_key(&self.derive(&[b"epoch"]), &alone),
        }
    }

    /// The key of blind look-ups.
    pub fn index_key(&self) -> IndexKey {
        IndexKey::from_bytes(&self.derive(&[b"index"]))
    }

    /// The sealer of one store of derived values, for example `read-models`; each label is a key of its own.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn state_key(&self, label: &str) -> StateSealer {
        StateSealer::new(&self.derive(&[b"state/", label.as_bytes()]))
    }

    fn derive(&self, info: &[&[u8]]) -> Secret {
        derive(&extract(b"simpul/v1/master-key", &self.secret), info)
    }
}

impl IndexKey {
    /// From its bytes; the caller zeroes its own copy.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA256(key, field ‖ 0x00 ‖ value). A field is a name of ours and holds no zero byte. Equal values of one
    /// field stay equal, so the result is a look-up key for erasable read models, never part of a leaf or a header.
    pub fn blind(&self, field: &str, value: &str) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [field.as_bytes(), &[0], value.as_bytes()] {
            context.update(part);
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}
