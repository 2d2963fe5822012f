//! The rule book that a directory names: the law as it is applied, from a position on.

use std::sync::{Arc, LazyLock};

use simpul_legality::RuleBook;

use crate::directory::sha256;

static BUILT_IN: LazyLock<Rules> = LazyLock::new(|| Rules {
    book: Arc::new(RuleBook::builtin()),
    version: "built-in".into(),
    digest: sha256(RuleBook::builtin_text().as_bytes()),
});

/// A rule book, and what tells it from others.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What placements are judged by.
    pub book: Arc<RuleBook>,
    /// For people.
    pub version: Arc<str>,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
}

impl Rules {
    /// Those of this build.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// Those of a declared text.
    pub(crate) fn declared(toml: &str, version: &str) -> Result<Self, String> {
        let book = RuleBook::from_toml(toml).map_err(|error| {
            // TOML's error tells line and column on several lines; one is enough here.
            let mut text = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                text = format!("{text}: {}", source.to_string().lines().collect::<Vec<_>>().join(" "));
            }
            text
        })?;
        Ok(Self { book: Arc::new(book), version: version.into(), digest: sha256(toml.as_bytes()) })
    }
}
