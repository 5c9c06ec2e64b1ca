//! One key space after the other, range by range: compared, asked for, written.

use super::Rebuild;
use crate::fingerprint::{self, Contents, Loaded, Parts, Place, load};
use crate::peer::{ContentRange, ContentRow, ContentStep};
use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use base::{Error, Result, SqlState, StorageId, Timestamp};
use bytes::Bytes;
use format::{ColumnLayout, TableChunks};
use partition::Partition;
use state::{BaseBuilder, TableBuilder};
use std::collections::HashSet;
use std::sync::Arc;

/// A range has about so many rows, fewer if they are wide: it is held in memory.
const RANGE_ROWS: usize = 1 << 16;
/// And about so many bytes.
const RANGE_BYTES: u64 = 8 << 20;
/// Rows take about so many times the room in memory that they take in chunks.
const WIDENING: u64 = 4;
/// A key space is cut into so many ranges at most.
const RANGES_MAX: usize = 1 << 14;
/// Where a range differs, parts of so many rows are compared.
const LEAF_ROWS: usize = 64;

/// A key space of one partition.
pub(super) struct Site<'a> {
    pub partition: u16,
    pub donor: &'a Arc<Partition>,
    pub storage: StorageId,
    pub columns: &'a [ColumnLayout],
    /// What is here can be read with these columns.
    pub readable: bool,
    pub rows: usize,
}

/// What came of asking for rows.
pub(super) struct Fetched {
    pub rows: Vec<ContentRow>,
    /// Hashes of rows that are here and not there.
    pub lost: HashSet<u64>,
}

/// What becomes of a range.
enum Outcome {
    /// These rows.
    Rows(Option<RecordBatch>),
    /// The source has far more in it: it is cut there.
    Cut(Vec<Bytes>),
}

impl Rebuild {
    pub(super) async fn table(
        &self,
        index: usize,
        storage: StorageId,
        columns: &[ColumnLayout],
        builder: &BaseBuilder,
    ) -> Result<TableChunks> {
        let site = self.site(index, storage, columns)?;
        let mut out = builder.table(storage, columns.to_vec());
        let (start, end) = fingerprint::shared_range(storage, self.own_rights);
        out = self.keep(&site, &format::key::range(storage).0, &start, out).await?;
        let mut cuts = match site.readable {
            true => site.cuts(&start, &end).await?,
            false => Vec::new(),
        };
        // Where rows are appended the source may have very many more.
        let tail = cuts.last().cloned().unwrap_or_else(|| start.clone());
        cuts.extend(self.cuts_there(&site, &site.range(&tail, &end)).await?);
        // The last is the next: keys ascend.
        let mut open: Vec<(Bytes, Bytes)> = fingerprint::parts((&start, &end), &cuts).collect();
        open.reverse();
        while let Some((start, end)) = open.pop() {
            match self.range(&site, &start, &end).await? {
                Outcome::Cut(cuts) => {
                    let parts: Vec<_> = fingerprint::parts((&start, &end), &cuts).collect();
                    open.extend(parts.into_iter().rev());
                }
                Outcome::Rows(None) => {}
                Outcome::Rows(Some(batch)) => {
                    let write = move || out.write(&batch).map(|()| out);
                    out = self.blocking(write).await?;
                }
            }
        }
        self.blocking(move || out.finish()).await
    }

    /// A key space that is of this side alone: what is here stays.
    pub(super) async fn own(
        &self,
        index: usize,
        storage: StorageId,
        columns: &[ColumnLayout],
        builder: &BaseBuilder,
    ) -> Result<TableChunks> {
        let site = self.site(index, storage, columns)?;
        let out = builder.table(storage, columns.to_vec());
        let (start, end) = format::key::range(storage);
        let out = self.keep(&site, &start, &end, out).await?;
        self.blocking(move || out.finish()).await
    }

    /// Writes down what is here in a range.
    async fn keep(
        &self,
        site: &Site<'_>,
        start: &Bytes,
        end: &Bytes,
        mut out: TableBuilder,
    ) -> Result<TableBuilder> {
        if start == end || !site.readable {
            return Ok(out);
        }
        let cuts = site.cuts(start, end).await?;
        for (start, end) in fingerprint::parts((start, end), &cuts) {
            let place = site.place(&start, &end);
            let mine = load(&site.contents(), &place, site.columns).await?;
            if let Some(batch) = merge(site, &mine, None)? {
                let write = move || out.write(&batch).map(|()| out);
                out = self.blocking(write).await?;
            }
        }
        Ok(out)
    }

