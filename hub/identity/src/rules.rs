//! What is known of how names are written: `names.toml`.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use serde::Deserialize;

static BUILTIN: LazyLock<NameRules> = LazyLock::new(|| {
    NameRules::read(include_str!("../names.toml")).expect("a test reads the rules beside this crate")
});

/// The rules, ready to be asked.
pub struct NameRules {
    version: String,
    patronymics: HashSet<String>,
    titles: HashSet<String>,
    same: HashMap<String, String>,
    initials: HashMap<String, String>,
    sounds: Vec<Sound>,
}

/// Why a rules file is none.
#[derive(Debug, thiserror::Error)]
#[error("names file: {0}")]
pub struct RulesError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    patronymics: Vec<String>,
    titles: Vec<String>,
    same: Vec<Same>,
    initial: Vec<Initial>,
    sound: Vec<Sound>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Same {
    word: String,
    written: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Initial {
    letter: String,
    word: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sound {
    written: String,
    read: String,
    /// The letters of `written`: a word that lacks one of them is not searched for it.
    #[serde(skip)]
    letters: u32,
}

/// Which letters a text has: a bit each for `a` to `z`, one for everything else.
fn letters(text: &str) -> u32 {
    text.bytes().fold(0, |set, byte| set | 1 << if byte.is_ascii_lowercase() { byte - b'a' } else { 26 })
}

impl NameRules {
    /// The rules that ship with the hub.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Rules from a file's text.
    ///
    /// # Errors
    /// [`RulesError`] with line and field, or the word that stands for two.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text).map_err(|error| RulesError(error.to_string()))?;
        let mut same = HashMap::new();
        for entry in file.same {
            for written in entry.written {
                if let Some(other) = same.insert(written.clone(), entry.word.clone()) {
                    return Err(RulesError(format!(
                        "`{written}` is read as `{other}` and as `{}`",
                        entry.word
                    )));
                }
            }
        }
        Ok(Self {
            version: file.version,
            patronymics: file.patronymics.into_iter().collect(),
            titles: file.titles.into_iter().collect(),
            same,
            initials: file.initial.into_iter().map(|one| (one.letter, one.word)).collect(),
            sounds: file
                .sound
                .into_iter()
                .map(|one| Sound { letters: letters(&one.written), ..one })
                .collect(),
        })
    }

    /// Version of the rules; keys made under another version find nothing.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn is_patronymic(&self, word: &str) -> bool {
        self.patronymics.contains(word)
    }

    pub(crate) fn is_title(&self, word: &str) -> bool {
        self.titles.contains(word)
    }

    /// The word that this one is a way to write of.
    pub(crate) fn canonical<'a>(&'a self, word: &'a str) -> &'a str {
        self.same.get(word).map_or(word, String::as_str)
    }

    /// The word that a lone letter in front stands for.
    pub(crate) fn initial(&self, letter: &str) -> Option<&str> {
        self.initials.get(letter).map(String::as_str)
    }

    /// A word as it is read: old spelling and exchanged letters made one.
    pub(crate) fn spoken(&self, word: &str) -> String {
        let mut read = word.to_owned();
        let mut has = letters(&read);
        for sound in &self.sounds {
            if sound.letters & !has == 0 && read.contains(sound.written.as_str()) {
                read = read.replace(sound.written.as_str(), &sound.read);
                has = letters(&read);
            }
        }
        read
    }

    /// How a word sounds, roughly: spellings that are read alike give one text. The first letter stays; behind it vowels,
    /// `h` and `j` go (old spelling writes `j` for `y`: Noerhajati), and of a letter said twice one stays.
    pub(crate) fn sound(&self, word: &str) -> String {
        let read = self.spoken(word);
        let mut out = String::with_capacity(read.len());
        for (n, letter) in read.chars().enumerate() {
            let silent = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'h' | 'j');
            if n > 0 && (silent || out.ends_with(letter)) {
                continue;
            }
            out.push(letter);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_sound_alike() {
        let rules = NameRules::builtin();
        for (one, other) in [
            ("suparno", "soeparno"),
            ("rahmawati", "rachmawati"),
            ("yusuf", "yusup"),
            ("zainal", "saenal"),
            ("cahyo", "tjahjo"),
            ("aminah", "aminnah"),
            ("syamsul", "samsul"),
            ("khairul", "chairul"),
        ] {
            assert_eq!(rules.sound(one), rules.sound(other), "{one} {other}");
        }
        assert_ne!(rules.sound("suparno"), rules.sound("suparmi"));
    }

    #[test]
    fn a_word_that_stands_for_two_is_refused() {
        let text = "version='1'\npatronymics=[]\ntitles=[]\ninitial=[]\nsound=[]\n[[same]]\nword='a'\nwritten=['x']\n[[same]]\nword='b'\nwritten=['x']\n";
        assert!(NameRules::read(text).is_err_and(|error| error.to_string().contains('x')));
    }
}
