//! What agencies see, from the directory: the newest state as admission keeps it, older ones folded from the log again.
//!
//! Every leaf says which directory its events were judged under. A change is sent to whom that directory lets see it,
//! whenever the change is judged, so the publisher's outbox stays a function of the log prefix (PUB-1). Mostly that is the
//! newest directory. Only where the outbox is derived again, or lags behind a directory event, is the log read from its
//! beginning for the directory events in it.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use simpul_log::{Reader, Scan, StoredEvent};
use simpul_policy::{Directory, EVENT_PACKAGE, Word};
use simpul_publisher::{FeedError, Sight, Visibility};
use simpul_types::{Clock, Header, KeyId, Leaf, Position, Timestamp, View};

/// Sights by position.
pub(crate) struct Sights {
    current: Arc<ArcSwap<Directory>>,
    reader: Reader,
    authority: [u8; 32],
    clock: Arc<dyn Clock>,
    /// Leaves of the frame last asked for.
    leaves: Mutex<Vec<Judged>>,
    newest: Mutex<Option<(Position, Timed)>>,
    past: Mutex<Option<Past>>,
}

/// What a leaf says of how its events were judged.
#[derive(Clone)]
struct Judged {
    positions: Range<u64>,
    directory: Position,
    at: Timestamp,
}

