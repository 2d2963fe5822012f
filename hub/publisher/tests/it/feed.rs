//! A feed of changes that the tests write, and what agencies may see of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::json;
use simpul_projection::{Change, ChangeKey, Document, ViewOfChange};
use simpul_publisher::{ErasedEvent, Feed, FeedError, Sight, Visibility};
use simpul_types::{AgencyCode, EventId, FieldClass, Position, Timestamp, View};
use tokio::sync::watch;

/// Changes kept in memory, in order.
pub struct Script {
    changes: Mutex<Vec<Change>>,
    erased: Mutex<Vec<Change>>,
    /// Executions, each with the position of the event that it erased.
    executed: Mutex<Vec<(u64, u64)>>,
    end: watch::Sender<Position>,
}

impl Script {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            changes: Mutex::default(),
            erased: Mutex::default(),
            executed: Mutex::default(),
            end: watch::channel(Position::ZERO).0,
        })
    }

    /// Adds changes of cases, one per position from the present end on; the case of position p is `case-<p mod 7>`.
    pub fn cases(&self, count: u64) {
        let from = self.end.borrow().get();
        for position in from..from + count {
            let mut classes = BTreeMap::new();
            classes.insert(FieldClass::Reference, json!({ "stage": position }));
            classes.insert(FieldClass::Identity, json!({ "name": format!("Sample Person {position}") }));
            classes.insert(FieldClass::Suspect, json!({ "suspects": position % 3 }));
            self.push(position, View::Case, &format!("case-{}", position % 7), classes);
        }
    }

    /// The change at a position goes, as an erasure makes it.
    pub fn erase(&self, position: u64) {
        let mut changes = self.changes.lock().unwrap();
        let gone = changes.extract_if(.., |change| change.key.position == position);
        self.erased.lock().unwrap().extend(gone);
    }

    /// An execution at the present end erases the event at a position.
    pub fn execute(&self, erased: u64) {
        let by = self.end.borrow().get();
        self.executed.lock().unwrap().push((by, erased));
        self.erase(erased);
        self.one(View::Licence, "execution", &[(FieldClass::Reference, json!("executed"))]);
    }

    /// Adds one change at the present end.
    pub fn one(&self, view: View, reference: &str, classes: &[(FieldClass, serde_json::Value)]) {
        let position = self.end.borrow().get();
        self.push(position, view, reference, classes.iter().cloned().collect());
    }

    /// The same, for one agency alone.
    pub fn one_for(
        &self,
        addressee: &str,
        view: View,
        reference: &str,
        classes: &[(FieldClass, serde_json::Value)],
    ) {
        self.one(view, reference, classes);
        self.changes.lock().unwrap().last_mut().unwrap().document.addressee = addressee.into();
    }

    /// The same of a document that shows data of these agencies.
    pub fn one_of(
        &self,
        providers: &[&str],
        view: View,
        reference: &str,
        classes: &[(FieldClass, serde_json::Value)],
    ) {
        self.one(view, reference, classes);
        let providers = providers.iter().map(|code| agency(code)).collect();
        self.changes.lock().unwrap().last_mut().unwrap().document.providers = providers;
    }

    fn push(
        &self,
        position: u64,
        view: View,
        reference: &str,
        classes: BTreeMap<FieldClass, serde_json::Value>,
    ) {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&position.to_be_bytes());
        (id[6], id[8]) = (0x70, 0x80);
        self.changes.lock().unwrap().push(Change {
            key: ChangeKey { position, n: 0 },
            event_id: EventId::from_bytes(id),
            occurred_at: Timestamp::from_us(1_700_000_000_000_000),
            document: Document {
                providers: Default::default(),
                persons: Default::default(),
                view,
                r#ref: reference.into(),
                position: Position::new(position),
                addressee: String::new(),
                classes,
            },
        });
        self.end.send_replace(Position::new(position + 1));
    }
}

impl Feed for Script {
    fn views(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<ViewOfChange, FeedError>> + '_> {
        Box::new(self.changes(from).map(|change| {
            change.map(|Change { key, document, .. }| ViewOfChange {
                key,
                view: document.view,
                addressee: document.addressee.parse().ok(),
            })
        }))
    }

    fn changes(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<Change, FeedError>> + '_> {
        let start = self.changes.lock().unwrap().partition_point(|change| change.key < from);
        Box::new((start..).map_while(|index| self.changes.lock().unwrap().get(index).cloned().map(Ok)))
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.end.subscribe()
    }

    fn checkpoint(&self) -> String {
        format!("simpul.example/test\n{}\nAAAA\n\n— simpul.example/test AAAA\n", self.end.borrow().get())
    }

    fn erased(&self, position: Position) -> Result<Option<ErasedEvent>, FeedError> {
        let erased =
            self.erased.lock().unwrap().iter().find(|change| change.key.position == position.get()).cloned();
        Ok(erased.map(|Change { event_id, occurred_at, .. }| ErasedEvent { event_id, occurred_at }))
    }

    fn erasures(&self, from: Position) -> Result<(Position, BTreeSet<u64>), FeedError> {
        let executed = self.executed.lock().unwrap();
        let erased = executed.iter().filter(|(by, _)| *by >= from.get()).map(|(_, erased)| *erased).collect();
        Ok((*self.end.borrow(), erased))
    }

    fn history(&self) -> Option<[u8; 16]> {
        self.changes.lock().unwrap().first().map(|change| *change.event_id.as_bytes())
    }
}

/// kp2mi sees references and identities of everything, polri suspects of cases too, kbri-yangon references of cases only
/// and nothing before position 3.
pub struct Rules;

impl Visibility for Rules {
    fn at(&self, position: Position) -> Result<Arc<Sight>, FeedError> {
        use FieldClass::{Identity, Reference, Suspect};
        let mut seen = vec![
            (agency("kp2mi"), View::Case, vec![Reference, Identity]),
            (agency("kp2mi"), View::Licence, vec![Reference]),
            (agency("polri"), View::Case, vec![Reference, Identity, Suspect]),
        ];
        if position.get() >= 3 {
            seen.push((agency("kbri-yangon"), View::Case, vec![Reference]));
        }
        Ok(Arc::new(Sight::new(seen)))
    }
}

pub fn agency(code: &str) -> AgencyCode {
    code.parse().expect("a valid code")
}
