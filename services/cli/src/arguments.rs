//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    audit, backup, case, connection::ConnectionArgs, directory, emergency, erasure, legality, made, person,
    screening, shelter, statistic, submit, watch,
};

/// Ask, submit, follow, administer and verify: the tool of the Simpul data-exchange hub.
#[derive(Parser)]
#[command(name = "simpul", version, arg_required_else_help = true, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// One JSON object per line on stdout
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Is a person's placement legal, by which rules, on which evidence?
    #[command(subcommand)]
    Legality(legality::Command),
    /// Submit events from a file of JSON lines
    Submit(submit::Submit),
    /// Cases of the shared picture
    #[command(subcommand)]
    Case(case::Command),
    /// Find persons by name; say who is one with whom
    #[command(subcommand)]
    Person(person::Command),
    /// Show one record of another view: a journey home, a complaint, a departure prevented, a licence
    Record(case::Record),
    /// Screening forms, and what answers come to under them; no hub is asked
    #[command(subcommand)]
    Screening(screening::Command),
    /// A bed for somebody, by what they need
    #[command(subcommand)]
    Shelter(shelter::Command),
    /// Counts with their definitions; small cells are hidden
    #[command(subcommand)]
    Statistic(statistic::Command),
    /// Follow every change that this agency may see
    Watch(watch::Watch),
    /// What stored bytes are damaged, and how far the hub's background verification is; exit 1 where something is
    Status,
    /// How far the log, the read models and each agency's stream have come
    Position,
    /// Who takes part and what they may do
    #[command(subcommand)]
    Directory(directory::Command),
    /// Prove that nothing was altered, dropped or reordered; see who looked at what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Break-glass: take emergency access to a case, list what is open, review it
    #[command(subcommand)]
    Emergency(emergency::Command),
    /// Records erased under dual control: request, approve, veto, execute, show
    #[command(subcommand)]
    Erasure(erasure::Command),
    /// Copies of a hub's data: make, check, restore
    #[command(subcommand)]
    Backup(backup::Command),
    /// Make invented input of any size; the same seed gives the same bytes
    Sample(made::Sample),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};

    use super::*;

    fn kind(line: &str) -> Option<ErrorKind> {
        Arguments::try_parse_from(line.split_whitespace()).err().map(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_person_is_named_in_exactly_one_way() {
        assert_eq!(kind("simpul legality check --nik 1 --purpose P --official o"), None);
        assert_eq!(
            kind("simpul legality check --purpose P --official o"),
            Some(ErrorKind::MissingRequiredArgument)
        );
        assert_eq!(
            kind("simpul legality check --nik 1 --card 2 --purpose P"),
            Some(ErrorKind::ArgumentConflict)
        );
        assert_eq!(kind("simpul legality check --nik 1"), Some(ErrorKind::MissingRequiredArgument));
    }

    #[test]
    fn connection_options_stand_before_or_after_the_command() {
        assert_eq!(kind("simpul --client a.toml --json directory list"), None);
        assert_eq!(kind("simpul directory list --client a.toml --json"), None);
    }

    #[test]
    fn verify_reads_a_folder_or_a_url_and_not_both() {
        assert_eq!(kind("simpul audit verify"), Some(ErrorKind::MissingRequiredArgument));
        assert_eq!(kind("simpul audit verify --data d --url u"), Some(ErrorKind::ArgumentConflict));
    }
}
