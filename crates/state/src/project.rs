//! The columns a reader wants, from a chunk that may have been written with others.

use crate::cache::Fill;
use crate::chunk::Chunk;
use crate::columns::{arrow_type, constant};
use crate::footer::{KEY, Opened, Part, TS};
use arrow::array::{Array, ArrayRef};
use base::{Error, Result};
use format::ColumnLayout;

/// These columns of one part, key and timestamp before them if wanted. A column the chunk does
/// not have yet comes as its `missing` value.
pub(crate) fn project(
    chunk: &Chunk,
    opened: &Opened,
    part: Part,
    columns: &[ColumnLayout],
    with_key: bool,
    fill: Fill,
) -> Result<Vec<ArrayRef>> {
    let mut positions = if with_key { vec![KEY, TS] } else { Vec::new() };
    positions.extend(columns.iter().filter_map(|c| opened.position(c.id)));
    let mut read = chunk.columns(opened, part, &positions, fill)?.into_iter();
    let lost = || Error::internal("a chunk gave fewer columns than it was asked for");
    let mut arrays = Vec::with_capacity(columns.len() + 2);
    if with_key {
        arrays.push(read.next().ok_or_else(lost)?);
        arrays.push(read.next().ok_or_else(lost)?);
    }
    for column in columns {
        arrays.push(match opened.position(column.id) {
            Some(_) => typed(read.next().ok_or_else(lost)?, column)?,
            None => constant(column.ty, &column.missing, opened.rows(part).len())?,
        });
    }
    Ok(arrays)
}

/// A column whose type was widened since is converted.
fn typed(array: ArrayRef, column: &ColumnLayout) -> Result<ArrayRef> {
    let wanted = arrow_type(column.ty);
    if array.data_type() == &wanted {
        return Ok(array);
    }
    arrow::compute::cast(&array, &wanted).map_err(|e| {
        Error::internal(format!("column {} is stored as {}: {e}", column.id, array.data_type()))
    })
}
