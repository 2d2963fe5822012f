//! The first policy as a table that a lawyer can read: `policies/first-matrix.txt`, compared word for word.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::HashMap, fmt::Write, fs, path::Path, sync::Mutex, thread};

use prost::Message;
use simpul_policy::{Action, Ask, Directory, FIRST_MATRIX, FIRST_MATRIX_VERSION, FIRST_PURPOSES, Word};
use simpul_proto::{catalogue::EVENT_TYPES, directory as wire};
use simpul_types::{AgencyCode, FieldClass, Position, Purpose, Timestamp, View};

/// Every purpose code of domain.md §6.1, and those of the hub itself.
const PURPOSES: &[&str] = &[
    "ASSIST",
    "COMPANION",
    "COMPLAINT",
    "DEPARTURE_CHECK",
    "DIRECTORY",
    "EMERGENCY",
    "ERASURE",
    "FAMILY_NOTICE",
    "FOREIGN_REQUEST",
    "INVESTIGATE",
    "OVERSIGHT",
    "PASSPORT_CHECK",
    "PLACEMENT",
    "PROSECUTE",
    "PROTECT",
    "REHAB",
    "REPATRIATE",
    "RESTITUTION",
    "RETURN",
    "SHELTER",
    "STATISTICS",
    "TREAT",
    "VERIFY_LEGALITY",
];

/// One agency of each kind; its code is its kind. `stranger` is declared, and of a kind that no rule speaks
/// of.
const KINDS: &[(&str, &str)] = &[
    ("registry", "registry of migrant workers, for example KP2MI"),
    ("police", "police, for example Polri"),
    ("mission", "mission abroad, for example KBRI Yangon"),
    ("immigration", "immigration, Imipas"),
    ("prosecution", "public prosecution, Kejaksaan"),
    ("social", "social affairs, women's and children's services, shelters: Kemensos, UPTD PPA"),
    ("health", "health facility of Kemenkes"),
    ("protection", "witness and victim protection, LPSK"),
    ("companion", "civil society companion, for example Migrant Care"),
    ("village", "village, Desa Migran Emas"),
    ("coordination", "coordinating ministry or task force"),
    ("oversight", "oversight body, for example Ombudsman RI"),
    ("directory", "directory authority; fixed in the hub, no policy changes it"),
    ("hub", "the hub itself: what it says of its own answers and read models"),
    ("stranger", "declared, of a kind that no rule speaks of"),
];

/// The directory, and what was asked of it before: the table asks much twice.
struct Matrix(Directory, Mutex<HashMap<Question, String>>);

type Question = (String, Action, String, Option<FieldClass>);

impl Matrix {
    fn new() -> Self {
        let mut directory = Directory::new([1; 32]);
        let apply = |directory: &mut Directory, name: &str, payload: Vec<u8>| {
            let event_type = format!("simpul.directory.v1.{name}");
            let (payload, position) = (&payload[..], Position::ZERO);
            let key_id = &"0011223344556677".parse().unwrap();
            directory.apply(&Word { event_type: &event_type, payload, position, key_id }).unwrap();
        };
        for (kind, name) in KINDS {
            let declared =
                wire::AgencyDeclared { code: (*kind).into(), name: (*name).into(), kind: (*kind).into() };
            apply(&mut directory, "AgencyDeclared", declared.encode_to_vec());
        }
        let declared =
            wire::PolicyDeclared { cedar: FIRST_MATRIX.into(), version: FIRST_MATRIX_VERSION.into() };
        apply(&mut directory, "PolicyDeclared", declared.encode_to_vec());
        Self(directory, Mutex::default())
    }

    fn allowed(
        &self,
        kind: &str,
        action: Action,
        resource: &str,
        field_class: Option<FieldClass>,
        purpose: Option<&str>,
    ) -> bool {
        let agency: AgencyCode = kind.parse().unwrap();
        let purpose: Option<Purpose> = purpose.map(|purpose| purpose.parse().unwrap());
        let (purpose, provider, at) = (purpose.as_ref(), None, Timestamp::from_us(1));
        let ask =
            Ask { agency: &agency, official: None, action, resource, field_class, purpose, provider, at };
        self.0.decide(&ask).allowed
    }

    /// `never`, `always` or the purposes for which it is allowed.
    fn purposes(&self, kind: &str, action: Action, resource: &str, class: Option<FieldClass>) -> String {
        let question = (kind.to_owned(), action, resource.to_owned(), class);
        if let Some(known) = self.1.lock().unwrap().get(&question) {
            return known.clone();
        }
        let answer = self.ask_purposes(kind, action, resource, class);
        self.1.lock().unwrap().insert(question, answer.clone());
        answer
    }

    fn ask_purposes(&self, kind: &str, action: Action, resource: &str, class: Option<FieldClass>) -> String {
        let mut allowed = PURPOSES.to_vec();
        allowed.retain(|purpose| self.allowed(kind, action, resource, class, Some(purpose)));
        let without = self.allowed(kind, action, resource, class, None);
        match (allowed.len(), without) {
            (0, false) => "never".into(),
            (count, true) if count == PURPOSES.len() => "always".into(),
            _ => format!("{}{}", if without { "(no purpose) " } else { "" }, allowed.join(" ")),
        }
    }

