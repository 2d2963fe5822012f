//! The only writer. Callers enqueue; one of two threads builds the next frame while the other flushes the last one, and a
//! caller that finds nobody at work commits its own frame, which saves a lone caller two thread switches.
//!
//! ```text
//! enqueue ──▶ queue ──▶ build (seal, hash, lay out, sign) ──▶ write + flush ──▶ publish head ──▶ tickets resolve
//!                        one at a time, absorbs while the disk is busy          LOG-2: never before the flush
//! ```

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use simpul_signing::{seal, seal::Sealer, sha256};
use simpul_tlog::{
    checkpoint::Checkpoint,
    note::NoteSigner,
    stored::{self, Frontier},
};
use simpul_types::{
    Clock, Digest, EventId, LeafIndex, Position, StreamName, SubmissionId, Timestamp,
    background::{run_as_usual, run_when_idle},
};
use tokio::sync::oneshot;

use crate::{
    commit::Commit,
    config::Config,
    disk::{point, seeded},
    draft::{AppendError, Assigned, Committed, Draft, RecordDraft, Ticket},
    frame::{FrameBuilder, FrameTrailer},
    head::Head,
    index::{self, EventEntry, FrozenIndex, LeafEntry, StreamKey},
    keystore::KeyError,
    metrics,
    reader::Shared,
    schema::Schema,
    scrub::Scrub,
    segment::{FrameRef, Segment, SegmentHeader},
    space::{Space, Spare},
};

/// A leaf larger than this cannot be an entry of a C2SP tile.
const LEAF_BYTES_MAX: usize = 65_535;
/// Up to this many queued bytes a caller commits its own frame; larger frames go to the threads, off the async workers.
const INLINE_BYTES_MAX: usize = 128 << 10;
/// Bytes a record takes beside header, salt and payload; rounded up, for the reservation of room.
const RECORD_OVERHEAD_BYTES: usize = 128;
/// Bytes a leaf and its share of a frame take beside the records.
const LEAF_OVERHEAD_BYTES: usize = 1_024;

/// One builds the next frame while the other flushes the last.
const WRITERS: usize = 2;

/// The only writer of a log. Not `Clone`: whoever owns it decides the order.
pub struct Appender {
    core: Arc<Core>,
    threads: Vec<JoinHandle<()>>,
    next_leaf: u64,
    next_position: u64,
}

/// What writer threads, tickets and readers share.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) shared: Arc<Shared>,
    pub(crate) space: Space,
    pub(crate) scrub: Scrub,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// Something waits in the queue and nobody is building.
    work: Condvar,
    /// The builder waits for the disk, or for more to absorb meanwhile.
    progress: Condvar,
    build: Mutex<Build>,
    disk: Mutex<Disk>,
    /// Threads that write the indexes of sealed segments.
    indexing: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    pending: VecDeque<Pending>,
    events: usize,
    bytes: usize,
    /// Bytes of everything that is queued or built and not flushed yet; room on disk is promised against this.
    unflushed: usize,
    disk_busy: bool,
    builder_waits: bool,
    stopping: bool,
    poisoned: Option<String>,
}

struct Pending {
    draft: Draft,
    keys: Vec<(u64, Sealer)>,
    bytes: usize,
    done: oneshot::Sender<Result<Arc<Committed>, AppendError>>,
}

/// State of whoever builds the next frame.
pub(crate) struct Build {
    pub(crate) signer: NoteSigner,
    pub(crate) frontier: Frontier,
    pub(crate) next_position: u64,
    pub(crate) last_admitted: Timestamp,
    pub(crate) previous_signature: [u8; 64],
    pub(crate) epoch: u32,
    pub(crate) open: Option<OpenFrame>,
}

/// The frame that is being built.
pub(crate) struct OpenFrame {
    frame: FrameBuilder,
    hashes: Vec<Digest>,
    leaves: Vec<(Bytes, u64, u32)>,
    waiters: Vec<oneshot::Sender<Result<Arc<Committed>, AppendError>>>,
    start_root: Digest,
    reserved: usize,
}

/// State of whoever writes to the disk.
pub(crate) struct Disk {
    pub(crate) commit: Box<dyn Commit>,
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
}

