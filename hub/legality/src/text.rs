//! Fills the sentences of the rule files.

use std::fmt::Write;

use jiff::civil::Date;

use crate::book::Bilingual;

/// What a sentence speaks of.
#[derive(Clone, Copy)]
pub(crate) struct Fill<'a> {
    pub(crate) what: &'a Bilingual,
    pub(crate) day: Date,
    pub(crate) limit: Option<Limit<'a>>,
}

/// The day or number that an outcome turns on.
#[derive(Clone, Copy)]
pub(crate) enum Limit<'a> {
    Day(Date),
    Years(i16),
    Part(&'a Bilingual),
}

/// The sentence in English and Indonesian.
pub(crate) fn fill(template: &Bilingual, with: &Fill) -> (String, String) {
    (sentence(template, with, |text| &text.en), sentence(template, with, |text| &text.id))
}

fn sentence(template: &Bilingual, with: &Fill, language: fn(&Bilingual) -> &String) -> String {
    let (template, what) = (language(template), language(with.what));
    let mut out = String::with_capacity(template.len() + what.len() + 16);
    let mut rest = template.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        // Writing to a string cannot fail.
        let _ = match (name, with.limit) {
            ("what", _) => out.write_str(what),
            ("day", _) => date(&mut out, with.day),
            ("limit", Some(Limit::Day(limit))) => date(&mut out, limit),
            ("limit", Some(Limit::Part(part))) => out.write_str(language(part)),
            ("limit", Some(Limit::Years(years))) => write!(out, "{years}"),
            _ => out.write_str("?"),
        };
        rest = after;
    }
    out.push_str(rest);
    out
}

fn date(out: &mut String, date: Date) -> std::fmt::Result {
    write!(out, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}
