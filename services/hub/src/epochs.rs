//! Key epochs: data keys are wrapped anew from time to time and the key that wrapped them before is destroyed, so that a copy of the
//! data folder from before an erasure opens for one epoch and no longer (KEY-2).
//!
//! ```text
//! secret of the next epoch durable ─▶ every live key wrapped anew, both logs ─▶ KeyEpochBegun in the log ─▶ secret of the epoch
//! before overwritten and gone
//! ```
//!
//! Until the last step both secrets are there, so that a crash anywhere leaves keys that open; the next start takes it up again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use data_encoding::HEXLOWER;
use prost::Message;
use simpul_log::{LiveKeys, Reader};
use simpul_proto::hub;
use simpul_signing::{EpochKeys, MasterKey, seal::WrapKey};
use simpul_types::{Clock, ExpectedVersion, Timestamp};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    producer::{Producer, Word},
};

/// How often it is looked whether an epoch is over, at most.
const LOOK: Duration = Duration::from_secs(60);
/// After a failure.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// The epochs of one hub's keys. Holds secrets: no `Debug`.
pub(crate) struct Epochs {
    master: MasterKey,
    keys: EpochKeys,
    /// `None`: the hub has none, and its keys hang on the master key alone.
    file: Option<PathBuf>,
    every: Duration,
}