/// A finished frame on its way to the disk.
struct ReadyFrame {
    bytes: Vec<u8>,
    hashes: Vec<Digest>,
    committed: Arc<Committed>,
    waiters: Vec<oneshot::Sender<Result<Arc<Committed>, AppendError>>>,
    first_position: u64,
    start_root: Digest,
    reserved: usize,
}

impl Appender {
    pub(crate) fn start(
        config: Config,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        build: Build,
        disk: Disk,
    ) -> io::Result<Self> {
        let space = Space::new(&config, disk.offset, disk.segment.file.size()?);
        let queue = Queue {
            pending: VecDeque::new(),
            events: 0,
            bytes: 0,
            unflushed: 0,
            disk_busy: false,
            builder_waits: false,
            stopping: false,
            poisoned: shared.damages().read_only.clone(),
        };
        let (next_leaf, next_position) = (build.frontier.size(), build.next_position);
        let core = Arc::new(Core {
            config,
            shared,
            space,
            scrub: Scrub::default(),
            clock,
            queue: Mutex::new(queue),
            work: Condvar::new(),
            progress: Condvar::new(),
            build: Mutex::new(build),
            disk: Mutex::new(disk),
            indexing: Mutex::default(),
        });
        let spawn = |name: &str, run: fn(&Core)| {
            let core = Arc::clone(&core);
            thread::Builder::new().name(name.into()).spawn(move || run(&core))
        };
        let mut threads = Vec::with_capacity(WRITERS + 2);
        for _ in 0..WRITERS {
            threads.push(spawn("log-writer", Core::write_loop)?);
        }
        threads.push(spawn("log-space", Space::run)?);
        threads.push(spawn("log-scrub", Scrub::run)?);
        Ok(Self { core, threads, next_leaf, next_position })
    }

    /// Gives a draft its place and queues it. The order of calls is the order in the log. Does not wait for the disk.
    ///
    /// # Errors
    /// [`AppendError::Full`], [`AppendError::DiskFull`], [`AppendError::Poisoned`], [`AppendError::Closed`]; the log is
    /// then unchanged.
    pub fn enqueue(&mut self, draft: Draft) -> Result<Ticket, AppendError> {
        let core = &self.core;
        let bytes: usize = LEAF_OVERHEAD_BYTES + draft.records.iter().map(record_bytes).sum::<usize>();
        {
            let queue = core.lock_queue();
            queue.check(&core.config, draft.records.len(), bytes)?;
            if !core.space.has_room((queue.unflushed + bytes) as u64) {
                return Err(AppendError::DiskFull);
            }
        }
        let keys = self.index(&draft)?;
        let (leaf_index, first_position) =
            (LeafIndex::new(self.next_leaf), Position::new(self.next_position));
        self.next_leaf += 1;
        self.next_position += draft.records.len() as u64;
        let (sender, done) = oneshot::channel();
        {
            let mut queue = core.lock_queue();
            if let Some(why) = &queue.poisoned {
                return Err(AppendError::Poisoned(why.clone()));
            }
            queue.events += draft.records.len();
            queue.bytes += bytes;
            queue.unflushed += bytes;
            queue.pending.push_back(Pending { draft, keys, bytes, done: sender });
            if queue.builder_waits {
                core.progress.notify_one();
            }
        }
        point!("append.queued");
        Ok(Ticket { core: Arc::clone(core), leaf_index, first_position, done, driven: false })
    }

    /// As [`Self::enqueue`], for a draft of one event that says that the keys of these streams are dead (KEY-1): nothing enqueued
    /// behind it is sealed under them, and its receipt comes when they are destroyed.
    ///
    /// # Errors
    /// As [`Self::enqueue`].
    pub fn enqueue_erasing(&mut self, draft: Draft, streams: &[StreamName]) -> Result<Ticket, AppendError> {
        let slots: Vec<u64> = self.read_index(|index| {
            let heads = streams.iter().filter_map(|stream| index.head(&index::stream_key(stream)));
            heads.map(|head| head.slot).filter(|slot| !self.core.shared.keystore.is_retired(*slot)).collect()
        });
        let (keystore, by) = (&Arc::clone(&self.core).shared.keystore, self.next_position);
        keystore.retire(&slots, by);
        self.enqueue(draft).inspect_err(|_| keystore.retire_not(by))
    }

