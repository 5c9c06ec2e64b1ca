//! Between SQL values and Arrow columns.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, Schema, SchemaRef, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use base::{Error, Result, SqlState, SqlType, Value};
use format::ColumnLayout;
use format::row::Cell;
use std::sync::Arc;

/// The name of the column that holds storage keys.
pub const KEY_COLUMN: &str = "_key";
/// The name of the column that holds commit timestamps.
pub const TS_COLUMN: &str = "_ts";
/// The name of the column that tells deletions apart, in files that may have some.
pub(crate) const DELETED_COLUMN: &str = "_deleted";

/// How a column of this type looks in Arrow, in chunks and in scans.
pub fn arrow_type(ty: SqlType) -> DataType {
    match ty {
        SqlType::Bool => DataType::Boolean,
        SqlType::SmallInt => DataType::Int16,
        SqlType::Int => DataType::Int32,
        SqlType::BigInt => DataType::Int64,
        SqlType::Real => DataType::Float32,
        SqlType::Double => DataType::Float64,
        SqlType::Numeric { precision, scale } => DataType::Decimal128(precision, scale as i8),
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Uuid | SqlType::Jsonb => {
            DataType::Utf8
        }
        SqlType::Bytea => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
    }
}

/// The name of a column in chunk files and scans.
pub fn column_name(id: u32) -> String {
    format!("c{id}")
}

/// The Arrow schema of these columns, named `c<id>`; with the key, `_key` and `_ts` come first.
pub fn schema(columns: &[ColumnLayout], with_key: bool) -> SchemaRef {
    if with_key {
        return file_schema(columns, false);
    }
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The Arrow schema of a chunk file.
pub(crate) fn file_schema(columns: &[ColumnLayout], with_deleted: bool) -> SchemaRef {
    let mut fields = Vec::with_capacity(columns.len() + 3);
    fields.push(Field::new(KEY_COLUMN, DataType::Binary, false));
    fields.push(Field::new(TS_COLUMN, DataType::UInt64, false));
    if with_deleted {
        fields.push(Field::new(DELETED_COLUMN, DataType::Boolean, false));
    }
    fields.extend(columns.iter().map(field));
    Arc::new(Schema::new(fields))
}

fn field(column: &ColumnLayout) -> Field {
    Field::new(column_name(column.id), arrow_type(column.ty), true)
}

/// Collects the values of one column.
pub(crate) enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

macro_rules! each {
    ($self:expr, $b:ident => $e:expr) => {
        match $self {
            Builder::Bool($b) => $e,
            Builder::Int16($b) => $e,
            Builder::Int32($b) => $e,
            Builder::Int64($b) => $e,
            Builder::Float32($b) => $e,
            Builder::Float64($b) => $e,
            Builder::Decimal($b) => $e,
            Builder::Text($b) => $e,
            Builder::Bytes($b) => $e,
            Builder::Date($b) => $e,
            Builder::Time($b) => $e,
            Builder::Timestamp($b) => $e,
        }
    };
}

impl Builder {
    pub(crate) fn new(ty: SqlType, rows: usize) -> Builder {
        let arrow = arrow_type(ty);
        match ty {
            SqlType::Bool => Builder::Bool(BooleanBuilder::with_capacity(rows)),
            SqlType::SmallInt => Builder::Int16(Int16Builder::with_capacity(rows)),
            SqlType::Int => Builder::Int32(Int32Builder::with_capacity(rows)),
            SqlType::BigInt => Builder::Int64(Int64Builder::with_capacity(rows)),
            SqlType::Real => Builder::Float32(Float32Builder::with_capacity(rows)),
            SqlType::Double => Builder::Float64(Float64Builder::with_capacity(rows)),
            SqlType::Numeric { .. } => {
                Builder::Decimal(Decimal128Builder::with_capacity(rows).with_data_type(arrow))
            }
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Char(_)
            | SqlType::Uuid
            | SqlType::Jsonb => Builder::Text(StringBuilder::with_capacity(rows, rows * 16)),
            SqlType::Bytea => Builder::Bytes(BinaryBuilder::with_capacity(rows, rows * 16)),
            SqlType::Date => Builder::Date(Date32Builder::with_capacity(rows)),
            SqlType::Time => Builder::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            SqlType::Timestamp | SqlType::TimestampTz => Builder::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(arrow),
            ),
        }
    }

    /// Appends a value; an error if it cannot be of this column's type.
    #[inline]
    pub(crate) fn append(&mut self, cell: Cell<'_>) -> Result<()> {
        match (self, cell) {
            (this, Cell::Null) => each!(this, b => b.append_null()),
            (Builder::Int64(b), Cell::Int(v)) => b.append_value(v),
            (Builder::Int32(b), Cell::Int(v)) => b.append_value(v.try_into().map_err(|_| wide())?),
            (Builder::Int16(b), Cell::Int(v)) => b.append_value(v.try_into().map_err(|_| wide())?),
            (Builder::Text(b), Cell::Text(v)) => b.append_value(v),
            (Builder::Decimal(b), Cell::Decimal(v)) => b.append_value(v),
            (Builder::Timestamp(b), Cell::Micros(v)) => b.append_value(v),
            (Builder::Float64(b), Cell::Float8(v)) => b.append_value(v),
            (Builder::Float32(b), Cell::Float4(v)) => b.append_value(v),
            (Builder::Bool(b), Cell::Bool(v)) => b.append_value(v),
            (Builder::Bytes(b), Cell::Bytes(v)) => b.append_value(v),
            (Builder::Date(b), Cell::Date(v)) => b.append_value(v),
            (Builder::Time(b), Cell::Micros(v)) => b.append_value(v),
            (this, cell) => {
                let ty = this.finish().data_type().clone();
                return Err(Error::corrupt(format!("a row has {cell:?} in a column of {ty}")));
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        each!(self, b => Arc::new(b.finish()))
    }
}

fn wide() -> Error {
    Error::corrupt("a row has a number that is too large for its column")
}

/// `rows` times the same value.
pub(crate) fn constant(ty: SqlType, value: &Value, rows: usize) -> Result<ArrayRef> {
    if value.is_null() {
        return Ok(new_null_array(&arrow_type(ty), rows));
    }
    let cell = Cell::from(value);
    let length = match cell {
        Cell::Text(v) => v.len(),
        Cell::Bytes(v) => v.len(),
        _ => 0,
    };
    if length.saturating_mul(rows) > i32::MAX as usize {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            "the default of a column added later is too long to be read with so many rows",
        ));
    }
    let mut builder = Builder::new(ty, rows);
    for _ in 0..rows {
        builder.append(cell)?;
    }
    Ok(builder.finish())
}

