//! A TCP connection that can be cut, between two servers or between clients and a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// They pass.
    Open,
    /// They are held back, as where packets are lost: both ends hear nothing. Once the line is open
    /// again they arrive.
    Silent,
    /// Connections break, and new ones break at once.
    Severed,
}

/// A port that leads to another one, as long as its line is open.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    to: Arc<AtomicU16>,
    line: watch::Sender<Line>,
    task: JoinHandle<()>,
}

impl Cable {
    /// A port that leads nowhere yet.
    pub async fn new() -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be found");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let to = Arc::new(AtomicU16::new(0));
        let (line, seen) = watch::channel(Line::Open);
        let task = tokio::spawn(accept(listener, to.clone(), seen));
        Cable { port, to, line, task }
    }

    /// Where it can be reached.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections lead to this port from now on.
    pub fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    /// Opens or cuts the line.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The connections belong to the task and end with it.
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: Arc<AtomicU16>, line: watch::Receiver<Line>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(carry(stream, to.load(Ordering::Relaxed), line.clone()));
    }
}

async fn carry(near: TcpStream, port: u16, line: watch::Receiver<Line>) {
    if !passes(&mut line.clone()).await {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    // Both directions end together: half a connection is of no use to anybody here.
    tokio::select! {
        () = pump(from_near, to_far, line.clone()) => {}
        () = pump(from_far, to_near, line) => {}
    }
}

/// Waits until the line is open; false once it is severed.
async fn passes(line: &mut watch::Receiver<Line>) -> bool {
    match line.wait_for(|line| *line != Line::Silent).await {
        Ok(line) => *line == Line::Open,
        Err(_) => false,
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut bytes = vec![0; 64 << 10];
    let mut severed = line.clone();
    loop {
        let read = tokio::select! {
            _ = severed.wait_for(|line| *line == Line::Severed) => return,
            read = from.read(&mut bytes) => read,
        };
        let n = read.unwrap_or(0);
        // An end of the connection is news, too: nobody hears it over a silent line.
        if !passes(&mut line).await || n == 0 || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