    /// Finds or takes a data key for every record and enters the draft into the indexes.
    fn index(&self, draft: &Draft) -> Result<Vec<(u64, Sealer)>, AppendError> {
        let keystore = &self.core.shared.keystore;
        let key_error = |error: &dyn std::fmt::Display| AppendError::Poisoned(format!("data key: {error}"));
        let streams: Vec<StreamKey> =
            draft.records.iter().map(|record| index::stream_key(&record.stream)).collect();
        let mut index = self.core.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<(u64, Sealer)> = Vec::with_capacity(streams.len());
        // Streams that this draft begins, by the number of their first record.
        let mut begun: HashMap<StreamKey, usize, foldhash::fast::RandomState> = HashMap::default();
        for (number, stream) in streams.iter().enumerate() {
            let live = index.head(stream).map(|head| head.slot).filter(|slot| !keystore.is_retired(*slot));
            let live = match live.map(|slot| (slot, keystore.key(slot))) {
                // A tombstone whose execution is not in this log, which is older than its key file.
                None | Some((_, Err(KeyError::Erased { .. }))) => None,
                Some((slot, Ok(key))) => Some((slot, key)),
                Some((_, Err(error))) => return Err(key_error(&error)),
            };
            let key = match (live, begun.get(stream)) {
                (Some(live), _) => live,
                (None, Some(first)) => keys[*first].clone(),
                (None, None) => {
                    begun.insert(*stream, number);
                    keystore.take().map_err(|error| match error.kind() {
                        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => AppendError::DiskFull,
                        _ => key_error(&error),
                    })?
                }
            };
            keys.push(key);
        }
        index.reserve(streams.len());
        for (number, (record, stream)) in draft.records.iter().zip(streams).enumerate() {
            let (position, slot) = (self.next_position + number as u64, keys[number].0);
            index.push_event(EventEntry { position, event_id: record.event_id, stream, slot });
        }
        let (submission_id, chain) = (draft.submission_id, draft.chain.clone());
        index.push_leaf(LeafEntry { leaf: self.next_leaf, submission_id, chain });
        Ok(keys)
    }

    /// Leaf of a submission, those in flight included.
    pub fn find_submission(&self, id: &SubmissionId) -> Option<LeafIndex> {
        self.read_index(|index| index.submission(id)).map(LeafIndex::new)
    }

    /// Position of an event, those in flight included.
    pub fn find_event(&self, id: &EventId) -> Option<Position> {
        self.read_index(|index| index.event(id)).map(Position::new)
    }

    /// Number of events of a stream, those in flight included.
    pub fn stream_version(&self, stream: &StreamName) -> u64 {
        let key = index::stream_key(stream);
        self.read_index(|index| index.head(&key)).map_or(0, |head| head.version)
    }

    /// Number that a chain expects next, those in flight included; `None` where it never began.
    pub fn chain_next(&self, key: &str) -> Option<u64> {
        self.read_index(|index| index.chain(key))
    }

    /// Position of the next event, those in flight included.
    pub fn end(&self) -> Position {
        Position::new(self.next_position)
    }

