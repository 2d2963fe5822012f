//! A name as a source writes it, taken apart.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::rules::NameRules;

/// Words of a name that are looked at; the longest names on record have fewer.
const WORDS_MAX: usize = 8;

/// The words of a name, without titles and degrees, and those of the father where a `bin` or `binti` names him. One word is a
/// name too. Holds personal data: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name {
    words: Vec<String>,
    father: Vec<String>,
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(redacted)")
    }
}

impl Name {
    /// Takes a name apart by the built-in rules. What holds no letter is no word; a text without words is an empty name.
    pub fn of(text: &str) -> Self {
        Self::by(NameRules::builtin(), text)
    }

    /// The same by given rules.
    pub fn by(rules: &NameRules, text: &str) -> Self {
        let named = text.split(',').next().unwrap_or_default();
        let mut name = Self::default();
        let mut own = true;
        for word in plain(named).split_whitespace() {
            if rules.is_patronymic(word) && !name.words.is_empty() {
                own = false;
                continue;
            }
            if rules.is_title(word) {
                continue;
            }
            let part = if own { &mut name.words } else { &mut name.father };
            if part.len() < WORDS_MAX {
                part.push(word.to_owned());
            }
        }
        // `H` alone is somebody's name after all, where nothing else is left.
        if name.words.is_empty() {
            name.words = plain(named).split_whitespace().take(WORDS_MAX).map(str::to_owned).collect();
        }
        let several = name.words.len() > 1;
        for (n, word) in name.words.iter_mut().chain(&mut name.father).enumerate() {
            let initial = if n == 0 && several { rules.initial(word) } else { None };
            let canonical = initial.unwrap_or_else(|| rules.canonical(word));
            if canonical != word {
                *word = canonical.to_owned();
            }
        }
        name
    }

    /// Its words, in the order in which they are written.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The father's, where the name says them.
    pub fn father(&self) -> &[String] {
        &self.father
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it is one word.
    pub fn is_mononym(&self) -> bool {
        self.words.len() == 1
    }

    /// How its words sound, each once, in the order of the alphabet: who writes the words in another order means the same.
    pub fn sounds(&self) -> Vec<String> {
        let rules = NameRules::builtin();
        let mut sounds: Vec<String> = self.words.iter().map(|word| rules.sound(word)).collect();
        sounds.sort_unstable();
        sounds.dedup();
        sounds
    }
}

/// Small letters and spaces: accents are dropped, so are apostrophes inside a word; every other sign separates words.
fn plain(text: &str) -> String {
    // Nearly every name is ASCII, in which no letter has an accent.
    if text.is_ascii() {
        return words_of(text.chars());
    }
    words_of(text.nfkd().filter(|letter| !is_combining_mark(*letter)))
}

fn words_of(letters: impl Iterator<Item = char>) -> String {
    let mut out = String::with_capacity(letters.size_hint().0);
    for letter in letters {
        match letter {
            '\'' | '\u{2019}' | '`' | '\u{2bc}' => {}
            letter if letter.is_alphabetic() => out.extend(letter.to_lowercase()),
            _ => out.push(' '),
        }
    }
    out
}
