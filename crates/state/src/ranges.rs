//! The Parquet reader's view of a file of which only some parts were read.

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Parts of a file that were read beforehand, so that the Parquet reader does no I/O.
pub(crate) struct Ranges {
    pub(crate) len: u64,
    /// Where each part begins, and its bytes.
    pub(crate) parts: Vec<(u64, Bytes)>,
}

impl Ranges {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        self.parts
            .iter()
            .find(|(s, b)| *s <= start && start <= *s + b.len() as u64)
            .map(|(s, b)| b.slice((start - s) as usize..))
            .ok_or_else(|| ParquetError::EOF(format!("offset {start} is not in the column")))
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Ranges {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are too many")));
        }
        Ok(bytes.slice(..length))
    }
}
