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
use simpul_policy::{Directory, EVENT_PACKAGE};
use simpul_publisher::{FeedError, Sight, Visibility};
use simpul_types::{Header, Leaf, Position, View};

/// Sights by position.
pub(crate) struct Sights {
    current: Arc<ArcSwap<Directory>>,
    reader: Reader,
    authority: [u8; 32],
    /// Positions of the leaf last asked for, and the directory position it was judged under.
    leaf: Mutex<Option<(Range<u64>, Position)>>,
    newest: Mutex<Option<(Position, Arc<Sight>)>>,
    past: Mutex<Option<Past>>,
}

impl Sights {
    pub(crate) fn new(current: Arc<ArcSwap<Directory>>, reader: Reader, authority: [u8; 32]) -> Self {
        let (leaf, newest, past) = Default::default();
        Self { current, reader, authority, leaf, newest, past }
    }

    /// The directory position that the event was judged under, as its leaf says.
    fn judged_under(&self, position: Position) -> Result<Position, FeedError> {
        let mut known = lock(&self.leaf);
        if let Some((range, directory)) = known.as_ref()
            && range.contains(&position.get())
        {
            return Ok(*directory);
        }
        let stored = self.reader.leaf_of(position)?;
        let leaf = Leaf::decode(&stored.bytes)?;
        let first = leaf.first_position.get();
        *known = Some((first..first + u64::from(leaf.statement.event_count), leaf.directory_position));
        Ok(leaf.directory_position)
    }

    fn newest(&self, directory: &Directory) -> Arc<Sight> {
        let mut newest = lock(&self.newest);
        match newest.as_ref() {
            Some((position, sight)) if *position == directory.position() => sight.clone(),
            _ => {
                let sight = Arc::new(sight(directory));
                *newest = Some((directory.position(), sight.clone()));
                sight
            }
        }
    }
}

impl Visibility for Sights {
    fn at(&self, position: Position) -> Result<Arc<Sight>, FeedError> {
        if position == Position::new(u64::MAX) {
            return Ok(self.newest(&self.current.load_full()));
        }
        // In this order: the directory only moves on, so it is at least what the leaf was judged under.
        let wanted = self.judged_under(position)?;
        let directory = self.current.load_full();
        if directory.position() == wanted {
            return Ok(self.newest(&directory));
        }
        if directory.position() < wanted {
            return Err(format!("the directory stands at {}, not at {wanted}", directory.position()).into());
        }
        let mut past = lock(&self.past);
        let mut walk = match past.take() {
            Some(walk) if walk.end <= wanted => walk,
            _ => Past::begin(&self.reader, self.authority),
        };
        let sight = walk.forward(&self.reader, wanted)?;
        *past = Some(walk);
        Ok(sight)
    }
}

/// The directory with all its events below `end` applied, and the log from there on.
struct Past {
    end: Position,
    directory: Directory,
    sight: Arc<Sight>,
    scan: Scan,
    queue: VecDeque<StoredEvent>,
}

impl Past {
    fn begin(reader: &Reader, authority: [u8; 32]) -> Self {
        let directory = Directory::new(authority);
        Self {
            end: Position::ZERO,
            sight: Arc::new(sight(&directory)),
            directory,
            scan: reader.scan(Position::ZERO),
            queue: VecDeque::new(),
        }
    }

    /// Applies what stands below `end`.
    fn forward(&mut self, reader: &Reader, end: Position) -> Result<Arc<Sight>, FeedError> {
        let mut changed = false;
        while self.end < end {
            let Some(event) = self.queue.pop_front() else {
                let frame = self.scan.next_frame()?.ok_or("the log ends before the directory's position")?;
                self.queue.extend(frame.into_iter().flat_map(|leaf| leaf.events));
                continue;
            };
            changed |= apply(reader, &mut self.directory, &event)?;
            self.end = event.position.plus(1);
        }
        if changed {
            self.sight = Arc::new(sight(&self.directory));
        }
        Ok(self.sight.clone())
    }
}

/// Applies a directory event; false where it is none.
fn apply(reader: &Reader, directory: &mut Directory, event: &StoredEvent) -> Result<bool, FeedError> {
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
    directory.apply(header.event_type.as_str(), &opened.payload, event.position)?;
    Ok(true)
}

/// What every agency is sent unasked.
fn sight(directory: &Directory) -> Sight {
    let codes: Vec<_> = directory.agencies().map(|agency| agency.code.clone()).collect();
    Sight::new(codes.into_iter().flat_map(|code| {
        View::ALL.iter().map(move |view| (code.clone(), *view, directory.classes(&code, *view, None)))
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
