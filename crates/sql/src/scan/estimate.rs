//! About how many rows a scan gives, for the planner: which side of a join is kept in memory, and
//! whether it fits there. There are no collected statistics: counted are the rows of the whole table,
//! the rest is assumed as PostgreSQL assumes it of a table that was never analysed.

use super::bounds::Bounds;
use super::index::IndexBounds;
use crate::shape::Shape;
use ::arrow::datatypes::DataType;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use txn::Database;

/// Of so many rows one has a certain value of an index.
const EQUAL: u64 = 200;
/// Of so many rows one lies in a range.
const RANGE: u64 = 3;
/// How many values a column has, if nothing says that they are all different.
const VALUES: usize = 200;
/// Bytes of a value whose type does not tell its size.
const TEXT: usize = 32;

/// About how many rows a scan within bounds gives; `None` if a partition cannot be asked.
pub async fn rows(
    database: &Database,
    shape: &Shape,
    bounds: &Bounds,
    index: Option<&IndexBounds>,
) -> Option<usize> {
    if bounds.empty {
        return Some(0);
    }
    let mut all: u64 = 0;
    let only = bounds.partition.or(index.and_then(|i| i.partition));
    for partition in database.partitions().iter().filter(|p| only.is_none_or(|o| p.index() == o)) {
        all += partition.estimated_rows(shape.table.storage).await.ok()?;
    }
    let some = match index {
        Some(i)
            if shape.indexes[i.at].index.unique && i.equal == shape.indexes[i.at].columns.len() =>
        {
            1
        }
        Some(i) if i.equal > 0 => all / EQUAL,
        Some(_) => all / RANGE,
        None if (&bounds.start, &bounds.end)
            != (&Bounds::all(shape).start, &Bounds::all(shape).end) =>
        {
            all / RANGE
        }
        None => all,
    };
    usize::try_from(some.max(all.min(1))).ok()
}

/// What is known of so many rows of some columns.
pub fn statistics(shape: &Shape, columns: &[usize], rows: Option<usize>) -> Statistics {
    let schema = &shape.schema;
    let fields = columns.iter().map(|i| schema.field(*i).clone()).collect::<Vec<_>>();
    let mut known = Statistics::new_unknown(&::arrow::datatypes::Schema::new(fields));
    let Some(rows) = rows else { return known };
    let width = columns.iter().map(|i| width(schema.field(*i).data_type())).sum::<usize>();
    known.num_rows = Precision::Inexact(rows);
    known.total_byte_size = Precision::Inexact(rows.saturating_mul(width.max(1)));
    let column = |i: &usize| {
        let values = if is_unique(shape, *i) { rows } else { rows.min(VALUES) };
        ColumnStatistics { distinct_count: Precision::Inexact(values), ..Default::default() }
    };
    known.column_statistics = columns.iter().map(column).collect();
    known
}

fn is_unique(shape: &Shape, column: usize) -> bool {
    let indexes = shape.indexes.iter().filter(|i| i.index.unique && i.index.ready);
    shape.key == [column] || indexes.into_iter().any(|i| i.columns == [column])
}

fn width(of: &DataType) -> usize {
    of.primitive_width().unwrap_or(match of {
        DataType::Boolean => 1,
        _ => TEXT,
    })
}
