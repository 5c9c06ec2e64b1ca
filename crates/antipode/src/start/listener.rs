//! One port for clients and other clusters. The first byte of a connection says who is there:
//!
//! | first byte | who | goes to |
//! |---|---|---|
//! | `P` (of `PRI * HTTP/2.0`) | a link of another cluster | gRPC |
//! | 0x16 (a TLS handshake) | with ALPN `h2` a link, else a PostgreSQL client | gRPC, `wire_pg` |
//! | anything else | a PostgreSQL client, which may ask for TLS later | `wire_pg` |

use super::cannot;
use super::tls::HTTP2;
use super::wire::Wire;
use base::Result;
use dr::Links;
use rustls::ServerConfig;
use session::Front;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

/// A connection that says nothing for so long is closed.
const FIRST_BYTE_LIMIT: Duration = Duration::from_secs(60);

/// Windows of one stream and of one connection: what may be under way on a line of high delay.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A bound port that does not answer yet.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Binds the port.
    pub async fn bind(listen: &str, tls: Option<Arc<ServerConfig>>) -> Result<Listener> {
        let failed = |e: io::Error| cannot(format!("listen on {listen}"), &e);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listener { listener, address, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer.
    pub fn serve(self, front: Arc<Front>, links: &Links) -> Serving {
        let stop = CancellationToken::new();
        let (to_links, from_others) = mpsc::channel::<io::Result<Wire>>(16);
        let grpc = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(Duration::from_secs(5)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_service(links.service())
            .serve_with_incoming(ReceiverStream::new(from_others));
        let grpc = tokio::spawn(async move {
            if let Err(e) = grpc.await {
                tracing::error!("the replication service has ended: {e}");
            }
        });
        let door = Door { tls: self.tls, front, to_links };
        tokio::spawn(accept(self.listener, door, stop.clone()));
        Serving { stop, grpc }
    }
}

/// A port that answers.
pub struct Serving {
    stop: CancellationToken,
    grpc: JoinHandle<()>,
}

impl Serving {
    /// Takes no new connections; those that are there end on their own.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Breaks what other clusters still have open: their streams have no end of their own.
    pub fn end(&self) {
        self.grpc.abort();
    }
}

async fn accept(listener: TcpListener, door: Door, stop: CancellationToken) {
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = listener.accept() => next,
        };
        match next {
            Ok((stream, peer)) => {
                let door = door.clone();
                tokio::spawn(async move {
                    if let Err(e) = door.greet(stream, peer).await {
                        tracing::debug!(%peer, "connection ended: {e}");
                    }
                });
            }
            Err(e) => {
                // Out of file handles, most likely: some will be given back.
                tracing::warn!("cannot take a connection: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Looks who is there.
#[derive(Clone)]
struct Door {
    tls: Option<Arc<ServerConfig>>,
    front: Arc<Front>,
    to_links: mpsc::Sender<io::Result<Wire>>,
}

impl Door {
    async fn greet(self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        match tokio::time::timeout(FIRST_BYTE_LIMIT, stream.peek(&mut first)).await {
            Ok(Ok(1)) => {}
            Ok(Ok(_)) | Err(_) => return Ok(()),
            Ok(Err(e)) => return Err(e),
        }
        match (first[0], &self.tls) {
            (b'P', _) => self.link(Wire::Plain(stream)).await,
            (0x16, Some(tls)) => {
                let accepted = TlsAcceptor::from(tls.clone()).accept(stream);
                let stream = tokio::time::timeout(FIRST_BYTE_LIMIT, accepted).await??;
                if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
                    self.link(Wire::Tls(Box::new(stream))).await;
                } else {
                    wire_pg::serve_connection(self.front, stream, None, peer).await;
                }
            }
            _ => wire_pg::serve_connection(self.front, stream, self.tls, peer).await,
        }
        Ok(())
    }
    async fn link(self, wire: Wire) {
        // Refused only while stopping; the connection is closed then.
        let _ = self.to_links.send(Ok(wire)).await;
    }
}
