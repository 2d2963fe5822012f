//! Key epochs: for a time all data keys are wrapped under one epoch's key; then they are wrapped anew and that key is destroyed,
//! after which no copy of the key file that was made in it opens any more.
//!
//! The epoch's key hangs on the master key *and* on a secret of the epoch, which stands in a file of its own that no backup MUST
//! hold, and which is short:
//!
//! | line of the file | when |
//! |---|---|
//! | `simpul-epoch-key:<epoch>:<begun, Unix seconds>:<64 hex digits>` | the present epoch |
//! | the same, before it | the one before, while keys are being wrapped anew |
//!
//! Epoch 0 is that of hubs from before there were epochs; it has no secret (`-` in place of the digits), so its copies open with the
//! master key alone.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::{
    digest::random,
    seal::{WrapKey, derive, extract, hidden},
    text::{KeyError, Secret, decode_32},
};

const LABEL: &str = "simpul-epoch-key";

/// The present epoch's secret, and while keys are being wrapped anew that of the one before.
#[derive(Clone)]
pub struct EpochKeys {
    before: Option<Epoch>,
    present: Epoch,
}

#[derive(Clone)]
struct Epoch {
    number: u32,
    begun_s: i64,
    /// `None` in epoch 0.
    secret: Option<Secret>,
}

hidden!(EpochKeys);

impl EpochKeys {
    /// The first epoch of a new hub, begun at this time in Unix seconds.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn first(begun_s: i64) -> Self {
        Self { before: None, present: Epoch::fresh(1, begun_s) }
    }

    /// Those of a hub whose keys hang on the master key alone; long over.
    pub fn none() -> Self {
        Self { before: None, present: Epoch { number: 0, begun_s: 0, secret: None } }
    }

    /// Reads the text of an epoch file.
    ///
    /// # Errors
    /// [`KeyError`] where a line is not one of an epoch, or the epochs do not follow each other.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let mut epochs = text.lines().map(Epoch::from_line).collect::<Result<Vec<_>, _>>()?;
        let present = epochs.pop().ok_or(KeyError::Label { label: LABEL })?;
        let before = epochs.pop();
        let follows =
            before.as_ref().is_none_or(|before| before.number.checked_add(1) == Some(present.number));
        if follows && epochs.is_empty() {
            Ok(Self { before, present })
        } else {
            Err(KeyError::Label { label: LABEL })
        }
    }

    /// The text of an epoch file. SECRET: for a file that only its owner can read, outside every backup.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256));
        for epoch in self.before.iter().chain([&self.present]) {
            let Epoch { number, begun_s, secret } = epoch;
            let _ = write!(text, "{LABEL}:{number}:{begun_s}:");
            match secret {
                Some(secret) => HEXLOWER.encode_append(&secret[..], &mut text),
                None => text.push('-'),
            }
            text.push('\n');
        }
        text
    }

    /// Number of the present epoch.
    pub fn number(&self) -> u32 {
        self.present.number
    }

    /// When the present epoch began, Unix seconds.
    pub fn begun_s(&self) -> i64 {
        self.present.begun_s
    }

    /// Whether the epoch before is still there: not every key is known to be wrapped anew.
    pub fn is_turning(&self) -> bool {
        self.before.is_some()
    }

    /// The next epoch, with the present one as the one before. One that is being left already stays.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn turn(&self, begun_s: i64) -> Self {
        if self.is_turning() {
            return self.clone();
        }
        let present = Epoch::fresh(self.present.number.saturating_add(1), begun_s);
        Self { before: Some(self.present.clone()), present }
    }

    /// Without the epoch before: its key is gone where this is all that is kept.
    pub fn settled(&self) -> Self {
        Self { before: None, present: self.present.clone() }
    }

    /// Wraps under the present epoch, and unwraps what either wrapped. `from_master` is the master key's share, `alone` what epoch 0
    /// wraps under.
    pub(crate) fn wrap_key(&self, from_master: &Secret, alone: &WrapKey) -> WrapKey {
        let key = |epoch: &Epoch| match &epoch.secret {
            None => alone.clone(),
            Some(secret) => WrapKey::from_bytes(*derive(&extract(&from_master[..], secret), &[b"wrap"])),
        };
        let present = key(&self.present);
        match &self.before {
            None => present,
            Some(before) => present.and_before(&key(before)),
        }
    }
}