    fn render(&self) -> String {
        // Each kind on a thread of its own: tens of thousands of questions, a second's work each in a test build.
        let parts: Vec<String> = thread::scope(|scope| {
            let render = |kind: &'static str| {
                let mut part = String::new();
                self.render_kind(&mut part, kind);
                part
            };
            let threads: Vec<_> = KINDS.iter().map(|(kind, _)| scope.spawn(move || render(kind))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut out = String::new();
        let line = &mut out;
        writeln!(line, "WHO MAY DO WHAT").unwrap();
        writeln!(line, "Policy version {FIRST_MATRIX_VERSION}. What is not listed is refused.\n").unwrap();
        writeln!(line, "Agencies of kind").unwrap();
        for (kind, name) in KINDS {
            writeln!(line, "  {kind:<12} {name}").unwrap();
        }
        self.render_classes(line);
        out.extend(parts);
        out
    }

    /// Overview: V for what may be viewed for some purpose, P for what is sent unasked.
    fn render_classes(&self, line: &mut String) {
        for view in View::ALL {
            writeln!(line, "\nFIELDS OF A {}", view.as_str().to_uppercase()).unwrap();
            writeln!(line, "V: may be viewed for a stated purpose, on the record. P: is sent unasked.\n")
                .unwrap();
            let header: String = KINDS.iter().map(|(kind, _)| format!("{kind:<13}")).collect();
            writeln!(line, "  {:<18} {}", "", header.trim_end()).unwrap();
            for class in FieldClass::ALL {
                let cells: String = KINDS.iter().map(|(kind, _)| self.cell(kind, *view, *class)).collect();
                writeln!(line, "  {:<18} {}", class.as_str(), cells.trim_end()).unwrap();
            }
        }
    }

    fn cell(&self, kind: &str, view: View, class: FieldClass) -> String {
        let viewed = self.purposes(kind, Action::View, view.as_str(), Some(class)) != "never";
        let sent = self.allowed(kind, Action::Publish, view.as_str(), Some(class), None);
        let text = match (viewed, sent) {
            (true, true) => "V P",
            (true, false) => "V",
            (false, true) => "P",
            (false, false) => "-",
        };
        format!("{text:<13}")
    }

    fn render_kind(&self, line: &mut String, kind: &str) {
        writeln!(line, "\n{}", kind.to_uppercase()).unwrap();
        let mut row = |what: String, purposes: String| writeln!(line, "  {what:<52} {purposes}").unwrap();
        for event_type in EVENT_TYPES.iter() {
            let purposes = self.purposes(kind, Action::Submit, event_type, None);
            if purposes != "never" {
                row(format!("submits {event_type}"), purposes);
            }
        }
        row("checks legality".into(), self.purposes(kind, Action::CheckLegality, "legality", None));
        for view in View::ALL {
            for class in FieldClass::ALL {
                let purposes = self.purposes(kind, Action::View, view.as_str(), Some(*class));
                if purposes != "never" {
                    row(format!("views {class} of a {view}"), purposes);
                }
            }
        }
        row("replays the log, payloads sealed".into(), self.purposes(kind, Action::Replay, "log", None));
        // No policy speaks of it: no need to ask for every type.
        let spoken_of = FIRST_MATRIX.contains("open_payload");
        let opens = |event_type: &&&'static str| {
            self.purposes(kind, Action::OpenPayload, event_type, None) != "never"
        };
        let opened: Vec<&&str> = EVENT_TYPES.iter().filter(|_| spoken_of).filter(opens).collect();
        for event_type in &opened {
            let purposes = self.purposes(kind, Action::OpenPayload, event_type, None);
            row(format!("opens {event_type}"), purposes);
        }
        if opened.is_empty() {
            row("opens payloads".into(), "never".into());
        }
        row("reads who looked at what".into(), self.purposes(kind, Action::ReadAccess, "access_log", None));
        row("administers the directory".into(), self.purposes(kind, Action::Administer, "directory", None));
    }
}

#[test]
fn the_whole_matrix_is_the_table_that_was_agreed() {
    let rendered = Matrix::new().render();
    let agreed = include_str!("../policies/first-matrix.txt");
    if rendered != agreed {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-matrix.txt");
        fs::write(&path, &rendered).unwrap();
        panic!("the policy says something else now; compare {} and, if it is meant, copy it", path.display());
    }
}

#[test]
fn only_missions_and_whoever_places_people_see_where_they_are_sheltered_and_nobody_is_sent_it() {
    let matrix = Matrix::new();
    for (kind, _) in KINDS {
        for view in View::ALL {
            let class = Some(FieldClass::ShelterLocation);
            let viewed = matrix.purposes(kind, Action::View, view.as_str(), class);
            let expected = match (*kind, *view) {
                ("mission", View::Case) => "ASSIST REPATRIATE",
                ("social", View::Shelter) => "SHELTER",
                _ => "never",
            };
            assert_eq!(viewed, expected, "{kind} {view}");
            assert_eq!(
                matrix.purposes(kind, Action::Publish, view.as_str(), class),
                "never",
                "{kind} {view}"
            );
        }
    }
}

#[test]
fn two_agencies_are_sent_different_fields_of_one_case() {
    let Matrix(directory, _) = Matrix::new();
    let sent =
        |kind: &str| directory.classes(&kind.parse().unwrap(), View::Case, None, Timestamp::from_us(1));
    use FieldClass::{Identity, Placement, Reference, ScreeningResult, Suspect};
    assert_eq!(sent("registry"), [Reference, Identity, Placement, ScreeningResult].into());
    assert_eq!(sent("police"), [Reference, Placement, Suspect].into());
    assert_eq!(sent("mission"), [Reference, Placement, ScreeningResult].into());
    assert!(sent("oversight").is_empty());
}

#[test]
fn every_purpose_of_the_table_is_declared_by_a_new_realm() {
    let declared = FIRST_PURPOSES.lines().filter_map(|line| line.strip_prefix("code = "));
    let declared: Vec<_> = declared.map(|code| code.trim_matches('"')).collect();
    assert_eq!(declared, PURPOSES);
}
