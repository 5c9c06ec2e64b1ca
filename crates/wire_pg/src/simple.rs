//! The simple query protocol.

use crate::connection::{Answer, Connection, Step, watched};
use crate::rows::{RowFormat, fields};
use base::Result;
use session::{Cursor, Reply, Script};
use tokio::io::{AsyncRead, AsyncWrite};

/// Rows fetched at a time.
pub(crate) const FETCH_ROWS: usize = 1_024;

/// Early return of the inner error of an [`Answer`].
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}
pub(crate) use ok;

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// A `Query` message.
    pub(crate) async fn simple_query(&mut self, sql: String) -> Step {
        if let Err(error) = self.run_script(sql).await? {
            self.report(&error)?;
        }
        self.formats.remove("");
        self.declared.remove("");
        self.ready().await
    }

    async fn run_script(&mut self, sql: String) -> Answer {
        let mut script = ok!(self.session.script(sql).await);
        if script.is_empty() {
            self.writer.plain(b'I');
            return Ok(Ok(()));
        }
        for index in 0..script.len() {
            ok!(self.run_one(&mut script, index).await?);
        }
        Ok(Ok(()))
    }

    async fn run_one(&mut self, script: &mut Script, index: usize) -> Answer {
        let last = index + 1 == script.len();
        let reply = watched(&mut self.reader, self.session.run(script, index)).await?;
        let tag = match ok!(reply) {
            Reply::Rows(mut cursor) => {
                let columns = cursor.columns().clone();
                self.writer.row_description(fields(&columns, &[]));
                let format = RowFormat::new(&columns, &[]);
                ok!(self.send_rows(&mut cursor, &format, usize::MAX).await?);
                cursor.tag()
            }
            Reply::Command(tag) => tag,
            Reply::CopyIn(copy) => ok!(self.copy_in(copy).await?),
            Reply::CopyOut(copy) => ok!(self.copy_out(copy).await?),
            Reply::Empty => {
                self.writer.plain(b'I');
                return Ok(Ok(()));
            }
        };
        if last {
            // Before the tag: a client that has read it may rely on the commit.
            ok!(watched(&mut self.reader, self.session.end_implicit()).await?);
        }
        self.notices();
        self.writer.command_complete(&tag);
        Ok(Ok(()))
    }

    /// Sends up to `max` rows; true if there were that many, so that more may follow.
    pub(crate) async fn send_rows(
        &mut self,
        cursor: &mut Cursor,
        format: &RowFormat,
        max: usize,
    ) -> Answer<bool> {
        let mut left = max;
        while left > 0 {
            let wanted = left.min(FETCH_ROWS);
            let fetched = watched(&mut self.reader, self.session.fetch(cursor, wanted)).await?;
            let Some(batch) = ok!(fetched) else { return Ok(Ok(false)) };
            for row in 0..batch.num_rows() {
                let written: Result<()> = format.write(&batch, row, &mut self.writer);
                if written.is_err() {
                    self.session.fail().await;
                    return Ok(written.map(|()| false));
                }
                self.send_if_large().await?;
            }
            left -= batch.num_rows();
        }
        Ok(Ok(true))
    }
}