/// What turns them.
pub(crate) struct Turning {
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

/// What a turn needs beside the secrets.
pub(crate) struct Parts {
    /// The log and the access log.
    pub(crate) logs: [Reader; 2],
    pub(crate) producer: Option<Arc<Producer>>,
    pub(crate) calendar: Arc<dyn Clock>,
}

impl Epochs {
    /// Reads the epoch file; a hub without data gets its first epoch. One that has data but no file is from before there were epochs,
    /// or has lost its file: whether its keys open is seen when its log is opened.
    pub(crate) fn open(config: &Config, master: MasterKey, now: Timestamp) -> anyhow::Result<Self> {
        let every = Duration::from_secs(config.erasure.key_epoch_s);
        let Some(path) = config.keys.epochs.as_ref() else {
            return Ok(Self { master, keys: EpochKeys::none(), file: None, every });
        };
        let path = path.to_path_buf();
        // Of a write that a crash cut off.
        wipe(&unfinished(&path)).with_context(|| format!("cannot clear {}", path.display()))?;
        let keys = match fs::read_to_string(&path) {
            Ok(text) => {
                EpochKeys::from_text(&text).with_context(|| format!("{} is no epoch file", path.display()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if config.data_dir.join("log/keys").exists() {
                    EpochKeys::none()
                } else {
                    let keys = EpochKeys::first(seconds(now));
                    keep(&path, &keys)?;
                    keys
                }
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { master, keys, file: Some(path), every })
    }

    /// Wraps data keys in the present epoch.
    pub(crate) fn wrap_key(&self) -> WrapKey {
        self.master.clone().with_epochs(self.keys.clone()).wrap_key()
    }

    /// Turns them from here on. MUST be called within a tokio runtime.
    pub(crate) fn start(self, parts: Parts) -> Turning {
        let stopping = CancellationToken::new();
        Turning { task: tokio::spawn(self.run(parts, stopping.clone())), stopping }
    }

    async fn run(mut self, parts: Parts, stopping: CancellationToken) {
        let Some(file) = self.file.clone() else { return };
        let mut wait = Duration::ZERO;
        // One that never ends may have been met in the middle of a turn, which is finished.
        while !self.every.is_zero() || self.keys.is_turning() {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = if self.every.is_zero() { TRY_AGAIN } else { LOOK.min(self.every) };
            let now = seconds(parts.calendar.now());
            if !self.keys.is_turning() && !self.is_over(now) {
                continue;
            }
            match self.turn(&parts, &file, now).await {
                Ok(()) => tracing::info!(
                    epoch = self.keys.number(),
                    "a key epoch has begun; backups with keys from before it open no more: make one now"
                ),
                Err(_) if stopping.is_cancelled() => return,
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "the key epoch could not be turned; it is tried again");
                    wait = TRY_AGAIN;
                }
            }
        }
    }

    /// A clock that was ahead when the epoch began ends it too.
    fn is_over(&self, now_s: i64) -> bool {
        !self.every.is_zero() && now_s.abs_diff(self.keys.begun_s()) >= self.every.as_secs()
    }

    async fn turn(&mut self, parts: &Parts, file: &Path, now_s: i64) -> anyhow::Result<()> {
        let turning = self.keys.turn(now_s);
        keep(file, &turning)?;
        self.keys = turning;
        let (wrap, logs) = (self.wrap_key(), parts.logs.clone());
        let rewrapping = tokio::task::spawn_blocking(move || {
            let log = logs[0].rewrap_keys(wrap.clone()).context("the log's keys")?;
            let access = logs[1].rewrap_keys(wrap).context("the access log's keys")?;
            anyhow::Ok((log, access))
        });
        let (log, access) = rewrapping.await??;
        if let Some(producer) = &parts.producer {
            let begun = hub::KeyEpochBegun {
                epoch: self.keys.number(),
                log: Some(to_wire(&log)),
                access: Some(to_wire(&access)),
            };
            let word = Word {
                event_type: "simpul.hub.v1.KeyEpochBegun",
                stream: simpul_audit::verify::EPOCHS.parse().context("a stream's name")?,
                expected: ExpectedVersion::Any,
                purpose: "OVERSIGHT",
                payload: begun.encode_to_vec(),
            };
            producer.say(word).await.context("recording it")?;
        }
        let settled = self.keys.settled();
        keep(file, &settled)?;
        self.keys = settled;
        for log in &parts.logs {
            log.settle_keys(self.wrap_key());
        }
        Ok(())
    }
}

impl Turning {
    /// What is being wrapped is finished first.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        let _ = self.task.await;
    }
}

fn to_wire(keys: &LiveKeys) -> hub::LiveKeys {
    let LiveKeys { slots, live, erased_until, root } = *keys;
    hub::LiveKeys { slots, live, erased_until, root: HEXLOWER.encode(&root) }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_us().div_euclid(1_000_000)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Replaces the file whole and overwrites what it was.
fn keep(path: &Path, keys: &EpochKeys) -> anyhow::Result<()> {
    let fresh = unfinished(path);
    let replaced = || {
        let old = match OpenOptions::new().write(true).open(path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(keys.to_text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        if let Some(folder) = path.parent() {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()?;
        }
        old.map_or(Ok(()), |old| overwrite(&old))
    };
    let outcome = replaced();
    if outcome.is_err() {
        let _ = wipe(&fresh);
    }
    outcome.with_context(|| format!("cannot write {}", path.display()))
}

fn overwrite(mut file: &File) -> io::Result<()> {
    let zeros = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or_default()];
    file.write_all(&zeros)?;
    file.sync_all()
}

/// Overwrites and removes a file, if it is there.
fn wipe(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => {
            overwrite(&file)?;
            fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_file_is_replaced_whole_and_what_it_was_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochs.key");
        let first = EpochKeys::first(1);
        keep(&path, &first).unwrap();
        let witness = dir.path().join("a-second-name");
        fs::hard_link(&path, &witness).unwrap();
        keep(&path, &first.turn(2)).unwrap();
        let kept = EpochKeys::from_text(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(kept.is_turning() && kept.number() == 2);
        assert!(fs::read(&witness).unwrap().iter().all(|byte| *byte == 0), "the old bytes are gone");
        assert!(!unfinished(&path).exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_epoch_is_over_after_its_time_whichever_way_the_clock_went() {
        let epochs = |begun_s, every| Epochs {
            master: MasterKey::generate(),
            keys: EpochKeys::first(begun_s),
            file: None,
            every: Duration::from_secs(every),
        };
        assert!(!epochs(1_000, 60).is_over(1_059) && epochs(1_000, 60).is_over(1_060));
        assert!(epochs(9_000, 60).is_over(1_000), "begun by a clock that was ahead");
        assert!(!epochs(0, 0).is_over(i64::MAX), "never");
    }
}