/// The value in one place of an Arrow column, borrowed.
pub fn cell_at(array: &dyn Array, row: usize) -> Result<Cell<'_>> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Cell::Float4(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Cell::Float8(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, _) => {
            Cell::Decimal(array.as_primitive::<Decimal128Type>().value(row))
        }
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row)),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row)),
        DataType::Date32 => Cell::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time64(TimeUnit::Microsecond) => {
            Cell::Micros(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => return Err(Error::internal(format!("no SQL value is held as {other}"))),
    })
}

/// The value in one place of an Arrow column, as a column of type `ty` holds it. A column of another
/// Arrow type is cast first; what cannot be cast is NULL (a caller's mistake).
pub fn value_at(array: &dyn Array, row: usize, ty: SqlType) -> Value {
    let wanted = arrow_type(ty);
    let same = array.data_type() == &wanted
        || (wanted == DataType::Utf8
            && matches!(array.data_type(), DataType::Utf8View | DataType::LargeUtf8))
        || (wanted == DataType::Binary
            && matches!(array.data_type(), DataType::BinaryView | DataType::LargeBinary));
    let value = if same {
        cell_at(array, row).map(Value::from)
    } else {
        arrow::compute::cast(&array.slice(row, 1), &wanted)
            .map_err(|e| Error::internal(e.to_string()))
            .and_then(|one| cell_at(&one, 0).map(Value::from))
    };
    debug_assert!(value.is_ok(), "{:?} asked for {ty}", array.data_type());
    value.unwrap_or(Value::Null)
}
