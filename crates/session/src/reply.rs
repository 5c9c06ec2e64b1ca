//! What a statement answers with.

use crate::copy_in::CopyIn;
use crate::copy_out::CopyOut;
use arrow::array::RecordBatch;
use base::Result;
use futures::stream::BoxStream;
use sql::ResultColumn;
use std::sync::Arc;

/// The answer to one statement. Its rows are still to be fetched, its COPY data to be exchanged;
/// [`crate::Session::end_implicit`] comes after that.
pub enum Reply {
    /// Rows to fetch.
    Rows(Cursor),
    /// Done; the command tag.
    Command(String),
    /// Waits for COPY data.
    CopyIn(Box<CopyIn>),
    /// COPY data to fetch.
    CopyOut(Box<CopyOut>),
    /// The statement was empty.
    Empty,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Rows(_) => f.write_str("Rows"),
            Reply::Command(tag) => write!(f, "Command({tag})"),
            Reply::CopyIn(_) => f.write_str("CopyIn"),
            Reply::CopyOut(_) => f.write_str("CopyOut"),
            Reply::Empty => f.write_str("Empty"),
        }
    }
}

/// The command tag of a statement with rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tag {
    /// The number of rows fetched follows these words.
    Count(&'static str),
    /// Known already.
    Fixed(String),
}

/// Rows on their way to the client: a stream and what was read of it and not fetched yet.
pub struct Cursor {
    pub(crate) columns: Arc<[ResultColumn]>,
    stream: BoxStream<'static, Result<RecordBatch>>,
    rest: Option<RecordBatch>,
    tag: Tag,
    /// Rows fetched since the last [`Cursor::tag`].
    fetched: u64,
    done: bool,
}

impl Cursor {
    pub(crate) fn new(
        columns: Arc<[ResultColumn]>,
        stream: BoxStream<'static, Result<RecordBatch>>,
        tag: Tag,
    ) -> Cursor {
        Cursor { columns, stream, rest: None, tag, fetched: 0, done: false }
    }

    /// A cursor over rows that are there.
    pub(crate) fn of(columns: Arc<[ResultColumn]>, batches: Vec<RecordBatch>, tag: Tag) -> Cursor {
        let stream = futures::stream::iter(batches.into_iter().map(Ok));
        Cursor::new(columns, Box::pin(stream), tag)
    }

    /// Its columns.
    pub fn columns(&self) -> &Arc<[ResultColumn]> {
        &self.columns
    }

    /// The command tag for the rows fetched since the last call.
    pub fn tag(&mut self) -> String {
        let fetched = std::mem::take(&mut self.fetched);
        match &self.tag {
            Tag::Count(words) => format!("{words} {fetched}"),
            Tag::Fixed(tag) => tag.clone(),
        }
    }

    pub(crate) fn set_tag(&mut self, tag: Tag) {
        self.tag = tag;
    }

    /// Up to `max` more rows; `None` after the last.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Option<RecordBatch>> {
        use futures::StreamExt;
        loop {
            if let Some(batch) = self.rest.take() {
                let take = batch.num_rows().min(max);
                if take < batch.num_rows() {
                    self.rest = Some(batch.slice(take, batch.num_rows() - take));
                }
                self.fetched += take as u64;
                return Ok(Some(batch.slice(0, take)));
            }
            if self.done {
                return Ok(None);
            }
            match self.stream.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => self.rest = Some(batch),
                None => self.done = true,
            }
        }
    }
}
