//! What can be set about the log.

use base::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of one [`crate::Log`].
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Size of a segment file (64 MiB). Made ahead and filled with zeros, so an open log takes at
    /// least `1 + spare_segments` times this.
    pub segment_bytes: u64,
    /// How many empty segments are kept ready (1).
    pub spare_segments: usize,
    /// How many bytes may wait for the writer before [`crate::Log::admit`] waits (16 MiB). What is
    /// admitted below that may go beyond it.
    pub max_queue_bytes: usize,
    /// A write ends when it has so many bytes (4 MiB), and the next one begins when it is safe. The
    /// buffer of a larger one would be copied again and again while it grows, and kept whole until
    /// its last byte is safe.
    pub write_bytes: usize,
    /// How long the writer waits for more commits to join before each write (none).
    pub gather: Duration,
    /// How long to wait before trying again to make a spare segment after the disk was full (1 s).
    pub retry: Duration,
    /// What to do when a write or sync fails: by default the process says why and aborts.
    pub on_fatal: OnFatal,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            segment_bytes: 64 << 20,
            spare_segments: 1,
            max_queue_bytes: 16 << 20,
            write_bytes: 4 << 20,
            gather: Duration::ZERO,
            retry: Duration::from_secs(1),
            on_fatal: OnFatal::default(),
        }
    }
}

/// What happens when the log can not promise anything any more.
#[derive(Clone)]
pub struct OnFatal(Arc<dyn Fn(&Error) + Send + Sync>);

impl OnFatal {
    /// Calls `hook` instead of ending the process; the log refuses everything from then on.
    pub fn call(hook: impl Fn(&Error) + Send + Sync + 'static) -> OnFatal {
        OnFatal(Arc::new(hook))
    }

    pub(crate) fn fire(&self, error: &Error) {
        (self.0)(error);
    }
}

impl Default for OnFatal {
    fn default() -> OnFatal {
        OnFatal::call(|error| {
            eprintln!("antipode: the log can not be written, stopping at once: {error}");
            std::process::abort();
        })
    }
}

impl fmt::Debug for OnFatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFatal")
    }
}
