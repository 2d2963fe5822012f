//! What the options of the `.proto` files say, read once. Everything here lives as long as the process.

use std::collections::{BTreeSet, HashMap};

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage,
};

use crate::v1::{EventRule, FieldRule, Format, Link};

/// Name of the message that holds what a source says about a person.
pub const PERSON_CLAIM: &str = "simpul.v1.PersonClaim";

/// Values of a list where its option names no bound.
const ITEMS_MAX: u16 = 64;

/// An event type as its options describe it.
pub struct EventKind {
    /// View of the shared picture that shows it.
    pub view: &'static str,
    /// Field class of the fields that name none.
    pub class: &'static str,
    /// What it tells, in Indonesian.
    pub title_id: &'static str,
    /// The same in English.
    pub title_en: &'static str,
    /// Whether it may begin a stream.
    pub begins: bool,
    /// Full names of the types one of which MUST be the newest event of its stream; see [`Self::may_follow`].
    pub after: &'static [&'static str],
    /// Version of the meaning of its fields.
    pub version: u32,
    /// Its fields.
    pub rules: &'static MessageRules,
}

/// A message and the rules of its fields, in the order of their declaration.
pub struct MessageRules {
    /// Full name.
    pub name: &'static str,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// One field.
pub struct Field {
    /// Its number on the wire.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Whether it must stand.
    pub required: bool,
    /// Most values of a list; 1 where it is none.
    pub most: u16,
    /// Whether it is a list.
    pub list: bool,
    /// What it holds.
    pub form: FieldForm,
    /// Its field class.
    pub class: &'static str,
    /// What it leads to.
    pub link: Link,
    /// A date field of the same message that is not later than this one: its number and name.
    pub not_before: Option<(u32, &'static str)>,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum FieldForm {
    /// UTF-8 of at most so many bytes.
    Text(usize),
    /// So many digits.
    Digits(usize),
    /// `YYYY-MM-DD`.
    Date,
    /// ISO 3166-1 alpha-3.
    Country,
    /// Wilayah code: 2, 4, 6 or 10 digits.
    Region,
    /// IMO number of a ship.
    ImoNumber,
    /// Opaque reference of a person: 32 hexadecimal digits.
    PersonRef,
    /// A value from 1 up to this one.
    Enum(u64),
    /// A whole number, not negative.
    Number,
    /// Yes or no.
    Bool,
    /// A message.
    Message(&'static MessageRules),
}

impl EventKind {
    /// Full name of the payload message.
    pub fn name(&self) -> &'static str {
        self.rules.name
    }

    /// Name without its package.
    pub fn short_name(&self) -> &'static str {
        self.name().rsplit('.').next().unwrap_or_default()
    }

    /// Every field class that it has fields of.
    pub fn classes(&self) -> BTreeSet<&'static str> {
        let mut classes = BTreeSet::new();
        self.rules.classes(&mut classes);
        classes
    }

    /// Whether its streams have an order.
    pub fn ordered(&self) -> bool {
        self.begins || !self.after.is_empty()
    }

    /// Whether it may stand in a stream whose newest event is of type `newest`; `None` for a new stream. What has no order
    /// keeps out of streams that have one.
    pub fn may_follow(&self, newest: Option<&str>) -> bool {
        match newest {
            None => self.begins || self.after.is_empty(),
            Some(newest) if self.ordered() => self.after.contains(&newest),
            Some(newest) => !super::kind(newest).is_some_and(Self::ordered),
        }
    }
}

impl MessageRules {
    fn classes(&self, classes: &mut BTreeSet<&'static str>) {
        for field in &self.fields {
            match field.form {
                FieldForm::Message(inner) => inner.classes(classes),
                _ => {
                    classes.insert(field.class);
                }
            }
        }
    }
}

struct Source<'a> {
    event: ExtensionDescriptor,
    field: ExtensionDescriptor,
    /// By message and class that its fields fall into where they name none.
    seen: HashMap<(String, String), &'static MessageRules>,
    pool: &'a DescriptorPool,
}

