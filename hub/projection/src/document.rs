//! A document of the shared picture, sorted by field class, so that cutting it to an agreement is leaving out members.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::{Map, Value};
use simpul_proto::catalogue;
use simpul_types::{AgencyCode, FieldClass, Position, View};

use crate::{key, read::PersonId, row::Snapshot};

/// One document. Holds personal data: no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// What kind it is.
    pub view: View,
    /// Its opaque reference.
    pub r#ref: String,
    /// Position of the newest event it shows.
    pub position: Position,
    /// The one agency that may be shown it; empty where policy alone decides.
    pub addressee: String,
    /// The agencies whose events it shows; agreements are with them.
    pub providers: BTreeSet<AgencyCode>,
    /// Whom it concerns: the persons of the records that it shows.
    pub persons: BTreeSet<PersonId>,
    /// One JSON object per field class that has content.
    pub classes: BTreeMap<FieldClass, Value>,
}

/// The field classes that a view can show, whether or not one document has content in them: what policy withholds is
/// named by this list, so that the names tell nothing about the person.
pub fn classes_of(view: View) -> &'static [FieldClass] {
    use FieldClass as F;
    match view {
        View::Case => F::ALL,
        View::Placement => &[F::Reference, F::Identity, F::Placement, F::Health],
        View::Licence => &[F::Reference, F::Placement],
        _ => BY_VIEW.get(&view).map_or(&[F::Reference], Vec::as_slice),
    }
}

/// Of the views whose documents are rendered from the options of the contract.
static BY_VIEW: LazyLock<BTreeMap<View, Vec<FieldClass>>> = LazyLock::new(|| {
    let mut classes: BTreeMap<View, BTreeSet<FieldClass>> = BTreeMap::new();
    for kind in catalogue::kinds() {
        if let Ok(view) = kind.view.parse() {
            let of_view = classes.entry(view).or_insert_with(|| BTreeSet::from([FieldClass::Reference]));
            of_view.extend(kind.classes().into_iter().filter_map(|class| class.parse::<FieldClass>().ok()));
        }
    }
    classes.into_iter().map(|(view, classes)| (view, classes.into_iter().collect())).collect()
});

impl Document {
    pub(crate) fn new(view: View, r#ref: String, position: Position) -> Self {
        Self {
            view,
            r#ref,
            position,
            addressee: String::new(),
            providers: BTreeSet::new(),
            persons: BTreeSet::new(),
            classes: BTreeMap::new(),
        }
    }

    /// Notes whose event it shows, and whom that concerns.
    pub(crate) fn from(&mut self, snapshot: &Snapshot) {
        // A source is the code of the agency that admission knew.
        self.providers.extend(snapshot.source.parse::<AgencyCode>());
        self.persons.extend(key::unpack(&snapshot.persons).map(PersonId));
    }

    /// Sets a member of a class; what is empty is left out.
    pub(crate) fn set(&mut self, class: FieldClass, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty && let Value::Object(members) = self.class(class) {
            members.insert(name.into(), value);
        }
    }

    /// Adds to a list of a class.
    pub(crate) fn push(&mut self, class: FieldClass, name: &str, item: Value) {
        if let Value::Object(members) = self.class(class)
            && let Value::Array(items) = members.entry(name).or_insert_with(|| Value::Array(Vec::new()))
        {
            items.push(item);
        }
    }

    fn class(&mut self, class: FieldClass) -> &mut Value {
        self.classes.entry(class).or_insert_with(|| Value::Object(Map::new()))
    }

    /// The JSON object that a reader of these classes gets: one member per class that has content.
    pub fn cut(&self, allowed: &BTreeSet<FieldClass>) -> Value {
        let seen = self.classes.iter().filter(|(class, _)| allowed.contains(class));
        Value::Object(seen.map(|(class, value)| (class.as_str().to_owned(), value.clone())).collect())
    }

    /// Whether it may be shown to an agency, if policy lets it see the view.
    pub fn is_for(&self, agency: &AgencyCode) -> bool {
        self.addressee.is_empty() || self.addressee == agency.as_str()
    }

    /// Classes of the view that such a reader does not get, whether or not this document has content in them.
    pub fn withheld(&self, allowed: &BTreeSet<FieldClass>) -> Vec<FieldClass> {
        classes_of(self.view).iter().copied().filter(|class| !allowed.contains(class)).collect()
    }

    /// Classes with content that such a reader gets.
    pub fn disclosed(&self, allowed: &BTreeSet<FieldClass>) -> Vec<FieldClass> {
        self.classes.keys().copied().filter(|class| allowed.contains(class)).collect()
    }
}
