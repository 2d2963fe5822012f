//! Naming a person on the command line.

use std::io::Read;

use anyhow::Context;
use clap::Args;
use simpul_proto::v1::check_request::Subject;

/// Exactly one way to name the person. `-` reads the value from stdin and keeps it out of the list of processes.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct SubjectArgs {
    /// NIK, 16 digits; `-` reads it from stdin
    #[arg(long)]
    nik: Option<String>,

    /// Passport number as printed; `-` reads it from stdin
    #[arg(long)]
    passport: Option<String>,

    /// Machine readable zone, two lines of 44 (a newline, a slash or nothing between them); `-` reads it from stdin
    #[arg(long, value_name = "LINES", allow_hyphen_values = true)]
    mrz: Option<String>,

    /// Number of the migrant worker's card; `-` reads it from stdin
    #[arg(long)]
    card: Option<String>,

    /// Reference of a person, as `simpul person find` shows it
    #[arg(long, value_name = "REF")]
    person: Option<String>,
}

impl SubjectArgs {
    /// The person, as a query names it.
    ///
    /// # Errors
    /// Where stdin cannot be read.
    pub fn read(self) -> anyhow::Result<Subject> {
        let Self { nik, passport, mrz, card, person } = self;
        Ok(if let Some(nik) = nik {
            Subject::Nik(value(nik)?)
        } else if let Some(passport) = passport {
            Subject::Passport(value(passport)?)
        } else if let Some(mrz) = mrz {
            Subject::Mrz(mrz_lines(&value(mrz)?))
        } else if let Some(person) = person {
            Subject::PersonRef(person)
        } else {
            Subject::Card(value(
                card.context("name the person: --nik, --passport, --mrz, --card or --person")?,
            )?)
        })
    }
}

fn value(given: String) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given);
    }
    let mut text = String::new();
    // An MRZ has 89 characters; nothing that names a person is longer.
    std::io::stdin().lock().take(1_024).read_to_string(&mut text).context("reading stdin")?;
    Ok(text.trim().into())
}

/// Two lines, however they were put into one argument.
pub fn mrz_lines(text: &str) -> String {
    let text = text.trim().replace("\\n", "\n").replace('/', "\n").replace('\r', "");
    if !text.contains('\n') && text.is_ascii() && text.len() == 88 {
        let (first, second) = text.split_at(44);
        return format!("{first}\n{second}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_readable_zone_may_come_in_one_line() {
        let (first, second) = ("P".repeat(44), "8".repeat(44));
        let want = format!("{first}\n{second}");
        for given in [
            want.clone(),
            format!("{first}{second}"),
            format!("{first}/{second}"),
            format!("{first}\\n{second}"),
            format!(" {first}\r\n{second}\r\n"),
        ] {
            assert_eq!(mrz_lines(&given), want);
        }
    }
}
