//! A run: sorted rows in one file that is written once and never changed.
//!
//! | part | bytes |
//! |---|---|
//! | [`MAGIC`] | 8 |
//! | pages ([`super::page`]), each sealed by itself | |
//! | index, sealed: per page its first key (varint length ‖ bytes) and its sealed length (varint) | |
//! | filter ([`super::filter`]), sealed | |
//!
//! Where the parts end stands in the manifest. Index and filter are in memory while the run is in use: about two bytes a
//! row. The filter knows the rows that are looked up by their whole key ([`key::is_sought`]). A sealed part that does not open is damage, and the whole state is derived again.

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Bound,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use prost::encoding::{decode_varint, encode_varint};
use simpul_signing::StateSealer;

use super::{
    cache::Cache,
    filter::Filter,
    hash::spread,
    manifest::RunEntry,
    page::{self, PAGE_BYTES, Page},
    walk::{Cursor, Span},
};
use crate::{error::StateError, key};

const MAGIC: &[u8; 8] = b"SIMPRUN\x01";
/// Bytes of pages that a walk over everything reads at once.
const AHEAD_BYTES: u64 = 256 << 10;
const HASHES_AT_ONCE: usize = 256;

pub(crate) struct Run {
    pub(crate) entry: RunEntry,
    file: File,
    path: PathBuf,
    sealer: StateSealer,
    index: Index,
    filter: Filter,
}

/// First key and place of every page.
#[derive(Default)]
struct Index {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    page_ends: Vec<u64>,
}

impl Index {
    fn push(&mut self, first_key: &[u8], page_end: u64) {
        self.keys.extend_from_slice(first_key);
        self.key_ends.push(self.keys.len() as u32);
        self.page_ends.push(page_end);
    }

    fn pages(&self) -> usize {
        self.page_ends.len()
    }

    fn first_key(&self, page: usize) -> &[u8] {
        let start = page.checked_sub(1).map_or(0, |before| self.key_ends[before] as usize);
        &self.keys[start..self.key_ends[page] as usize]
    }

    fn start(&self, page: usize) -> u64 {
        page.checked_sub(1).map_or(MAGIC.len() as u64, |before| self.page_ends[before])
    }

    /// Number of pages whose first key is at most `key`.
    fn upto(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.pages());
        while low < high {
            let middle = low.midpoint(high);
            if self.first_key(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.keys.len() + self.pages() * 4);
        for page in 0..self.pages() {
            let key = self.first_key(page);
            encode_varint(key.len() as u64, &mut bytes);
            bytes.extend_from_slice(key);
            encode_varint(self.page_ends[page] - self.start(page), &mut bytes);
        }
        bytes
    }

    fn decode(mut rest: &[u8]) -> Option<Self> {
        let (mut index, mut end) = (Self::default(), MAGIC.len() as u64);
        while !rest.is_empty() {
            let length = decode_varint(&mut rest).ok()?;
            let (key, after) = rest.split_at_checked(length as usize)?;
            rest = after;
            end += decode_varint(&mut rest).ok()?;
            index.push(key, end);
        }
        Some(index)
    }
}

pub(crate) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:012}.run"))
}

