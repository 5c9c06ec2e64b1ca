//! What is known of a chunk without its rows: columns, and row groups and pages with their keys.

use crate::columns::{DELETED_COLUMN, KEY_COLUMN, TS_COLUMN};
use crate::ranges::Ranges;
use base::Timestamp;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Position of the storage key in every chunk file.
pub(crate) const KEY: usize = 0;
/// Position of the commit timestamp in every chunk file.
pub(crate) const TS: usize = 1;

/// What is kept in memory of a chunk in use.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) metadata: ArrowReaderMetadata,
    /// The row groups, ascending by key.
    pub(crate) groups: Vec<Group>,
    /// Column ids and their positions in the file, ascending by id.
    pub(crate) columns: Vec<(u32, usize)>,
    /// Where the column is that tells deletions apart, if there is one.
    pub(crate) deleted: Option<usize>,
    /// Set by every use, for the cache.
    pub(crate) used: AtomicBool,
}

/// One row group. The versions of a key may go on in the next one.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) first: Bytes,
    pub(crate) last: Bytes,
    pub(crate) rows: usize,
    /// The smallest commit timestamp.
    pub(crate) oldest: Timestamp,
    /// The largest commit timestamp.
    pub(crate) newest: Timestamp,
}

/// What is read at once: a row group, or one page of it. Pages are those of the key column; the rows
/// of a page may be spread differently over the pages of other columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) group: usize,
    pub(crate) page: Option<usize>,
}

impl Part {
    pub(crate) fn group(group: usize) -> Part {
        Part { group, page: None }
    }

    pub(crate) fn page(group: usize, page: usize) -> Part {
        Part { group, page: Some(page) }
    }
}

impl Opened {
    /// Reads it from the end of a file, from [`tail`] on; an error says what is wrong with that.
    pub(crate) fn read(end: &Ranges) -> Result<Opened, String> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(end, options).map_err(|e| e.to_string())?;
        let fields = metadata.schema().fields();
        if fields.len() < 2 || fields[KEY].name() != KEY_COLUMN || fields[TS].name() != TS_COLUMN {
            return Err("it does not begin with a key and a timestamp".into());
        }
        let mut columns = Vec::with_capacity(fields.len() - 2);
        let mut deleted = None;
        for (i, field) in fields.iter().enumerate().skip(2) {
            if field.name() == DELETED_COLUMN {
                deleted = Some(i);
                continue;
            }
            let id = field.name().strip_prefix('c').and_then(|id| id.parse().ok());
            columns.push((id.ok_or("a column has no id")?, i));
        }
        columns.sort_unstable();
        let mut groups = Vec::with_capacity(metadata.metadata().num_row_groups());
        for group in metadata.metadata().row_groups() {
            groups.push(group_of(group).ok_or("it has no statistics of keys and times")?);
        }
        Ok(Opened { metadata, groups, columns, deleted, used: AtomicBool::new(true) })
    }

    /// About how many bytes it takes.
    pub(crate) fn memory_size(&self) -> usize {
        let keys: usize = self.groups.iter().map(|g| g.first.len() + g.last.len()).sum();
        let groups = self.groups.len() * size_of::<Group>() + keys;
        // The schema is there twice, as Parquet's and as Arrow's.
        self.metadata.metadata().memory_size() + groups + 512 * (self.columns.len() + 2)
    }

    /// Where the column with this id is in the file.
    pub(crate) fn position(&self, id: u32) -> Option<usize> {
        let i = self.columns.binary_search_by_key(&id, |c| c.0).ok()?;
        Some(self.columns[i].1)
    }

    /// The first row group that may hold keys at or after `key`.
    pub(crate) fn first_group(&self, key: &[u8]) -> usize {
        self.groups.partition_point(|g| *g.last < *key)
    }

    /// Where the pages of a column are.
    pub(crate) fn locations(&self, group: usize, column: usize) -> &[PageLocation] {
        let index = self.metadata.metadata().offset_index();
        let column = index.and_then(|i| i.get(group)?.get(column));
        column.map_or(&[], |c| c.page_locations())
    }

    /// How many pages a row group has, as far as single ones can be read.
    pub(crate) fn pages(&self, group: usize) -> usize {
        self.locations(group, KEY).len().max(1)
    }

    /// The first page of a row group that may hold keys at or after `key`.
    pub(crate) fn first_page(&self, group: usize, key: &[u8]) -> usize {
        let index = self.metadata.metadata().column_index();
        match index.and_then(|i| i.get(group)?.get(KEY)) {
            Some(ColumnIndexMetaData::BYTE_ARRAY(keys)) => {
                let pages = self.pages(group).min(keys.num_pages() as usize);
                let below = |page: &usize| keys.max_value(*page).is_some_and(|max| max < key);
                let (mut low, mut high) = (0, pages);
                while low < high {
                    let mid = low + (high - low) / 2;
                    if below(&mid) {
                        low = mid + 1;
                    } else {
                        high = mid;
                    }
                }
                low
            }
            _ => 0,
        }
    }

    /// The rows of a part, within its row group.
    pub(crate) fn rows(&self, part: Part) -> Range<usize> {
        let rows = self.groups[part.group].rows;
        let Some(page) = part.page else { return 0..rows };
        let pages = self.locations(part.group, KEY);
        let first = |page: usize| {
            let row = pages.get(page).and_then(|p| usize::try_from(p.first_row_index).ok());
            row.unwrap_or(rows).min(rows)
        };
        match page {
            0 => 0..first(1),
            page => first(page)..first(page + 1),
        }
    }
}

/// How long a file's last part is whose first [`FOOT`] bytes from the end are these: the metadata.
pub(crate) fn metadata_len(foot: [u8; FOOT]) -> Result<u64, String> {
    match foot {
        [a, b, c, d, b'P', b'A', b'R', b'1'] => {
            Ok(u64::from(u32::from_le_bytes([a, b, c, d])) + FOOT as u64)
        }
        _ => Err("it does not end as a Parquet file".into()),
    }
}

/// Bytes at the end that tell how long the metadata before them is.
pub(crate) const FOOT: usize = 8;

/// Where in a file of this length the part begins that [`Opened::read`] needs: the page indexes,
/// which lie before the metadata given.
pub(crate) fn tail(metadata: &[u8], len: u64) -> Result<u64, String> {
    let end = len - metadata.len() as u64;
    let metadata = metadata.get(..metadata.len() - FOOT).unwrap_or_default();
    let metadata = ParquetMetaDataReader::decode_metadata(metadata).map_err(|e| e.to_string())?;
    let columns = metadata.row_groups().iter().flat_map(|g| g.columns());
    let indexes = columns.flat_map(|c| [c.column_index_offset(), c.offset_index_offset()]);
    let first = indexes.flatten().filter_map(|at| u64::try_from(at).ok()).min();
    Ok(first.unwrap_or(end).min(end))
}

fn group_of(group: &RowGroupMetaData) -> Option<Group> {
    let statistics = group.columns().get(KEY)?.statistics()?;
    if !statistics.min_is_exact() || !statistics.max_is_exact() {
        return None;
    }
    let times = group.columns().get(TS)?.statistics()?;
    let time = |bytes: &[u8]| Some(Timestamp(u64::from_le_bytes(bytes.try_into().ok()?)));
    Some(Group {
        first: Bytes::copy_from_slice(statistics.min_bytes_opt()?),
        last: Bytes::copy_from_slice(statistics.max_bytes_opt()?),
        rows: usize::try_from(group.num_rows()).ok()?,
        oldest: time(times.min_bytes_opt()?)?,
        newest: time(times.max_bytes_opt()?)?,
    })
}
