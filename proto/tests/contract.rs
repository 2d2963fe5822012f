//! The contract only grows: `contract.lock` lists every message, field, enum value and method that was ever released, one a
//! line. A line that vanished or changed breaks agencies that wrote or stored it; a new line is added by copying the file
//! that the test writes. The catalogue in `README.md` is kept the same way.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, Kind, MessageDescriptor};
use simpul_proto::{FILE_DESCRIPTOR_SET, catalogue};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

/// One line for everything that a sender or a stored byte may rely on, sorted.
fn lines() -> Vec<String> {
    let pool = pool();
    let ours = |name: &str| name.starts_with("simpul.");
    let mut lines: Vec<String> = Vec::new();
    for message in pool.all_messages().filter(|message| ours(message.full_name())) {
        lines.extend(message_lines(&message));
    }
    for values in pool.all_enums().filter(|values| ours(values.full_name())) {
        lines.extend(enum_lines(&values));
    }
    for service in pool.services().filter(|service| ours(service.full_name())) {
        for method in service.methods() {
            let stream = |yes| if yes { "stream " } else { "" };
            lines.push(format!(
                "{} {}{} -> {}{}",
                method.full_name(),
                stream(method.is_client_streaming()),
                method.input().full_name(),
                stream(method.is_server_streaming()),
                method.output().full_name()
            ));
        }
    }
    lines.sort();
    lines
}

fn message_lines(message: &MessageDescriptor) -> Vec<String> {
    let fields = message.fields().map(|field| {
        let kind = match field.kind() {
            Kind::Message(inner) => inner.full_name().to_owned(),
            Kind::Enum(values) => values.full_name().to_owned(),
            scalar => format!("{scalar:?}").to_lowercase(),
        };
        let list = if field.cardinality() == Cardinality::Repeated { "repeated " } else { "" };
        format!("{}.{} = {} {list}{kind}", message.full_name(), field.name(), field.number())
    });
    fields.chain([format!("{} message", message.full_name())]).collect()
}

fn enum_lines(values: &EnumDescriptor) -> Vec<String> {
    values
        .values()
        .map(|value| format!("{}.{} = {}", values.full_name(), value.name(), value.number()))
        .collect()
}

fn differ(file: &str, now: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let kept = fs::read_to_string(path).unwrap_or_default();
    if kept == now {
        return None;
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    fs::write(&written, now).unwrap();
    Some(written.display().to_string())
}

#[test]
fn the_contract_only_grows() {
    let now = lines();
    let lock = include_str!("../contract.lock");
    let lost: Vec<&str> = lock.lines().filter(|line| !now.iter().any(|one| one == line)).collect();
    assert!(
        lost.is_empty(),
        "breaks what was released, give it a new number or a new package version: {lost:#?}"
    );
    let text = now.join("\n") + "\n";
    if let Some(written) = differ("contract.lock", &text) {
        panic!("the contract has grown: copy {written} over proto/contract.lock");
    }
}

/// The catalogue of event types as the README shows it.
fn table() -> String {
    let mut packages: BTreeMap<&str, Vec<&catalogue::EventKind>> = BTreeMap::new();
    for kind in catalogue::kinds() {
        packages.entry(kind.name().rsplit_once('.').unwrap().0).or_default().push(kind);
    }
    let mut out = String::new();
    for (package, kinds) in packages {
        writeln!(out, "\n**{package}**\n").unwrap();
        writeln!(
            out,
            "| event | shown in | Indonesian, English | may follow | field classes |\n|---|---|---|---|---|"
        )
        .unwrap();
        for kind in kinds {
            let after: Vec<&str> = kind.after.iter().map(|name| name.rsplit('.').next().unwrap()).collect();
            let follows = match (kind.begins, after.is_empty()) {
                (false, true) => "anything".into(),
                (true, true) => "begins its stream".into(),
                (true, false) => format!("begins its stream, or {}", after.join(", ")),
                (false, false) => after.join(", "),
            };
            let classes: Vec<&str> = kind.classes().into_iter().collect();
            let (titles, classes) = (format!("{}, {}", kind.title_id, kind.title_en), classes.join(", "));
            writeln!(out, "| `{}` | {} | {titles} | {follows} | {classes} |", kind.short_name(), kind.view)
                .unwrap();
        }
    }
    out
}

#[test]
fn the_readme_lists_the_catalogue() {
    const BEGIN: &str = "<!-- catalogue: written by tests/contract.rs -->\n";
    const END: &str = "<!-- end of catalogue -->";
    let readme = include_str!("../README.md");
    let (head, rest) = readme.split_once(BEGIN).expect("the mark where the catalogue begins");
    let (_, tail) = rest.split_once(END).expect("the mark where it ends");
    let now = format!("{head}{BEGIN}{}\n{END}{tail}", table());
    if let Some(written) = differ("README.md", &now) {
        panic!("the catalogue has changed: copy {written} over proto/README.md");
    }
}