impl Run {
    pub(crate) fn open(dir: &Path, entry: RunEntry, sealer: &StateSealer) -> Result<Self, StateError> {
        let path = path(dir, entry.id);
        let file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StateError::Damaged("a run is missing"),
            _ => StateError::Folder(error),
        })?;
        let end = entry.pages_end + entry.index_bytes + entry.filter_bytes;
        if file.metadata()?.len() != end {
            return Err(StateError::Damaged("a run has another length"));
        }
        let read = |from: u64, length: u64| {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, from)?;
            sealer.open(&bytes).map_err(|_| StateError::Sealed)
        };
        let index = Index::decode(&read(entry.pages_end, entry.index_bytes)?);
        let filter = Filter::decode(&read(entry.pages_end + entry.index_bytes, entry.filter_bytes)?);
        let (Some(index), Some(filter)) = (index, filter) else { return Err(StateError::Row) };
        Ok(Self { entry, file, path, sealer: sealer.clone(), index, filter })
    }

    /// What the run says of a key: nothing, removed, or its value.
    pub(crate) fn get<R>(
        &self,
        key: &[u8],
        hash: u64,
        cache: &Cache,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<Option<R>>, StateError> {
        if key::is_sought(key) && !self.filter.may_hold(hash) {
            return Ok(None);
        }
        let Some(page) = self.index.upto(key).checked_sub(1) else { return Ok(None) };
        let bytes = self.page(page, cache)?;
        Ok(page::find(&bytes, key)?.map(|value| value.map(take)))
    }

    fn page(&self, number: usize, cache: &Cache) -> Result<Arc<[u8]>, StateError> {
        let place = (self.entry.id, number as u64);
        if let Some(page) = cache.get(place) {
            return Ok(page);
        }
        let page = self.open_page(number, &self.read(number, number + 1)?)?;
        cache.put(place, Arc::clone(&page));
        Ok(page)
    }

    /// The sealed bytes of pages `from..to`.
    fn read(&self, from: usize, to: usize) -> Result<Vec<u8>, StateError> {
        let start = self.index.start(from);
        let mut bytes = vec![0; (self.index.start(to) - start) as usize];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    fn open_page(&self, number: usize, sealed: &[u8]) -> Result<Arc<[u8]>, StateError> {
        let page = self.sealer.open(sealed).map_err(|_| StateError::Sealed)?;
        // A page that opens may still be another one, put there by somebody: it would answer wrongly for ever.
        if page::first_key(&page)? != self.index.first_key(number) {
            return Err(StateError::Damaged("a page stands in another's place"));
        }
        Ok(page.into())
    }

    /// Removes the file; whoever still reads it can go on.
    pub(crate) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "a run that is no longer needed stays until the next start");
        }
    }
}

/// Walks a run, either way.
pub(crate) struct RunCursor<'a> {
    run: &'a Run,
    /// Pages are kept there; without, they are read ahead and forgotten.
    cache: Option<&'a Cache>,
    span: &'a Span,
    back: bool,
    number: usize,
    page: Page,
    row: usize,
    done: bool,
    ahead: Vec<u8>,
    ahead_pages: std::ops::Range<usize>,
}

impl<'a> RunCursor<'a> {
    pub(crate) fn new(
        run: &'a Run,
        span: &'a Span,
        back: bool,
        cache: Option<&'a Cache>,
    ) -> Result<Self, StateError> {
        let edge = if back { &span.to } else { &span.from };
        let number = match edge {
            Bound::Included(key) | Bound::Excluded(key) => run.index.upto(key).checked_sub(1),
            Bound::Unbounded if back => run.index.pages().checked_sub(1),
            Bound::Unbounded => Some(0),
        };
        let mut cursor = Self {
            run,
            cache,
            span,
            back,
            number: number.unwrap_or(0),
            page: Page::default(),
            row: 0,
            // Before the first page there is nothing below, and everything above.
            done: run.index.pages() == 0 || (back && number.is_none()),
            ahead: Vec::new(),
            ahead_pages: 0..0,
        };
        if !cursor.done {
            cursor.load()?;
            cursor.skip()?;
        }
        Ok(cursor)
    }

    fn load(&mut self) -> Result<(), StateError> {
        let bytes = match self.cache {
            Some(cache) => self.run.page(self.number, cache)?,
            None => self.load_ahead()?,
        };
        self.page = Page::read(bytes)?;
        self.row = if self.back { self.page.len().saturating_sub(1) } else { 0 };
        Ok(())
    }

    fn load_ahead(&mut self) -> Result<Arc<[u8]>, StateError> {
        let index = &self.run.index;
        if !self.ahead_pages.contains(&self.number) {
            let start = index.start(self.number);
            let many = index.page_ends[self.number..].partition_point(|end| end - start <= AHEAD_BYTES);
            let to = if self.back { self.number + 1 } else { self.number + many.max(1) };
            self.ahead = self.run.read(self.number, to)?;
            self.ahead_pages = self.number..to;
        }
        let base = index.start(self.ahead_pages.start);
        let from = (index.start(self.number) - base) as usize;
        let to = (index.page_ends[self.number] - base) as usize;
        self.run.open_page(self.number, &self.ahead[from..to])
    }

    /// Steps over rows before the span, at its beginning.
    fn skip(&mut self) -> Result<(), StateError> {
        while !self.done {
            let key = self.page.key(self.row);
            let before = if self.back { !self.span.ends(key) } else { !self.span.begins(key) };
            if !before {
                break;
            }
            self.advance()?;
        }
        self.check_end();
        Ok(())
    }

