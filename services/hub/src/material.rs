//! Everything that is read from the files which the configuration names, before anything is opened or bound.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use prost::Message;
use simpul_audit::WitnessConfig;
use simpul_proto::v1;
use simpul_signing::{MasterKey, SigningKey};
use simpul_tlog::note::{COSIGNATURE_TYPE, NoteSigner, NoteVerifier};
use simpul_witness::Target;

use crate::{
    config::{Config, Witness, read},
    tls,
};

/// Keys, certificates and the bootstrap submission. Holds secrets: no `Debug`.
pub(crate) struct Material {
    pub(crate) log: NoteSigner,
    pub(crate) access: NoteSigner,
    pub(crate) verdict: SigningKey,
    pub(crate) producer: Option<SigningKey>,
    pub(crate) master: MasterKey,
    pub(crate) authority: [u8; 32],
    pub(crate) bootstrap: Option<v1::Submission>,
    pub(crate) tls: rustls::ServerConfig,
    pub(crate) witnesses: Vec<WitnessConfig>,
    pub(crate) tiles_tls: rustls::ServerConfig,
}

impl Material {
    /// Checks the configuration and reads what it names.
    pub(crate) fn load(config: &Config) -> anyhow::Result<Self> {
        config.check()?;
        let log = signing_key("keys.log", &config.keys.log)?;
        let access = signing_key("keys.access", &config.keys.access)?;
        let master = text("keys.master", &config.keys.master)?;
        let authority = data_encoding::HEXLOWER_PERMISSIVE.decode(config.directory.authority.as_bytes());
        let authority = authority.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bootstrap = match &config.directory.bootstrap {
            Some(path) => {
                let bytes = Bytes::from(read("directory.bootstrap", path)?);
                let submission = v1::Submission::decode(bytes);
                Some(submission.with_context(|| format!("{} is not a submission", path.display()))?)
            }
            None => None,
        };
        Ok(Self {
            log: NoteSigner::new(&config.log.origin, log.seed()).context("log.origin")?,
            access: NoteSigner::new(&config.access_origin(), access.seed()).context("log.origin")?,
            verdict: signing_key("keys.verdict", &config.keys.verdict)?,
            producer: config
                .keys
                .producer
                .as_ref()
                .map(|path| signing_key("keys.producer", path))
                .transpose()?,
            master: MasterKey::from_text(&master)
                .map_err(|error| anyhow!("keys.master: {}: {error}", config.keys.master.display()))?,
            authority: authority.context("directory.authority must be 64 hex digits")?,
            bootstrap,
            tls: tls::server_config(&config.tls)?,
            witnesses: config.publish.witnesses.iter().map(witness).collect::<Result<_, _>>()?,
            tiles_tls: tls::public_config(&config.tls)?,
        })
    }
}

fn witness(witness: &Witness) -> anyhow::Result<WitnessConfig> {
    let Witness { name, vkey, url, ca } = witness;
    ensure!(!name.is_empty(), "publish.witnesses: name must not be empty");
    let key = format!("publish.witnesses `{name}`");
    let verifier: NoteVerifier = vkey.parse().with_context(|| format!("{key}: vkey"))?;
    ensure!(
        verifier.key_type() == COSIGNATURE_TYPE,
        "{key}: vkey is no witness's; `simpul audit witness keygen` makes one of type 4"
    );
    let ca = ca.as_ref().map(|path| read(&format!("{key}: ca"), path)).transpose()?;
    let target = Target::new(url, ca.as_deref()).with_context(|| format!("{key}: url"))?;
    Ok(WitnessConfig { name: name.clone(), verifier, target })
}

fn signing_key(key: &str, path: &Path) -> anyhow::Result<SigningKey> {
    SigningKey::from_text(&text(key, path)?).map_err(|error| anyhow!("{key}: {}: {error}", path.display()))
}

/// A one-line file, without its line end.
fn text(key: &str, path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read(key, path)?);
    let text = text.map_err(|_| anyhow!("{key}: {} is not text", path.display()))?;
    Ok(text.trim_end().to_owned())
}