    fn read_index<T>(&self, look: impl FnOnce(&index::Index) -> T) -> T {
        look(&self.core.shared.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why nothing is acknowledged any more, if so.
    pub fn poisoned(&self) -> Option<String> {
        self.core.lock_queue().poisoned.clone()
    }

    /// Writes what is queued, stops the writer and waits for it.
    pub fn close(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.core.lock_queue().stopping = true;
        self.core.scrub.stop();
        self.core.work.notify_all();
        self.core.progress.notify_all();
        for (number, thread) in self.threads.drain(..).enumerate() {
            if number == WRITERS {
                point!("close.drained");
                self.core.space.stop();
            }
            if thread.join().is_err() {
                tracing::error!("a log thread panicked");
            }
        }
        let indexing =
            std::mem::take(&mut *self.core.indexing.lock().unwrap_or_else(PoisonError::into_inner));
        // They hold the log's lock: whoever opens it again finds it free.
        for thread in indexing {
            run_as_usual(&thread);
            if thread.join().is_err() {
                tracing::error!("an index thread panicked");
            }
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Drop for Ticket {
    /// A ticket that nobody polled has not driven its draft.
    fn drop(&mut self) {
        if !self.driven {
            self.core.work.notify_one();
        }
    }
}

fn record_bytes(record: &RecordDraft) -> usize {
    record.header.len() + record.salt.len() + record.payload.len() + RECORD_OVERHEAD_BYTES
}

impl Queue {
    fn check(&self, config: &Config, events: usize, bytes: usize) -> Result<(), AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Poisoned(why.clone()));
        }
        if self.stopping {
            return Err(AppendError::Closed);
        }
        let full =
            self.events + events > config.queue_events_max || self.bytes + bytes > config.queue_bytes_max;
        if full && !self.pending.is_empty() { Err(AppendError::Full) } else { Ok(()) }
    }
}

impl Core {
    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_loop(core: &Self) {
        loop {
            {
                let mut queue = core.lock_queue();
                while queue.pending.is_empty() {
                    if queue.stopping {
                        return;
                    }
                    queue = core.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
            let build = core.build.lock().unwrap_or_else(PoisonError::into_inner);
            core.commit_next(build);
        }
    }

    /// Called by a ticket when it is first waited for: commits at once if nobody else does, or wakes a thread.
    pub(crate) fn commit_if_idle(&self) {
        let build = match self.build.try_lock() {
            Ok(build) => build,
            Err(TryLockError::Poisoned(build)) => build.into_inner(),
            Err(TryLockError::WouldBlock) => return self.work.notify_one(),
        };
        let inline = {
            let queue = self.lock_queue();
            !queue.disk_busy && !queue.pending.is_empty() && queue.bytes <= INLINE_BYTES_MAX
        };
        if inline {
            self.commit_next(build);
        } else {
            drop(build);
            self.work.notify_one();
        }
    }

    /// Builds one frame out of what waits, and once the disk is free, flushes it. Frames reach the disk in the order in
    /// which they were built, because `disk_busy` is taken under the build lock.
    fn commit_next(&self, mut build: MutexGuard<'_, Build>) {
        let mut queue = self.lock_queue();
        loop {
            if let Some(why) = queue.poisoned.clone() {
                let pending: Vec<_> = queue.pending.drain(..).collect();
                (queue.events, queue.bytes) = (0, 0);
                drop(queue);
                let open = build.open.take().map(|open| open.waiters).unwrap_or_default();
                for waiter in pending.into_iter().map(|pending| pending.done).chain(open) {
                    waiter.send(Err(AppendError::Poisoned(why.clone()))).ok();
                }
                return;
            }
            let room =
                build.open.as_ref().is_none_or(|open| open.frame.bytes() < self.config.frame_bytes_max);
            if room && let Some(pending) = queue.pending.pop_front() {
                queue.events -= pending.draft.records.len();
                queue.bytes -= pending.bytes;
                drop(queue);
                build.absorb(self, pending);
                queue = self.lock_queue();
                continue;
            }
            if build.open.is_none() {
                return;
            }
            if !queue.disk_busy {
                queue.disk_busy = true;
                break;
            }
            queue.builder_waits = true;
            queue = self.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.builder_waits = false;
        }
        drop(queue);
        let ready = build.finish();
        drop(build);
        if let Some(ready) = ready {
            self.flush(ready);
        }
    }

    fn flush(&self, mut ready: ReadyFrame) {
        if seeded!(AcknowledgeBeforeFlush) {
            self.shared.head.send_replace(Arc::clone(&ready.committed.head));
            self.shared.tree().push(&ready.hashes);
            for waiter in std::mem::take(&mut ready.waiters) {
                waiter.send(Ok(Arc::clone(&ready.committed))).ok();
            }
            ready.hashes.clear();
        }
        let outcome = {
            let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
            self.write_frame(&mut disk, &ready)
        };
        // KEY-1: what died with this frame is destroyed before anybody can read the frame. Where that fails, the frame stands, no
        // reader is served the keys, and the next start destroys them.
        let outcome = outcome.and_then(|()| self.shared.keystore.bury(ready.committed.head.end.get()));
        let outcome = match outcome {
            Ok(()) => {
                metrics::get().frames.inc();
                metrics::get()
                    .events
                    .inc_by(ready.committed.leaves.iter().map(|(_, _, count)| u64::from(*count)).sum());
                // LOG-2: the head moves, and tickets resolve, only behind the flush.
                self.shared.head.send_replace(Arc::clone(&ready.committed.head));
                point!("append.head-moved");
                Ok(Arc::clone(&ready.committed))
            }
            Err(error) => {
                let why = error.to_string();
                tracing::error!(error = %why, "the log could not be flushed; nothing is acknowledged until it is opened again");
                self.lock_queue().poisoned = Some(why.clone());
                Err(AppendError::Poisoned(why))
            }
        };
        let waiting = {
            let mut queue = self.lock_queue();
            queue.disk_busy = false;
            queue.unflushed -= ready.reserved;
            !queue.pending.is_empty()
        };
        self.progress.notify_all();
        if waiting {
            self.work.notify_one();
        }
        for waiter in ready.waiters {
            waiter.send(outcome.clone()).ok();
        }
        point!("append.answered");
        // Derived data: nobody waits for it.
        if let Err(error) = self.shared.tree().write() {
            tracing::warn!(%error, "the tree file could not be written; its hashes stay in memory");
        }
        point!("append.tree-written");
    }

    fn write_frame(&self, disk: &mut Disk, ready: &ReadyFrame) -> io::Result<()> {
        point!("append.begun");
        let length = ready.bytes.len() as u64;
        if disk.offset >= self.config.segment_bytes {
            self.roll(disk, ready, self.space.take_spare())?;
        } else if !self.space.is_prepared(disk.offset + length)
            && let Some(spare) = self.space.take_spare()
        {
            self.roll(disk, ready, Some(spare))?;
        }
        disk.commit.commit(&disk.segment.file, disk.offset, &ready.bytes)?;
        point!("append.flushed");
        let at = FrameRef {
            offset: disk.offset,
            length: ready.bytes.len() as u32,
            first_leaf: ready.committed.first_leaf,
            first_position: ready.first_position,
        };
        disk.segment.push_frame(at);
        disk.offset += length;
        self.space.advance(disk.offset);
        self.shared.tree().push(&ready.hashes);
        Ok(())
    }

    /// Seals the present segment and goes on in a new one that starts with this frame: the spare where one is ready.
    fn roll(&self, disk: &mut Disk, ready: &ReadyFrame, spare: Option<Spare>) -> io::Result<()> {
        point!("roll.begun");
        let header = SegmentHeader {
            first_leaf: ready.committed.first_leaf,
            first_position: ready.first_position,
            root: ready.start_root,
            origin: disk.segment.header.origin,
        };
        let (segment, prepared) = match spare {
            Some(spare) => (Segment::adopt(&self.shared.dir, header, spare.file, &spare.path)?, spare.bytes),
            None => (Segment::create(&self.shared.dir, header, 0)?, crate::segment::PAGE_BYTES),
        };
        let segment = Arc::new(segment);
        let old = std::mem::replace(&mut disk.segment, Arc::clone(&segment));
        disk.offset = crate::segment::PAGE_BYTES;
        self.space.switch(disk.offset, prepared);
        point!("roll.switched");
        let (leaves, positions) =
            (old.header.first_leaf..header.first_leaf, old.header.first_position..header.first_position);
        let frozen = {
            let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
            index.freeze(leaves, positions)
        };
        self.shared.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
        point!("roll.done");
        let thread = write_index(Arc::clone(&self.shared), old, frozen, header.first_leaf)?;
        let mut indexing = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        indexing.retain(|thread| !thread.is_finished());
        indexing.push(thread);
        Ok(())
    }
}

/// Writes a sealed segment's index on a thread of its own; until then its entries stay in memory. The tree file goes first,
/// see `tree.rs`.
fn write_index(
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    frozen: Arc<FrozenIndex>,
    leaves: u64,
) -> io::Result<JoinHandle<()>> {
    let run = move || {
        run_when_idle(true);
        let path: PathBuf = segment.path.with_extension("idx");
        let sealed = Arc::new(frozen.build(segment.frames()));
        let written = flush_tree(&shared, leaves).and_then(|()| sealed.write(&path));
        if let Err(error) = written {
            tracing::warn!(%error, "a segment's index could not be written; it is built again at the next start");
        }
        // Whoever appends waits for this lock, so nobody holds it while waiting for idle time.
        run_when_idle(false);
        shared.index.write().unwrap_or_else(PoisonError::into_inner).thaw(&frozen, sealed);
        point!("index.thawed");
    };
    thread::Builder::new().name("log-index".into()).spawn(run)
}

/// Makes the hashes of the first `leaves` leaves durable.
fn flush_tree(shared: &Shared, leaves: u64) -> io::Result<()> {
    let file = {
        let mut tree = shared.tree();
        tree.write()?;
        tree.file_with(stored::stored_count(leaves))
    };
    let file = file.ok_or_else(|| io::Error::other("the tree file is behind"))?;
    if !seeded!(SkipTreeFlush) {
        file.sync_data()?;
    }
    point!("index.tree-flushed");
    Ok(())
}

impl Build {
    /// Gives a draft its place in the frame: seals its records, makes its leaf, extends the tree.
    fn absorb(&mut self, core: &Core, pending: Pending) {
        let (first_leaf, epoch, next_position) = (self.frontier.size(), self.epoch, self.next_position);
        let frontier = &self.frontier;
        let open = self.open.get_or_insert_with(|| OpenFrame {
            frame: FrameBuilder::new(first_leaf, next_position, epoch),
            hashes: Vec::new(),
            leaves: Vec::new(),
            waiters: Vec::new(),
            start_root: frontier.root(),
            reserved: 0,
        });
        open.reserved += pending.bytes;
        let Draft { records, leaf, .. } = pending.draft;
        let first_position = open.frame.next_position();
        let mut digests = Vec::with_capacity(records.len());
        for (record, (slot, key)) in records.iter().zip(&pending.keys) {
            let nonce = seal::nonce(epoch, open.frame.next_position());
            let name = record.stream.as_str().as_bytes();
            let header = if core.shared.schema == Schema::Access { name } else { &record.header };
            let aad = sha256(&[header]);
            let clear: [&[u8]; 2] = [&record.salt, &record.payload];
            let seal = |clear: &mut [u8]| key.seal_in_place(nonce, &aad, clear);
            let sealed = open.frame.push_record(*slot, &key.commitment(), header, clear, seal);
            digests.push(sha256(&[sealed]));
        }
        point!("append.sealed");
        self.last_admitted = self.last_admitted.max(core.clock.now());
        let assigned = Assigned {
            leaf_index: LeafIndex::new(open.frame.next_leaf()),
            first_position: Position::new(first_position),
            admitted_at: self.last_admitted,
            sealed_root: simpul_tlog::tree_hash(digests.iter().map(|digest| digest.as_slice())),
        };
        let bytes = leaf(&assigned);
        assert!(bytes.len() <= LEAF_BYTES_MAX, "a leaf fits an entry of a tile");
        open.frame.push_leaf(&bytes, records.len());
        self.frontier.push(simpul_tlog::leaf_hash(&bytes), &mut open.hashes);
        open.leaves.push((bytes, first_position, records.len() as u32));
        open.waiters.push(pending.done);
        self.next_position = open.frame.next_position();
        // LOG-1: positions are gapless.
        assert_eq!(self.next_position, first_position + records.len() as u64, "LOG-1");
        point!("append.absorbed");
    }

    /// Closes the open frame: root, signed checkpoint, bytes.
    fn finish(&mut self) -> Option<ReadyFrame> {
        let open = self.open.take()?;
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let trailer = FrameTrailer { tree_size: size, root, previous_signature: self.previous_signature };
        let checkpoint = Checkpoint { origin: self.signer.name().into(), size, root };
        let body = checkpoint.body();
        // Ed25519 is deterministic: signing before the flush discloses nothing, as the note leaves only behind it.
        self.previous_signature = self.signer.raw_sign(&body);
        let note = checkpoint.with_signature(&self.signer.verifier(), &self.previous_signature);
        point!("append.signed");
        let head = Arc::new(Head {
            size: LeafIndex::new(size),
            end: Position::new(self.next_position),
            root,
            checkpoint: note,
        });
        let (first_leaf, first_position) = (open.frame.first_leaf, open.frame.first_position);
        let committed = Arc::new(Committed { head, first_leaf, leaves: open.leaves });
        Some(ReadyFrame {
            bytes: open.frame.finish(&trailer),
            hashes: open.hashes,
            committed,
            waiters: open.waiters,
            first_position,
            start_root: open.start_root,
            reserved: open.reserved,
        })
    }
}
