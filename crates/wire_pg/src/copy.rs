//! The COPY sub-protocol.

use crate::connection::{Answer, Connection, End, watched};
use crate::message::{Message, violation};
use crate::simple::ok;
use session::{CopyIn, CopyOut};
use tokio::io::{AsyncRead, AsyncWrite};

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// Takes the client's data; answers with the command tag.
    pub(crate) async fn copy_in(&mut self, mut copy: Box<CopyIn>) -> Answer<String> {
        self.notices();
        self.writer.copy_response(b'G', copy.columns());
        self.send().await?;
        loop {
            let Some(message) = self.next_in_copy().await? else { return Err(End::Gone) };
            match message {
                Message::CopyData(data) => {
                    let pushed = self.session.copy_push(&mut copy, &data);
                    ok!(watched(&mut self.reader, pushed).await?);
                }
                Message::CopyDone => {
                    let finished = self.session.copy_finish(copy);
                    return watched(&mut self.reader, finished).await;
                }
                Message::CopyFail(reason) => {
                    return Ok(Err(self.session.copy_abort(copy, &reason).await));
                }
                // Sent along with the Execute that began this, or by mistake: PostgreSQL ignores
                // them here too, and so the client sends another Sync after CopyDone.
                Message::Flush | Message::Sync => {}
                Message::Terminate => return Err(End::Gone),
                _ => {
                    self.session.fail().await;
                    let error = violation("unexpected message type during COPY from stdin");
                    return Err(End::Fatal(error));
                }
            }
        }
    }

    /// Sends the data; answers with the command tag.
    pub(crate) async fn copy_out(&mut self, mut copy: Box<CopyOut>) -> Answer<String> {
        self.writer.copy_response(b'H', copy.columns());
        loop {
            let next = watched(&mut self.reader, self.session.copy_next(&mut copy)).await?;
            let Some(chunk) = ok!(next) else { break };
            let mut start = 0;
            // One message per line: clients rely on it.
            for end in chunk.ends {
                self.writer.copy_data(&chunk.data[start..end]);
                start = end;
            }
            self.send_if_large().await?;
        }
        self.writer.plain(b'c');
        Ok(Ok(copy.tag()))
    }
}