/// Reads every message that has the option `simpul.v1.event`.
///
/// # Panics
/// Where an option names a field that the message does not have, or a field is of a kind that no rule covers: the
/// contract itself is wrong, which the tests of this crate show.
pub(super) fn read(pool: &DescriptorPool) -> Vec<EventKind> {
    let extension = |name| pool.get_extension_by_name(name).expect("options.proto is part of the contract");
    let mut source = Source {
        event: extension("simpul.v1.event"),
        field: extension("simpul.v1.field"),
        seen: HashMap::new(),
        pool,
    };
    let ours = pool.all_messages().filter(|message| message.package_name().starts_with("simpul."));
    ours.filter_map(|message| source.kind(&message)).collect()
}

impl Source<'_> {
    fn kind(&mut self, message: &MessageDescriptor) -> Option<EventKind> {
        let options = message.options();
        if !options.has_extension(&self.event) {
            return None;
        }
        let rule: EventRule = option(&options, &self.event);
        let package = message.package_name();
        let after: Vec<&'static str> =
            rule.after.iter().map(|short| leak(&format!("{package}.{short}"))).collect();
        Some(EventKind {
            view: leak(&rule.view),
            class: leak(&rule.class),
            title_id: leak(&rule.title_id),
            title_en: leak(&rule.title_en),
            begins: rule.begins,
            after: after.leak(),
            version: rule.version,
            rules: self.message(message, &rule.class),
        })
    }

    fn message(&mut self, message: &MessageDescriptor, class: &str) -> &'static MessageRules {
        let key = (message.full_name().to_owned(), class.to_owned());
        if let Some(known) = self.seen.get(&key) {
            return known;
        }
        let fields = message.fields().map(|field| self.field(message, &field, class)).collect();
        let rules: &'static MessageRules =
            Box::leak(Box::new(MessageRules { name: leak(message.full_name()), fields }));
        self.seen.insert(key, rules);
        rules
    }

    fn field(&mut self, message: &MessageDescriptor, field: &FieldDescriptor, class: &str) -> Field {
        let rule: FieldRule = option(&field.options(), &self.field);
        let class = if rule.class.is_empty() { class } else { &rule.class };
        let most = match (field.is_list(), u16::try_from(rule.max_items).unwrap_or(u16::MAX)) {
            (false, _) => 1,
            (true, 0) => ITEMS_MAX,
            (true, most) => most,
        };
        let not_before = (!rule.not_before.is_empty()).then(|| {
            let named = message.get_field_by_name(&rule.not_before);
            let named =
                named.unwrap_or_else(|| panic!("{}: no field {}", message.full_name(), rule.not_before));
            (named.number(), leak(named.name()))
        });
        Field {
            number: field.number(),
            name: leak(field.name()),
            required: rule.required,
            most,
            list: field.is_list(),
            form: self.form(field, &rule, class),
            class: leak(class),
            link: rule.link(),
            not_before,
        }
    }

    fn form(&mut self, field: &FieldDescriptor, rule: &FieldRule, class: &str) -> FieldForm {
        match field.kind() {
            Kind::String if rule.digits > 0 => FieldForm::Digits(rule.digits as usize),
            Kind::String => match rule.format() {
                Format::Unspecified => FieldForm::Text(128),
                Format::Name => FieldForm::Text(200),
                Format::Narrative => FieldForm::Text(131_072),
                Format::ShortText => FieldForm::Text(1_000),
                Format::Date => FieldForm::Date,
                Format::Country => FieldForm::Country,
                Format::Region => FieldForm::Region,
                Format::ImoNumber => FieldForm::ImoNumber,
                Format::PersonRef => FieldForm::PersonRef,
            },
            Kind::Enum(values) => {
                let most = values.values().map(|value| value.number()).max().unwrap_or(0);
                FieldForm::Enum(u64::try_from(most).unwrap_or(0))
            }
            Kind::Uint32 | Kind::Uint64 => FieldForm::Number,
            Kind::Bool => FieldForm::Bool,
            Kind::Message(inner) => {
                let inner = self.pool.get_message_by_name(inner.full_name()).unwrap_or(inner);
                FieldForm::Message(self.message(&inner, class))
            }
            other => panic!("{}: no rule covers {other:?}", field.full_name()),
        }
    }
}

/// An option of ours; its default where it does not stand.
fn option<M: prost::Message + Default>(options: &DynamicMessage, extension: &ExtensionDescriptor) -> M {
    let value = options.get_extension(extension);
    let message = value.as_message().expect("our options are messages");
    message.transcode_to().unwrap_or_else(|error| panic!("{}: {error}", message.descriptor().full_name()))
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
