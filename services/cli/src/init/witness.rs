//! The folder of a witness: its key, its verifier key and its configuration.
//!
//! ```text
//! DIR/witness.key  witness.vkey  witness.toml     state/ is made by the first start
//! ```

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use simpul_signing::SigningKey;
use simpul_tlog::{cosignature::CosignatureSigner, note::NoteVerifier};

use super::{InitError, configs::quoted, files::Folder};

/// What to make.
#[derive(Clone, Debug)]
pub struct WitnessOptions {
    /// Folder to make; must not hold anything yet.
    pub out: PathBuf,
    /// Name of its key, for example `witness.ombudsman.example`.
    pub name: String,
    /// Where it shall listen.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM files; `None` for plain HTTP, which the witness allows on loopback only.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Keys of the logs it shall know.
    pub logs: Vec<NoteVerifier>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct WitnessFolder {
    /// Its configuration.
    pub config: PathBuf,
    /// Its verifier key, of type 4.
    pub vkey: NoteVerifier,
}

/// Makes the folder. The key is readable by its owner only; nothing that exists is overwritten.
///
/// # Errors
/// [`InitError`].
pub fn witness(options: &WitnessOptions) -> Result<WitnessFolder, InitError> {
    let key = SigningKey::generate();
    let signer = CosignatureSigner::new(&options.name, key.seed()).map_err(|_| InitError::Value {
        what: "the witness's name",
        value: options.name.clone(),
        rule: "without white space and `+`, and not empty",
    })?;
    let vkey = signer.verifier();
    let folder = Folder::create_new(&options.out)?;
    folder.secret("witness.key", &format!("{}\n", *key.to_text()))?;
    folder.public("witness.vkey", &format!("{vkey}\n"))?;
    folder.public("witness.toml", &config(options, &vkey))?;
    Ok(WitnessFolder { config: folder.path().join("witness.toml"), vkey })
}

fn config(options: &WitnessOptions, vkey: &NoteVerifier) -> String {
    let path = |path: &Path| {
        // Made absolute without asking the disk: the files may come later.
        quoted(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy())
    };
    let transport = match &options.tls {
        Some((certificate, key)) => {
            format!("[tls]\ncertificate = {}\nkey = {}\n", path(certificate), path(key))
        }
        None => String::new(),
    };
    let logs: String =
        options.logs.iter().map(|key| format!("    {},\n", quoted(&key.to_string()))).collect();
    format!(
        "# `simpul audit witness --config witness.toml`; paths are relative to this file.\n\
         # Logs and their clients know this witness as\n#   {vkey}\n\
         name = {name}\nkey = \"witness.key\"\nstate = \"state\"\nlisten = \"{listen}\"\nplain_http = {plain}\n\n\
         # Verifier keys of the logs; a log's origin is its key's name.\nlogs = [\n{logs}]\n\n{transport}",
        name = quoted(&options.name),
        listen = options.listen,
        plain = options.tls.is_none(),
    )
}
