//! Reads every sealed segment again and again, slowly and only when nobody else wants the processor, so that a disk that
//! forgets is found before the last good copy is gone. The first pass is the verification that opening a log leaves out.
//!
//! Frames are held against their checksums, their leaves against the tree, and the stored hashes, which are derived, against
//! the leaves: a wrong stored hash is put right at once. Everything else that is wrong is damage (`damage.rs`).

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use simpul_tlog::stored::{self, Frontier};
use simpul_types::background::run_when_idle;

use crate::{
    append::Core,
    damage::Damage,
    frame::Frame,
    metrics,
    pieces::whole,
    reader::Shared,
    segment::{self, FrameRef, Segment},
};

/// Between two passes: what rots, rots slowly.
const PASS_PAUSE: Duration = Duration::from_secs(3_600);
/// How often an idle scrub looks whether another segment was sealed for its first pass.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Stops and paces the thread.
#[derive(Default)]
pub(crate) struct Scrub {
    stopping: Mutex<bool>,
    changed: Condvar,
}

impl Scrub {
    pub(crate) fn stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps; true where the log stops.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(stopping, left);
            stopping = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The thread.
    pub(crate) fn run(core: &Core) {
        let rate = core.config.scrub_bytes_per_second;
        if rate == 0 {
            return;
        }
        run_when_idle(true);
        loop {
            let started = Instant::now();
            let segments = sealed(&core.shared);
            if segments.is_empty() {
                if core.scrub.pause(LOOK_EVERY) {
                    return;
                }
                continue;
            }
            let mut pass = Pass::new(core, rate);
            pass.begin(&segments);
            for segment in &segments {
                match pass.segment(segment) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        tracing::warn!(segment = segment.name(), %error, "the scrub could not read a segment");
                        pass.frontier = None;
                    }
                }
            }
            pass.end(segments.len(), started);
            drop(segments);
            if core.scrub.pause(PASS_PAUSE) {
                return;
            }
        }
    }
}

/// All segments but the one in use.
fn sealed(shared: &Shared) -> Vec<Arc<Segment>> {
    let segments = shared.segments.read().unwrap_or_else(PoisonError::into_inner);
    segments[..segments.len().saturating_sub(1)].to_vec()
}

/// One way through the log.
struct Pass<'a> {
    core: &'a Core,
    shared: &'a Shared,
    rate: u64,
    /// `None` where damage hides the leaves and the stored hashes do not lead over it.
    frontier: Option<Frontier>,
    /// Bytes read, and since when, for the pace.
    read: u64,
    since: Instant,
}

impl<'a> Pass<'a> {
    fn new(core: &'a Core, rate: u64) -> Self {
        let frontier = Some(Frontier::empty());
        Self { core, shared: &core.shared, rate, frontier, read: 0, since: Instant::now() }
    }

    fn begin(&self, segments: &[Arc<Segment>]) {
        let bytes = segments.iter().map(|segment| segment.used_bytes()).sum();
        let mut damages = self.shared.damages();
        (damages.scrub.bytes, damages.scrub.bytes_total) = (0, bytes);
    }

    fn end(&self, segments: usize, started: Instant) {
        let mut damages = self.shared.damages();
        damages.scrub.passes += 1;
        metrics::get().scrub_passes.inc();
        tracing::info!(
            dir = %self.shared.dir.display(),
            segments,
            bytes = self.read,
            seconds = started.elapsed().as_secs(),
            damages = damages.condition().damages.len(),
            "scrub pass ended"
        );
    }

    /// False where the log stops.
    fn segment(&mut self, segment: &Arc<Segment>) -> io::Result<bool> {
        self.header(segment)?;
        let frames = segment.frames();
        for (number, at) in frames.iter().enumerate() {
            if !self.pace(u64::from(at.length)) {
                return Ok(false);
            }
            let next = frames.get(number + 1);
            let fault = match segment.read_frame(*at)? {
                Ok(frame) => match self.frame(*at, &frame)? {
                    Ok(()) => continue,
                    Err((leaf, position, what)) => (leaf, position, what),
                },
                Err(fault) => (at.first_leaf, at.first_position, fault.to_string()),
            };
            let (leaf, position, what) = fault;
            let end = next.map(|next| (next.first_leaf, next.first_position));
            let end = end.or_else(|| self.shared.start_after(segment)).unwrap_or((leaf + 1, position + 1));
            self.frontier = Frontier::load(end.0, &*self.shared.tree()).ok();
            self.shared.damages().add(Damage {
                file: segment.name(),
                leaves: at.first_leaf..end.0,
                positions: at.first_position..end.1,
                leaf,
                position,
                what,
            });
        }
        Ok(true)
    }

    fn header(&mut self, segment: &Segment) -> io::Result<()> {
        let page = segment.read(0, segment::PAGE_BYTES as usize)?;
        if page[..] != segment.header.encode()[..] {
            let (leaf, position) = (segment.header.first_leaf, segment.header.first_position);
            self.shared.damages().add(Damage {
                file: segment.name(),
                leaves: leaf..leaf,
                positions: position..position,
                leaf,
                position,
                what: "segment header".into(),
            });
        }
        if let Some(frontier) = &self.frontier
            && (frontier.size(), frontier.root()) != (segment.header.first_leaf, segment.header.root)
        {
            self.frontier = Frontier::load(segment.header.first_leaf, &*self.shared.tree()).ok();
        }
        Ok(())
    }

    #[allow(clippy::type_complexity, reason = "the place and the words of one finding")]
    fn frame(&mut self, at: FrameRef, frame: &Frame) -> io::Result<Result<(), (u64, u64, String)>> {
        if (frame.header.first_leaf, frame.header.first_position) != (at.first_leaf, at.first_position) {
            return Ok(Err((at.first_leaf, at.first_position, "another frame stands here".into())));
        }
        if let Err(fault) = whole(frame) {
            let (leaf, position) = frame.place_of(fault);
            return Ok(Err((leaf, position, fault.to_string())));
        }
        let Some(frontier) = &mut self.frontier else { return Ok(Ok(())) };
        let mut hashes = Vec::new();
        for leaf in frame.leaves().flatten() {
            frontier.push(simpul_tlog::leaf_hash(&leaf.bytes), &mut hashes);
        }
        let right = frame
            .trailer()
            .is_ok_and(|trailer| (trailer.tree_size, trailer.root) == (frontier.size(), frontier.root()));
        if !right {
            let what = "the leaves do not give the root in the frame's trailer";
            return Ok(Err((at.first_leaf, at.first_position, what.into())));
        }
        let mended = self.shared.tree().mend(stored::stored_count(at.first_leaf), &hashes)?;
        if mended > 0 {
            metrics::get().hashes_mended.inc_by(mended);
            tracing::warn!(
                hashes = mended,
                leaf = at.first_leaf,
                "stored hashes were not those of the leaves and were written anew"
            );
        }
        Ok(Ok(()))
    }

    /// Waits so long that the rate is kept; false where the log stops.
    fn pace(&mut self, bytes: u64) -> bool {
        self.read += bytes;
        metrics::get().scrub_bytes.inc_by(bytes);
        self.shared.damages().scrub.bytes = self.read;
        let due = Duration::from_secs_f64(self.read as f64 / self.rate as f64);
        let ahead = due.saturating_sub(self.since.elapsed());
        // Short sleeps cost more than they pace.
        if ahead < Duration::from_millis(20) {
            thread::yield_now();
            return !*self.core.scrub.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        }
        !self.core.scrub.pause(ahead)
    }
}
