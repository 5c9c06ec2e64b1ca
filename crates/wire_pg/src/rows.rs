//! Result batches as `DataRow` messages, written straight into the send buffer.

use crate::binary;
use crate::types::wire_type;
use crate::writer::{Field, Writer};
use arrow::array::{Array, RecordBatch};
use base::{Result, SqlType};
use bytes::{BufMut, BytesMut};
use session::ResultColumn;

/// How the columns of one result are to be sent.
#[derive(Clone, Debug)]
pub(crate) struct RowFormat {
    columns: Vec<(SqlType, bool)>,
}

/// The format of column `i`, from the codes of a Bind message: none = text, one = for all.
pub(crate) fn format_of(codes: &[i16], i: usize) -> i16 {
    match codes {
        [] => 0,
        [all] => *all,
        each => each.get(i).copied().unwrap_or(0),
    }
}

/// The fields of a row description.
pub(crate) fn fields<'a>(
    columns: &'a [ResultColumn],
    codes: &'a [i16],
) -> impl ExactSizeIterator<Item = Field<'a>> {
    columns.iter().enumerate().map(|(i, column)| {
        let wire = wire_type(column.ty);
        Field {
            name: &column.name,
            table: 0,
            attribute: 0,
            oid: wire.oid,
            len: wire.len,
            modifier: wire.modifier,
            format: format_of(codes, i),
        }
    })
}

impl RowFormat {
    pub(crate) fn new(columns: &[ResultColumn], codes: &[i16]) -> RowFormat {
        let columns =
            columns.iter().enumerate().map(|(i, c)| (c.ty, format_of(codes, i) == 1)).collect();
        RowFormat { columns }
    }

    /// Appends one row.
    pub(crate) fn write<W>(
        &self,
        batch: &RecordBatch,
        row: usize,
        writer: &mut Writer<W>,
    ) -> Result<()> {
        let start = writer.buf.len();
        let result = self.write_into(batch, row, &mut writer.buf);
        if result.is_err() {
            // The error message must not follow half a row.
            writer.buf.truncate(start);
        }
        result
    }

    fn write_into(&self, batch: &RecordBatch, row: usize, buf: &mut BytesMut) -> Result<()> {
        buf.put_u8(b'D');
        let start = buf.len();
        buf.put_i32(0);
        buf.put_u16(self.columns.len() as u16);
        for (array, (ty, binary)) in batch.columns().iter().zip(&self.columns) {
            if array.is_null(row) {
                buf.put_i32(-1);
                continue;
            }
            let at = buf.len();
            buf.put_i32(0);
            if *binary {
                binary::write(array.as_ref(), row, *ty, buf)?;
            } else {
                session::text::write(array.as_ref(), row, buf)?;
            }
            patch(buf, at, 4);
        }
        patch(buf, start, 0);
        Ok(())
    }
}

/// Sets the length at `at` to what was written since, less `excluded` bytes.
fn patch(buf: &mut BytesMut, at: usize, excluded: usize) {
    let len = (buf.len() - at - excluded) as i32;
    buf[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn a_row_in_mixed_formats() {
        let columns = [
            ResultColumn { name: "a".into(), ty: SqlType::Int },
            ResultColumn { name: "b".into(), ty: SqlType::Text },
            ResultColumn { name: "c".into(), ty: SqlType::Int },
        ];
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("a", Arc::new(Int32Array::from(vec![7])) as _, true),
            ("b", Arc::new(StringArray::from(vec![None::<&str>])) as _, true),
            ("c", Arc::new(Int32Array::from(vec![-12])) as _, true),
        ])
        .expect("batch");
        let format = RowFormat::new(&columns, &[1, 0, 0]);
        let mut writer = Writer::new(Vec::new());
        format.write(&batch, 0, &mut writer).expect("writes");
        assert_eq!(
            &writer.buf[..],
            b"D\0\0\0\x19\0\x03\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\0\0\x03-12"
        );
    }
}