    fn site<'a>(
        &'a self,
        index: usize,
        storage: StorageId,
        columns: &'a [ColumnLayout],
    ) -> Result<Site<'a>> {
        let donor = self.donors.get(index).ok_or_else(|| Error::internal("no such partition"))?;
        Ok(Site {
            partition: donor.number(),
            donor,
            storage,
            columns,
            readable: self.is_readable(donor, storage, columns),
            rows: range_rows(donor, storage),
        })
    }

    /// False if a column here has another type: two tables got the same number on the two sides.
    pub(super) fn is_readable(
        &self,
        donor: &Partition,
        storage: StorageId,
        columns: &[ColumnLayout],
    ) -> bool {
        let manifest = donor.manifest();
        let stored = manifest.table(storage).map(|t| t.columns.as_slice()).unwrap_or_default();
        let stored = stored.iter().map(|c| (c.id, c.ty));
        let table = self.tables.get(&storage);
        let named = table.iter().flat_map(|t| t.columns.iter().map(|c| (c.id, c.ty)));
        stored.chain(named).all(|(id, ty)| columns.iter().all(|c| c.id != id || c.ty == ty))
    }

    async fn range(&self, site: &Site<'_>, start: &Bytes, end: &Bytes) -> Result<Outcome> {
        let mine = match site.readable {
            true => load(&site.contents(), &site.place(start, end), site.columns).await?,
            false => Loaded::default(),
        };
        let range = site.range(start, end);
        let there = self.sums(&range, Vec::new()).await?[0];
        let same = there == mine.sum();
        if !same && there.rows > 2 * (mine.rows.len().max(site.rows) as u64) {
            let cuts = self.cuts_there(site, &range).await?;
            if !cuts.is_empty() {
                return Ok(Outcome::Cut(cuts));
            }
        }
        let fetched = match same {
            true => None,
            false => Some(self.difference(&range, &mine).await?),
        };
        if let (Some(fetched), Some(stranded)) = (&fetched, &self.stranded) {
            stranded.look(site, &mine, fetched, &self.tables)?;
        }
        let rows = merge(site, &mine, fetched.as_ref())?;
        let count = rows.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        if there.rows != count {
            let message = format!("a range came out with {count} rows instead of {}", there.rows);
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        let mut figures = self.figures.lock();
        figures.ranges += 1;
        figures.rows += count;
        if let Some(fetched) = fetched {
            figures.differing += 1;
            figures.shipped_rows += fetched.rows.len() as u64;
        }
        Ok(Outcome::Rows(rows))
    }

    /// Keys that cut what the source has in a range.
    async fn cuts_there(&self, site: &Site<'_>, range: &ContentRange) -> Result<Vec<Bytes>> {
        let rows = u32::try_from(site.rows).unwrap_or(u32::MAX);
        let cuts = self.ask(ContentStep::Cuts { range: range.clone(), rows }).await?.cuts;
        let inside = |cut: &Bytes| range.start < *cut && *cut < range.end;
        if cuts.iter().all(inside) && cuts.is_sorted_by(|a, b| a < b) {
            return Ok(cuts);
        }
        let message = "the source cuts a range where it is not";
        Err(Error::new(SqlState::PROTOCOL_VIOLATION, message))
    }

    async fn sums(&self, range: &ContentRange, cuts: Vec<Bytes>) -> Result<Vec<fingerprint::Sum>> {
        let wanted = cuts.len() + 1;
        let sums = self.ask(ContentStep::Sums { range: range.clone(), cuts }).await?.sums;
        if sums.len() == wanted {
            return Ok(sums);
        }
        let message = "the source answered with other key ranges than it was asked for";
        Err(Error::new(SqlState::PROTOCOL_VIOLATION, message))
    }

    /// What differs in a range of which the fingerprints do.
    async fn difference(&self, range: &ContentRange, mine: &Loaded) -> Result<Fetched> {
        let cuts = mine.cuts(LEAF_ROWS);
        let here = mine.sums(&cuts);
        let there = match cuts.is_empty() {
            // There is nothing to make smaller.
            true => Vec::new(),
            false => self.sums(range, cuts.clone()).await?,
        };
        let parts = fingerprint::parts((&range.start, &range.end), &cuts).enumerate();
        let differing = parts.filter(|(i, _)| there.get(*i) != here.get(*i));
        let mut wanted: Vec<(Bytes, Bytes)> = Vec::new();
        let mut have = Vec::new();
        for (_, (start, end)) in differing {
            have.extend(mine.within(&start, &end).iter().map(|row| row.hash));
            match wanted.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => wanted.push((start, end)),
            }
        }
        self.rows(range, wanted, have).await
    }

    /// The rows of some parts that are not among those that are here.
    pub(super) async fn rows(
        &self,
        range: &ContentRange,
        mut parts: Vec<(Bytes, Bytes)>,
        have: Vec<u64>,
    ) -> Result<Fetched> {
        let mut fetched = Fetched { rows: Vec::new(), lost: HashSet::new() };
        let mut first = true;
        while let (Some(from), Some(to)) = (parts.first(), parts.last()) {
            let (start, end) = (from.0.clone(), to.1.clone());
            let range = ContentRange { start, end, ..range.clone() };
            let (parts_now, have) = (parts.clone(), have.clone());
            let answer = self.ask(ContentStep::Rows { range, parts: parts_now, have }).await?;
            if std::mem::take(&mut first) {
                fetched.lost.extend(answer.lost);
            }
            fetched.rows.extend(answer.rows);
            let Some(next) = answer.next else { break };
            if next <= parts[0].0 {
                let message = "the source does not get on with the rows it was asked for";
                return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
            }
            parts.retain(|(_, end)| *end > next);
            if let Some(first) = parts.first_mut() {
                first.0 = first.0.clone().max(next);
            }
        }
        let inside = |row: Option<&ContentRow>| row.is_none_or(|r| within(range, &r.key));
        let ends = inside(fetched.rows.first()) && inside(fetched.rows.last());
        if ends && fetched.rows.is_sorted_by(|a, b| a.key < b.key) {
            return Ok(fetched);
        }
        let message = "the source's rows are out of order, or none that it was asked for";
        Err(Error::new(SqlState::PROTOCOL_VIOLATION, message))
    }
}

