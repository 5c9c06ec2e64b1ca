//! Links over gRPC: [`GrpcConnect`] on the target, [`service()`] on the source. A login by SCRAM gives a
//! token, which every later call shows in its metadata. Windows and limits are sized for a wide
//! and long link: 8 MiB per stream, 16 MiB per connection, messages up to 64 MiB.

mod client;
mod errors;
mod server;

pub use client::{GrpcConnect, GrpcSettings};
pub use server::{Service, service};

use std::time::Duration;

/// The generated service.
#[allow(missing_docs, clippy::all, clippy::disallowed_methods, reason = "generated")]
#[doc(hidden)]
pub mod generated {
    include!(concat!(env!("OUT_DIR"), "/antipode.dr.v1.Replication.rs"));
}

const MESSAGE_BYTES_MAX: usize = 64 << 20;
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TOKEN: &str = "antipode-token";
