//! Strict configuration files: TOML, unknown keys refused, every error with file, line and key.
//!
//! ```text
//! hub.toml:7: listen.grcp: unknown key
//! hub.toml:12: log.segment_bytes: invalid type: string "64M", expected u64
//! ```
//!
//! A path in a configuration file is relative to that file, wherever the process was started: declare it as
//! [`ConfigPath`] and it is absolute or joined to the file's folder once it is loaded.

use std::{
    cell::RefCell,
    fmt, fs, io,
    ops::{Deref, Range},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use toml::de::{DeTable, DeValue};

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file does not say what it must.
    #[error("{}:{line}: {}{message}", file.display(), Prefix(key))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Dotted key, for example `listen.grpc`; empty where the fault lies outside any key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// Loads a configuration file. Unknown keys are refused at every depth, whether or not `T` says so itself.
///
/// # Errors
/// [`ConfigError`], naming file, line and key.
pub fn load_config<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let text =
        fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
    parse_config(&text, file)
}

/// Reads configuration text that stands (or would stand) in `file`.
///
/// # Errors
/// [`ConfigError::Invalid`].
pub fn parse_config<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, ConfigError> {
    let invalid = |span: Option<Range<usize>>, key: Option<String>, message: &str| {
        let offset = span.map_or(0, |span| span.start);
        ConfigError::Invalid {
            file: file.to_owned(),
            line: text.get(..offset).unwrap_or(text).matches('\n').count() + 1,
            key: key.unwrap_or_else(|| key_at(text, offset)),
            message: message.trim_end().replace('\n', ", "),
        }
    };
    let from_toml = |error: toml::de::Error| invalid(error.span(), None, error.message());

    let deserializer = toml::Deserializer::parse(text).map_err(from_toml)?;
    let mut unknown: Option<Vec<String>> = None;
    let config = {
        let _base = Base::enter(file.parent().unwrap_or(Path::new("")));
        serde_ignored::deserialize(deserializer, |path| {
            unknown.get_or_insert_with(|| segments(&path));
        })
        .map_err(from_toml)?
    };
    match unknown {
        Some(path) => Err(invalid(span_of(text, &path), Some(path.join(".")), "unknown key")),
        None => Ok(config),
    }
}

/// Map keys and array indexes from the root down to `path`.
fn segments(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path as P;
    match path {
        P::Root => Vec::new(),
        P::Seq { parent, index } => [segments(parent), vec![index.to_string()]].concat(),
        P::Map { parent, key } => [segments(parent), vec![key.clone()]].concat(),
        P::Some { parent } | P::NewtypeStruct { parent } | P::NewtypeVariant { parent } => segments(parent),
    }
}

/// Where the key at `path` stands.
fn span_of(text: &str, path: &[String]) -> Option<Range<usize>> {
    let mut found = None;
    walk(text, &mut |keys, key_span, _| {
        if found.is_none() && keys == path {
            found = Some(key_span);
        }
    });
    found
}

/// The deepest dotted key whose key or value covers `offset`; empty where none does.
fn key_at(text: &str, offset: usize) -> String {
    let mut found = String::new();
    walk(text, &mut |keys, key_span, value_span| {
        if key_span.contains(&offset) || value_span.contains(&offset) {
            found = keys.join(".");
        }
    });
    found
}

/// Called with a key's segments, its span and the span of its value.
type Visit<'a> = dyn FnMut(&[String], Range<usize>, Range<usize>) + 'a;

/// Visits every key with the spans of key and value, outer ones first. Nothing where the text is not TOML.
fn walk(text: &str, visit: &mut Visit<'_>) {
    if let Ok(document) = DeTable::parse(text) {
        walk_table(document.get_ref(), &mut Vec::new(), visit);
    }
}

fn walk_table(table: &DeTable<'_>, keys: &mut Vec<String>, visit: &mut Visit<'_>) {
    for (key, value) in table {
        keys.push(key.get_ref().to_string());
        visit(keys, key.span(), value.span());
        walk_value(value.get_ref(), keys, visit);
        keys.pop();
    }
}

fn walk_value(value: &DeValue<'_>, keys: &mut Vec<String>, visit: &mut Visit<'_>) {
    match value {
        DeValue::Table(table) => walk_table(table, keys, visit),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                keys.push(index.to_string());
                visit(keys, item.span(), item.span());
                walk_value(item.get_ref(), keys, visit);
                keys.pop();
            }
        }
        _ => {}
    }
}