/// A sight, and the time in which it is the same.
#[derive(Clone)]
struct Timed {
    sight: Arc<Sight>,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Timed {
    fn of(directory: &Directory, at: Timestamp) -> Self {
        Self { sight: Arc::new(sight(directory, at)), from: at, until: directory.next_turn(at) }
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Sights {
    pub(crate) fn new(
        current: Arc<ArcSwap<Directory>>,
        reader: Reader,
        authority: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (leaves, newest, past) = Default::default();
        Self { current, reader, authority, clock, leaves, newest, past }
    }

    /// How the event was judged, as its leaf says.
    fn judged(&self, position: Position) -> Result<Judged, FeedError> {
        let mut known = lock(&self.leaves);
        let find =
            |known: &[Judged]| known.iter().find(|leaf| leaf.positions.contains(&position.get())).cloned();
        if let Some(judged) = find(&known) {
            return Ok(judged);
        }
        known.clear();
        for bytes in self.reader.leaves_around(position)? {
            let leaf = Leaf::decode(&bytes)?;
            let first = leaf.first_position.get();
            known.push(Judged {
                positions: first..first + u64::from(leaf.statement.event_count),
                directory: leaf.directory_position,
                at: leaf.admitted_at,
            });
        }
        find(&known).ok_or_else(|| format!("no leaf holds position {position}").into())
    }

    fn newest(&self, directory: &Directory, at: Timestamp) -> Arc<Sight> {
        let mut newest = lock(&self.newest);
        match newest.as_ref() {
            Some((position, timed)) if *position == directory.position() && timed.holds(at) => {
                timed.sight.clone()
            }
            _ => {
                let timed = Timed::of(directory, at);
                let sight = timed.sight.clone();
                *newest = Some((directory.position(), timed));
                sight
            }
        }
    }
}

impl Visibility for Sights {
    fn at(&self, position: Position) -> Result<Arc<Sight>, FeedError> {
        if position == Position::new(u64::MAX) {
            return Ok(self.newest(&self.current.load_full(), self.clock.now()));
        }
        // In this order: the directory only moves on, so it is at least what the leaf was judged under.
        let Judged { directory: wanted, at, .. } = self.judged(position)?;
        let directory = self.current.load_full();
        if directory.position() == wanted {
            return Ok(self.newest(&directory, at));
        }
        if directory.position() < wanted {
            return Err(format!("the directory stands at {}, not at {wanted}", directory.position()).into());
        }
        let mut past = lock(&self.past);
        let mut walk = match past.take() {
            Some(walk) if walk.end <= wanted => walk,
            _ => Past::begin(&self.reader, self.authority),
        };
        let sight = walk.forward(&self.reader, wanted, at)?;
        *past = Some(walk);
        Ok(sight)
    }
}

/// The directory with all its events below `end` applied, and the log from there on.
struct Past {
    end: Position,
    directory: Directory,
    sight: Timed,
    scan: Scan,
    queue: VecDeque<(KeyId, StoredEvent)>,
}

impl Past {
    fn begin(reader: &Reader, authority: [u8; 32]) -> Self {
        let directory = Directory::new(authority);
        Self {
            end: Position::ZERO,
            sight: Timed::of(&directory, Timestamp::from_us(0)),
            directory,
            scan: reader.scan(Position::ZERO),
            queue: VecDeque::new(),
        }
    }

    /// Applies what stands below `end`.
    fn forward(&mut self, reader: &Reader, end: Position, at: Timestamp) -> Result<Arc<Sight>, FeedError> {
        let mut changed = false;
        while self.end < end {
            let Some((key_id, event)) = self.queue.pop_front() else {
                let frame = self.scan.next_frame()?.ok_or("the log ends before the directory's position")?;
                for stored in frame {
                    let key_id = Leaf::decode(&stored.bytes)?.key_id;
                    self.queue.extend(stored.events.into_iter().map(|event| (key_id.clone(), event)));
                }
                continue;
            };
            changed |= apply(reader, &mut self.directory, &key_id, &event)?;
            self.end = event.position.plus(1);
        }
        if changed || !self.sight.holds(at) {
            self.sight = Timed::of(&self.directory, at);
        }
        Ok(self.sight.sight.clone())
    }
}

/// Applies a directory event; false where it is none.
fn apply(
    reader: &Reader,
    directory: &mut Directory,
    key_id: &KeyId,
    event: &StoredEvent,
) -> Result<bool, FeedError> {
    // Decoding every header of a long log would cost far more than this look at its bytes.
    let package = EVENT_PACKAGE.as_bytes();
    if !event.header.windows(package.len()).any(|window| window == package) {
        return Ok(false);
    }
    let header = Header::decode(&event.header, "header")?;
    if !header.event_type.as_str().starts_with(EVENT_PACKAGE) {
        return Ok(false);
    }
    let opened = reader.open_payload(event)?;
    let (event_type, payload) = (header.event_type.as_str(), &opened.payload[..]);
    directory.apply(&Word { event_type, payload, position: event.position, key_id })?;
    Ok(true)
}

/// What every agency is sent unasked: of anybody's data, and of that of agencies that its agreements name.
fn sight(directory: &Directory, at: Timestamp) -> Sight {
    let codes: Vec<_> = directory.agencies().map(|agency| agency.code.clone()).collect();
    let mut sight = Sight::new(codes.iter().flat_map(|code| {
        View::ALL.iter().map(move |view| (code.clone(), *view, directory.classes(code, *view, None, at)))
    }));
    for code in &codes {
        for provider in directory.named_providers(code) {
            for view in View::ALL {
                let classes = directory.classes_from(code, *view, None, Some(provider), at);
                sight.of_provider(code, *view, provider, classes);
            }
        }
    }
    sight
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use simpul_admission::{Admission, fold_directory};
    use simpul_audit::AccessLog;
    use simpul_log::{Keys, Schema};
    use simpul_proto::{directory, v1};
    use simpul_signing::{MasterKey, SUBMISSION_TYPE, SigningKey};
    use simpul_tlog::note::NoteSigner;
    use simpul_types::{
        AgencyCode, Clock, ExpectedVersion, IdSource, Sender, Statement, Timestamp, clock::System,
    };

    use super::*;

    const SENDS_CASES: &str = r#"@id("sends") permit (principal, action == Action::"publish", resource == Resource::"case")
        when { principal.kind == "police" && context.field_class == "reference" };"#;
    const SENDS_SUSPECTS_TOO: &str = r#"@id("sends") permit (principal, action == Action::"publish", resource == Resource::"case")
        when { principal.kind == "police" && ["reference", "suspect"].contains(context.field_class) };"#;

    /// One signed directory submission of one event.
    fn signed(key: &SigningKey, sequence: u64, event_type: &str, payload: Vec<u8>) -> v1::Submission {
        let (salt, now) = ([7; 32], System.now());
        let header = Header {
            event_id: System.event_id(),
            event_type: event_type.parse().unwrap(),
            stream: format!("directory/test-{sequence}").parse().unwrap(),
            expected: ExpectedVersion::Any,
            occurred_at: Timestamp::from_us(1_700_000_000_000_000),
            purpose: "DIRECTORY".parse().unwrap(),
            legal_basis: "Perpres 49/2023".into(),
            data_category: "general".into(),
            payload_commitment: simpul_signing::commitment(&salt, &payload),
            correlation_id: None,
            causation_id: None,
            traceparent: String::new(),
        };
        let event = v1::SubmittedEvent {
            header: header.to_wire().encode_to_vec().into(),
            salt: Bytes::copy_from_slice(&salt),
            payload: payload.into(),
        };
        let statement: Bytes = Statement {
            submission_id: System.submission_id(),
            sender: Sender { agency: "directory".parse().unwrap(), connector: "authority".parse().unwrap() },
            first_sequence: sequence,
            event_count: 1,
            events_root: simpul_tlog::tree_hash([event.header.as_ref()].into_iter()),
            created_at: now,
        }
        .to_wire()
        .encode_to_vec()
        .into();
        v1::Submission {
            signature: Bytes::copy_from_slice(&key.sign_dsse(SUBMISSION_TYPE, &statement)),
            statement,
            key_id: key.key_id().as_str().into(),
            events: vec![event],
        }
    }

    fn policy(cedar: &str) -> Vec<u8> {
        directory::PolicyDeclared { cedar: cedar.into(), version: "test".into() }.encode_to_vec()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pub_1_a_position_is_seen_by_the_directory_it_was_judged_under_at_any_time() {
        let (dir, key, master) =
            (tempfile::tempdir().unwrap(), SigningKey::generate(), MasterKey::generate());
        let keys = |origin: &str| Keys {
            signer: NoteSigner::new(origin, SigningKey::generate().seed()).unwrap(),
            wrap: master.wrap_key(),
        };
        let config = |name: &str| simpul_log::Config::new(dir.path().join(name), format!("x.example/{name}"));
        let clock: Arc<dyn Clock> = Arc::new(System);
        let (appender, reader) =
            simpul_log::open(config("log"), Schema::Submissions, keys("x.example/log"), clock.clone())
                .unwrap();
        let access = AccessLog::open(
            config("access"),
            keys("x.example/access"),
            simpul_signing::IndexKey::from_bytes(&[7; 32]),
            clock.clone(),
        )
        .unwrap();
        let authority = key.public_key();
        let empty = fold_directory(&appender, &reader, authority).unwrap();
        let admission =
            Admission::start(Default::default(), appender, reader.clone(), empty, Arc::new(access), clock);
        let sights = || Sights::new(admission.directory(), reader.clone(), authority, Arc::new(System));

        let polri: AgencyCode = "polri".parse().unwrap();
        let declared = directory::AgencyDeclared {
            code: polri.as_str().into(),
            name: "Police".into(),
            kind: "police".into(),
        };
        let submissions = [
            ("simpul.directory.v1.AgencyDeclared", declared.encode_to_vec()),
            ("simpul.directory.v1.PolicyDeclared", policy(SENDS_CASES)),
            ("simpul.directory.v1.PolicyDeclared", policy(SENDS_SUSPECTS_TOO)),
            ("simpul.directory.v1.PolicyDeclared", policy(SENDS_CASES)),
        ];
        let (live, mut seen) = (sights(), Vec::new());
        for (position, (event_type, payload)) in (0..).zip(submissions) {
            admission.bootstrap(signed(&key, position + 1, event_type, payload)).await.unwrap();
            seen.push(live.at(Position::new(position)).unwrap());
        }
        let cases = |classes: &[simpul_types::FieldClass]| {
            Sight::new([(polri.clone(), View::Case, classes.iter().copied())])
        };
        use simpul_types::FieldClass::{Reference, Suspect};
        let expected =
            [Sight::default(), Sight::default(), cases(&[Reference]), cases(&[Reference, Suspect])];
        assert_eq!(seen.iter().map(|sight| (**sight).clone()).collect::<Vec<_>>(), expected);
        assert_eq!(*live.at(Position::new(u64::MAX)).unwrap(), cases(&[Reference]));

        let rebuilt = sights();
        for position in [3, 0, 2, 1, 3, 3, 0] {
            assert_eq!(rebuilt.at(Position::new(position)).unwrap(), seen[position as usize], "{position}");
        }
        assert!(rebuilt.at(Position::new(4)).is_err(), "beyond the log nothing is guessed");
        admission.close().await;
    }
}
