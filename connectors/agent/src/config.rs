//! The agent's configuration. Everything is checked before a port, a file or the spool is opened.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Deserialize;
use simpul_connector::{ClientConfig, ClientFile, Mapping, SpoolConfig};

/// The file as it is written. Relative paths are relative to its folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `client.toml` of this connector.
    client: PathBuf,
    /// Overrides the endpoint of `client`.
    endpoint: Option<String>,
    /// Folder of the spool.
    spool_dir: PathBuf,
    /// Events that may wait in it.
    #[serde(default = "spool_events_max")]
    spool_events_max: u64,
    /// Folder of what was set aside.
    quarantine_dir: PathBuf,
    /// Where counts are written, JSON; absent: nowhere.
    status_file: Option<PathBuf>,
    #[serde(default = "log_filter")]
    pub log_filter: String,
    #[serde(default)]
    pub log_format: LogFormat,
    #[serde(default)]
    source: Vec<SourceConfig>,
}

fn spool_events_max() -> u64 {
    100_000
}

fn log_filter() -> String {
    "info,sled=warn,pagecache=warn".into()
}

/// How log lines look.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum SourceConfig {
    FileDrop(simpul_file_drop::Config),
    HttpIntake(simpul_http_intake::Config),
    FormFolder(simpul_form_folder::Config),
}

/// A checked configuration.
pub(crate) struct Plan {
    pub client: ClientConfig,
    pub spool: SpoolConfig,
    pub quarantine_dir: PathBuf,
    pub status_file: Option<PathBuf>,
    pub sources: Vec<Source>,
}

/// A source with its mapping.
pub(crate) enum Source {
    FileDrop(simpul_file_drop::Config, Mapping),
    HttpIntake(simpul_http_intake::Config, Mapping),
    FormFolder(simpul_form_folder::Config, Mapping),
}

impl Config {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let from_folder = |path: &mut PathBuf| *path = folder.join(&*path);
        from_folder(&mut config.client);
        from_folder(&mut config.spool_dir);
        from_folder(&mut config.quarantine_dir);
        config.status_file.iter_mut().for_each(from_folder);
        for source in &mut config.source {
            match source {
                SourceConfig::FileDrop(config) => {
                    from_folder(&mut config.folder);
                    from_folder(&mut config.mapping);
                }
                SourceConfig::HttpIntake(config) => {
                    from_folder(&mut config.token_file);
                    from_folder(&mut config.mapping);
                }
                SourceConfig::FormFolder(config) => {
                    from_folder(&mut config.folder);
                    from_folder(&mut config.mapping);
                }
            }
        }
        Ok(config)
    }

    /// Reads what it refers to, and checks that the parts fit each other.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let mut client = ClientFile::load(&self.client).context("client")?.hub;
        if let Some(endpoint) = &self.endpoint {
            client.endpoint.clone_from(endpoint);
            client.check().context("endpoint")?;
        }
        if self.spool_events_max == 0 {
            bail!("spool_events_max must be at least 1");
        }
        if self.source.is_empty() {
            bail!("at least one [[source]] is needed");
        }
        let mut sources = Vec::with_capacity(self.source.len());
        for source in &self.source {
            sources.push(match source {
                SourceConfig::FileDrop(config) => Source::FileDrop(config.clone(), mapping(&config.mapping)?),
                SourceConfig::HttpIntake(config) => {
                    Source::HttpIntake(config.clone(), mapping(&config.mapping)?)
                }
                SourceConfig::FormFolder(config) => {
                    Source::FormFolder(config.clone(), mapping(&config.mapping)?)
                }
            });
        }
        Ok(Plan {
            client,
            spool: SpoolConfig { dir: self.spool_dir.clone(), events_max: self.spool_events_max },
            quarantine_dir: self.quarantine_dir.clone(),
            status_file: self.status_file.clone(),
            sources,
        })
    }
}

fn mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Mapping::parse(&text).with_context(|| format!("mapping {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("agent.toml");
        fs::write(&path, text).expect("written");
        Config::load(&path).map_err(|error| format!("{error:#}"))
    }

    const HEAD: &str = "client = 'client.toml'\nspool_dir = 'spool'\nquarantine_dir = 'quarantine'\n";

    #[test]
    fn sources_are_told_apart_by_kind() {
        let text = format!(
            "{HEAD}[[source]]\nkind = 'file-drop'\nfolder = 'in'\nmapping = 'm.toml'\n\
             [[source]]\nkind = 'http-intake'\nlisten = '127.0.0.1:0'\ntoken_file = 't'\nmapping = 'm.toml'\n\
             [[source]]\nkind = 'form-folder'\nfolder = 'in'\nmapping = 'm.toml'\nprefix = 'intake-'\n"
        );
        let config = load(&text).expect("valid");
        assert_eq!(config.source.len(), 3);
        assert!(matches!(&config.source[2], SourceConfig::FormFolder(form) if form.prefix == "intake-"));
    }

    #[test]
    fn unknown_keys_are_refused_and_named() {
        let error = load(&format!("{HEAD}spol = 1\n")).err().expect("refused");
        assert!(error.contains("spol"), "{error}");
        let text = format!("{HEAD}[[source]]\nkind = 'file-drop'\nfolder = 'i'\nmapping = 'm'\nfold = 1\n");
        let error = load(&text).err().expect("refused");
        assert!(error.contains("fold"), "{error}");
    }
}