/// A path in a configuration file: joined to the folder of the file that names it, unless it is absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigPath(PathBuf);

impl ConfigPath {
    /// The path, owned.
    pub fn into_path_buf(self) -> PathBuf {
        self.0
    }
}

impl From<PathBuf> for ConfigPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl From<ConfigPath> for PathBuf {
    fn from(path: ConfigPath) -> Self {
        path.0
    }
}

impl Deref for ConfigPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for ConfigPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ConfigPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok(Self(BASE.with_borrow(|base| base.join(path))))
    }
}

thread_local! {
    /// Folder of the file that is being read on this thread. serde has no way to hand a context down to a field.
    static BASE: RefCell<PathBuf> = const { RefCell::new(PathBuf::new()) };
}

/// Sets [`BASE`] as long as it lives, also when reading panics.
struct Base(PathBuf);

impl Base {
    fn enter(folder: &Path) -> Self {
        Self(BASE.replace(folder.to_owned()))
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        BASE.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Config {
        data_dir: ConfigPath,
        listen: Listen,
        #[serde(default)]
        peers: Vec<Peer>,
        nats: Option<Peer>,
    }

    #[derive(Debug, Deserialize)]
    struct Listen {
        grpc: String,
        #[serde(default)]
        backlog: u16,
    }

    #[derive(Debug, Deserialize)]
    struct Peer {
        url: String,
    }

    fn refused(text: &str) -> String {
        parse_config::<Config>(text, Path::new("conf/hub.toml")).expect_err("refused").to_string()
    }

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let text =
            "data_dir = \"data\"\n[listen]\ngrpc = \"a\"\n[[peers]]\nurl = \"u\"\n[nats]\nurl = \"n\"\n";
        let config: Config = parse_config(text, Path::new("conf/hub.toml")).expect("valid");
        assert_eq!(&*config.data_dir, Path::new("conf/data"));
        assert_eq!((config.listen.grpc.as_str(), config.listen.backlog), ("a", 0));
        assert_eq!(config.peers[0].url, "u");
        assert_eq!(config.nats.expect("there").url, "n");

        let absolute: Config =
            parse_config(&text.replace("\"data\"", "\"/var/data\""), Path::new("conf/hub.toml"))
                .expect("valid");
        assert_eq!(&*absolute.data_dir, Path::new("/var/data"));
    }

    #[test]
    fn every_fault_names_file_line_and_key() {
        let unknown = "data_dir = \"d\"\n[listen]\ngrpc = \"a\"\ngrcp = \"b\"\n";
        assert_eq!(refused(unknown), "conf/hub.toml:4: listen.grcp: unknown key");
        let unknown_table = "data_dir = \"d\"\n[listen]\ngrpc = \"a\"\n\n[lisen]\nx = 1\n";
        assert_eq!(refused(unknown_table), "conf/hub.toml:5: lisen: unknown key");
        let in_array = "data_dir = \"d\"\n[listen]\ngrpc = \"a\"\n[[peers]]\nurl = \"u\"\n[[peers]]\nurl = \"u\"\nx = 1\n";
        assert_eq!(refused(in_array), "conf/hub.toml:8: peers.1.x: unknown key");
        let in_option = "data_dir = \"d\"\n[listen]\ngrpc = \"a\"\n[nats]\nurl = \"u\"\ntls = true\n";
        assert_eq!(refused(in_option), "conf/hub.toml:6: nats.tls: unknown key");

        let wrong_type = refused("data_dir = \"d\"\n[listen]\ngrpc = \"a\"\nbacklog = \"64\"\n");
        assert!(wrong_type.starts_with("conf/hub.toml:4: listen.backlog: invalid type"), "{wrong_type}");
        let missing = refused("data_dir = \"d\"\n[listen]\nbacklog = 64\n");
        assert!(missing.starts_with("conf/hub.toml:2: listen: missing field `grpc`"), "{missing}");
        let syntax = refused("data_dir = \"d\"\n[listen\n");
        assert!(syntax.starts_with("conf/hub.toml:2: "), "{syntax}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load_config::<Config>(Path::new("no/such.toml")).expect_err("refused");
        assert_eq!(error.to_string(), "no/such.toml: cannot be read");
    }
}