impl Site<'_> {
    pub(super) fn contents(&self) -> Contents {
        Contents::Stored(self.donor.clone())
    }

    pub(super) fn place(&self, start: &Bytes, end: &Bytes) -> Place {
        let (start, end) = (start.clone(), end.clone());
        Place { at: Timestamp::MAX, storage: self.storage, start, end }
    }

    /// Where a range of what is here is cut, so that each part is of a size to be compared.
    async fn cuts(&self, start: &Bytes, end: &Bytes) -> Result<Vec<Bytes>> {
        let parts = Parts { rows: self.rows, max: RANGES_MAX };
        fingerprint::cuts(&self.contents(), &self.place(start, end), parts).await
    }

    fn range(&self, start: &Bytes, end: &Bytes) -> ContentRange {
        let (start, end) = (start.clone(), end.clone());
        ContentRange { partition: self.partition, storage: self.storage, start, end }
    }
}

fn within(range: &ContentRange, key: &Bytes) -> bool {
    range.start <= *key && *key < range.end
}

fn range_rows(donor: &Partition, storage: StorageId) -> usize {
    let manifest = donor.manifest();
    let files = manifest.table(storage).into_iter().flat_map(|t| t.files());
    let (rows, bytes) = files.fold((0, 0), |(rows, bytes), c| (rows + c.rows, bytes + c.bytes));
    let width = (bytes * WIDENING).checked_div(rows).unwrap_or(0).max(1);
    usize::try_from(RANGE_BYTES / width).unwrap_or(RANGE_ROWS).clamp(256, RANGE_ROWS)
}

/// The rows that are the same, and those that came, by key.
fn merge(site: &Site<'_>, mine: &Loaded, fetched: Option<&Fetched>) -> Result<Option<RecordBatch>> {
    let came = fetched.map(|f| f.rows.as_slice()).unwrap_or_default();
    let lost = |hash: u64| fetched.is_some_and(|f| f.lost.contains(&hash));
    let new = came.iter().map(|r| (r.key.as_ref(), r.ts, r.row.as_ref()));
    let new = state::keyed_batch(site.columns, new)?;
    let mut batches: Vec<&RecordBatch> = mine.batches.iter().collect();
    batches.push(&new);
    let number = batches.len() - 1;
    let kept = mine.rows.iter().filter(|row| !lost(row.hash)).map(|row| (&row.key, row.at));
    let came = came.iter().enumerate().map(|(i, row)| (&row.key, (number, i)));
    let mut all: Vec<_> = kept.chain(came).collect();
    all.sort_unstable_by(|a, b| a.0.cmp(b.0));
    if all.is_empty() {
        return Ok(None);
    }
    if !all.is_sorted_by(|a, b| a.0 < b.0) {
        let message = "the source sent a row that it also says is here";
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
    }
    let places: Vec<(usize, usize)> = all.into_iter().map(|(_, at)| at).collect();
    let merged = interleave_record_batch(&batches, &places);
    merged.map(Some).map_err(|e| Error::internal(format!("putting rows together: {e}")))
}
