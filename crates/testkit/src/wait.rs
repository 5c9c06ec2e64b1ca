//! Waiting for what must come true.

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port can be found");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// Tries again until it is true; panics after `limit` with what was wished for.
pub async fn eventually(wish: &str, limit: Duration, mut attempt: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + limit;
    while !attempt().await {
        assert!(Instant::now() < end, "{wish}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
