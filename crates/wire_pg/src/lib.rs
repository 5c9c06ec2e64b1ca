//! PostgreSQL's wire protocol, version 3.0: bytes to [`session`] calls and answers to bytes. Nothing
//! here decides.
//!
//! ```text
//!  socket ─ opening ─┬─ SSLRequest ─▶ TLS ─┐     ┌─ CancelRequest ─▶ Front::cancel
//!                    └─────────────────────┴─────┼─ StartupMessage ─ SCRAM ─▶ Session
//!                                                ▼
//!   Reader ─▶ Message ─▶ simple │ extended │ copy ─▶ Session ─▶ Reply ─▶ Writer
//!      ▲ reads ahead while a statement runs: a client        (one buffer, sent at Sync
//!        that goes away cancels it                            or beyond 64 KiB)
//! ```
//!
//! # Why own messages
//! Messages are decoded here and not by a library because a client's bytes are hostile: each
//! message is cut out by its length first and can neither be read past its end nor make a decoder
//! panic, and text that is not UTF-8 is refused, not repaired. Answers go from Arrow straight into
//! the send buffer, and nothing is sent before Sync unless the buffer is large.
//!
//! # Steps of a connection
//! 1. Opening: TLS or not, at most once; nothing may precede the handshake in the buffer.
//! 2. A place is reserved ([`session::Front::admit`]), the password checked by SCRAM-SHA-256. A user
//!    that does not exist takes the same path and fails the same way.
//! 3. Settings, cancel key, `ReadyForQuery`; then one message after the other.
//! 4. An error in the extended protocol skips to Sync; a protocol violation ends the connection.
//!
//! # When the client goes away
//! The session is dropped, also in the middle of a statement: its transaction rolls back. A commit
//! that has begun runs to its end.

mod auth;
pub mod binary;
mod connection;
mod copy;
mod extended;
pub mod message;
mod opening;
mod reader;
mod rows;
mod simple;
mod types;
mod writer;

pub use opening::serve_connection;