impl Epoch {
    fn fresh(number: u32, begun_s: i64) -> Self {
        Self { number, begun_s, secret: Some(Zeroizing::new(random())) }
    }

    fn from_line(line: &str) -> Result<Self, KeyError> {
        let wrong = KeyError::Label { label: LABEL };
        let mut parts = line.split(':');
        let (Some(LABEL), Some(number), Some(begun_s), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        let (number, begun_s) = (number.parse().map_err(|_| wrong)?, begun_s.parse().map_err(|_| wrong)?);
        let secret = match (number, secret) {
            (0, "-") => None,
            (0, _) => return Err(wrong),
            _ => Some(Zeroizing::new(decode_32(secret)?)),
        };
        Ok(Self { number, begun_s, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, seal::DataKey};

    const AT: i64 = 1_795_000_000;

    fn opens(wrap: &WrapKey, wrapped: &[u8]) -> bool {
        wrap.unwrap(7, wrapped).is_ok()
    }

    #[test]
    fn what_an_epoch_wrapped_opens_in_it_and_while_it_is_left_and_never_after() {
        let master = MasterKey::generate();
        let wrap = |epochs: &EpochKeys| master.clone().with_epochs(epochs.clone()).wrap_key();
        let key = DataKey::from_bytes([5; 32]);
        let zero = EpochKeys::none();
        let first = zero.turn(AT);
        let (second, other) = (first.settled().turn(AT + 9), first.settled().turn(AT + 9));
        assert_eq!((zero.number(), first.number(), second.number(), second.begun_s()), (0, 1, 2, AT + 9));
        let in_zero = wrap(&zero).wrap(7, &key);
        assert!(opens(&master.wrap_key(), &in_zero) && opens(&wrap(&first), &in_zero));
        assert!(!opens(&wrap(&first.settled()), &in_zero), "left behind");
        let in_first = wrap(&first).wrap(7, &key);
        assert!(opens(&wrap(&first.settled()), &in_first) && opens(&wrap(&second), &in_first));
        assert!(!opens(&wrap(&second.settled()), &in_first) && !opens(&master.wrap_key(), &in_first));
        let in_second = wrap(&second).wrap(7, &key);
        assert!(!opens(&wrap(&other), &in_second), "each turn has a secret of its own");
        let stranger = MasterKey::generate().with_epochs(second).wrap_key();
        assert!(!opens(&stranger, &in_second), "the file alone opens nothing");
    }

    #[test]
    fn a_turn_under_way_is_finished_and_not_begun_again() {
        let turning = EpochKeys::first(AT).turn(AT + 1);
        assert!(turning.is_turning() && !turning.settled().is_turning());
        assert_eq!(turning.turn(AT + 2).to_text(), turning.to_text());
    }

    #[test]
    fn files_are_read_again_and_others_refused() {
        for epochs in [
            EpochKeys::none(),
            EpochKeys::first(AT),
            EpochKeys::none().turn(AT),
            EpochKeys::first(AT).turn(AT),
        ] {
            assert_eq!(EpochKeys::from_text(&epochs.to_text()).unwrap().to_text(), epochs.to_text());
            assert_eq!(format!("{epochs:?}"), "EpochKeys(hidden)");
        }
        let hex = "ab".repeat(32);
        let (one, three) = (format!("{LABEL}:1:5:{hex}"), format!("{LABEL}:3:5:{hex}"));
        let master = format!("simpul-master-key:{hex}");
        for text in [
            "".to_owned(),
            master,
            format!("{one}:"),
            format!("{LABEL}:0:5:{hex}"),
            format!("{LABEL}:1:5:-"),
            format!("{LABEL}:1:x:{hex}"),
            format!("{one}\n{three}\n"),
            format!("{one}\n{one}\n"),
        ] {
            assert!(EpochKeys::from_text(&text).is_err(), "{text}");
        }
    }
}
