//! `simpul`, the tool for people: ask, submit, follow, administer, verify.
//!
//! Answers go to stdout, everything else to stderr. Exit 0: done. Exit 1: it failed, or what was checked does not hold.
//! Exit 2: the command line was wrong.

mod arguments;
mod audit;
mod backup;
mod case;
mod connection;
mod directory;
mod emergency;
mod erasure;
mod legality;
mod made;
mod nats;
mod output;
mod person;
mod position;
mod progress;
mod screening;
mod shelter;
mod statistic;
mod status;
mod subject;
mod submit;
mod trust;
mod watch;
mod wire_json;

use std::{
    io::{BufWriter, ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = run(arguments, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        // Whoever read the answer has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(std::io::stderr().lock(), "simpul: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let Arguments { connection, json, command } = arguments;
    let code = match command {
        Command::Legality(command) => runtime.block_on(legality::run(command, &connection, json, out)),
        Command::Submit(command) => runtime.block_on(submit::run(command, &connection, json, out)),
        Command::Case(command) => runtime.block_on(case::run(command, &connection, json, out)),
        Command::Person(command) => runtime.block_on(person::run(command, &connection, json, out)),
        Command::Record(command) => runtime.block_on(case::record(command, &connection, json, out)),
        Command::Screening(command) => screening::run(&command, json, out),
        Command::Shelter(command) => runtime.block_on(shelter::run(command, &connection, json, out)),
        Command::Statistic(command) => runtime.block_on(statistic::run(command, &connection, json, out)),
        Command::Watch(command) => runtime.block_on(watch::run(command, &connection, json, out)),
        Command::Status => runtime.block_on(status::run(&connection, json, out)),
        Command::Position => runtime.block_on(position::run(&connection, json, out)),
        Command::Directory(command) => runtime.block_on(directory::run(command, &connection, json, out)),
        Command::Audit(command) => runtime.block_on(audit::run(command, &connection, json, out)),
        Command::Emergency(command) => runtime.block_on(emergency::run(command, &connection, json, out)),
        Command::Erasure(command) => runtime.block_on(erasure::run(command, &connection, json, out)),
        Command::Backup(command) => backup::run(&command, json, out),
        Command::Sample(command) => made::sample(&command, json, out),
    };
    // A blocking read of a large log need not be waited for once the answer is out.
    runtime.shutdown_background();
    code
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == ErrorKind::BrokenPipe)
}