    fn check_end(&mut self) {
        if !self.done {
            let key = self.page.key(self.row);
            self.done = if self.back { !self.span.begins(key) } else { !self.span.ends(key) };
        }
    }

    fn advance(&mut self) -> Result<(), StateError> {
        let last = if self.back { 0 } else { self.page.len() - 1 };
        if self.row != last {
            self.row = if self.back { self.row - 1 } else { self.row + 1 };
            return Ok(());
        }
        let last = if self.back { 0 } else { self.run.index.pages() - 1 };
        if self.number == last {
            self.done = true;
            return Ok(());
        }
        self.number = if self.back { self.number - 1 } else { self.number + 1 };
        self.load()
    }
}

impl Cursor for RunCursor<'_> {
    fn key(&self) -> Option<&[u8]> {
        (!self.done).then(|| self.page.key(self.row))
    }

    fn value(&self) -> Option<&[u8]> {
        if self.done { None } else { self.page.value(self.row) }
    }

    fn step(&mut self) -> Result<(), StateError> {
        self.advance()?;
        self.check_end();
        Ok(())
    }
}

/// Writes a run; rows MUST come in ascending order, each key once.
pub(crate) struct RunWriter {
    id: u64,
    level: u32,
    path: PathBuf,
    out: BufWriter<File>,
    sealer: StateSealer,
    page: Vec<u8>,
    first_key: Vec<u8>,
    index: Index,
    filter: Filter,
    /// Hashes that the filter is to know; many at once, so that one does not wait for the memory that another needs.
    hashes: Vec<u64>,
    rows: u64,
    sought: u64,
    end: u64,
}

impl RunWriter {
    /// `sought_about`: rows that are looked up by their whole key, or somewhat more.
    pub(crate) fn create(
        dir: &Path,
        id: u64,
        level: u32,
        sought_about: u64,
        sealer: &StateSealer,
    ) -> Result<Self, StateError> {
        let path = path(dir, id);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(MAGIC)?;
        Ok(Self {
            id,
            level,
            path,
            out,
            sealer: sealer.clone(),
            page: Vec::with_capacity(PAGE_BYTES + 256),
            first_key: Vec::new(),
            index: Index::default(),
            filter: Filter::new(sought_about),
            hashes: Vec::with_capacity(HASHES_AT_ONCE),
            rows: 0,
            sought: 0,
            end: MAGIC.len() as u64,
        })
    }

    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StateError> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        if !self.page.is_empty() && self.page.len() + bytes > PAGE_BYTES {
            self.end_page()?;
        }
        if self.page.is_empty() {
            self.first_key = key.to_vec();
        }
        page::push(&mut self.page, key, value);
        if key::is_sought(key) {
            self.hashes.push(spread(key));
            self.sought += 1;
            if self.hashes.len() == HASHES_AT_ONCE {
                self.fill_filter();
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn fill_filter(&mut self) {
        for hash in self.hashes.drain(..) {
            self.filter.add(hash);
        }
    }

    fn end_page(&mut self) -> Result<(), StateError> {
        let sealed = self.sealer.seal(&self.page);
        self.out.write_all(&sealed)?;
        self.end += sealed.len() as u64;
        self.index.push(&self.first_key, self.end);
        self.page.clear();
        Ok(())
    }

    /// The run, on stable storage; only the manifest makes it part of the state.
    pub(crate) fn finish(mut self) -> Result<Run, StateError> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        self.fill_filter();
        let index = self.sealer.seal(&self.index.encode());
        self.out.write_all(&index)?;
        let filter = self.sealer.seal(&self.filter.encode());
        self.out.write_all(&filter)?;
        let file = self.out.into_inner().map_err(|error| error.into_error())?;
        file.sync_data()?;
        let entry = RunEntry {
            id: self.id,
            level: self.level,
            rows: self.rows,
            sought: self.sought,
            pages_end: self.end,
            index_bytes: index.len() as u64,
            filter_bytes: filter.len() as u64,
        };
        let Self { path, sealer, index, filter, .. } = self;
        Ok(Run { entry, file, path, sealer, index, filter })
    }
}
