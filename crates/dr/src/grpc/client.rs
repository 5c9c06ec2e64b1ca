//! The target's end.

use super::errors::error;
use super::generated::replication_client::ReplicationClient;
use super::{CONNECTION_WINDOW, KEEP_ALIVE, MESSAGE_BYTES_MAX, STREAM_WINDOW, TOKEN};
use crate::peer::{
    Ack, Acked, CompareRequest, Compared, Connect, Content, ContentRequest, Fetch, HandoverAnswer,
    HandoverRequest, Hello, HelloRequest, Invitation, Invited, Peer, Positions, SaveDiverged,
    SubscribeRequest, Subscription, Verified, VerifyRequest, wire,
};
use async_trait::async_trait;
use base::{Error, Result, SqlState};
use bytes::Bytes;
use env::Env;
use futures::StreamExt;
use meta::{Source, scram};
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A call that takes longer is taken for lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Diverged parts travel in calls of about this size.
const SAVE_BYTES: usize = 4 << 20;

/// How targets connect.
#[derive(Clone, Debug, Default)]
pub struct GrpcSettings {
    /// Certificates (PEM) of the authorities that may vouch for a source named `https://…`.
    pub ca_pem: Option<Vec<u8>>,
    /// Where other clusters find this one; the host begins with `https://` if it asks for TLS.
    pub advertise: Option<(String, u16)>,
}

/// Connects over TCP, with TLS if the source's host begins with `https://`.
#[derive(Clone, Debug)]
pub struct GrpcConnect {
    env: Env,
    settings: GrpcSettings,
}

impl GrpcConnect {
    /// A connector.
    pub fn new(env: Env, settings: GrpcSettings) -> GrpcConnect {
        GrpcConnect { env, settings }
    }

    fn endpoint(&self, source: &Source) -> Result<Endpoint> {
        let bad = |e: tonic::transport::Error| {
            let message = format!("\"{}\" is no address of a source: {e}", source.host);
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        };
        let (tls, host) = match source.host.strip_prefix("https://") {
            Some(host) => (true, host),
            None => (false, source.host.as_str()),
        };
        let scheme = if tls { "https" } else { "http" };
        // An IPv6 address needs brackets in a URI.
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{}", source.port))
            .map_err(bad)?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        if tls {
            let pem = self.settings.ca_pem.as_ref().ok_or_else(|| {
                Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "no certificate authority is set to check the source's certificate with",
                )
            })?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        Ok(endpoint)
    }
}

#[async_trait]
impl Connect for GrpcConnect {
    async fn connect(&self, source: &Source) -> Result<Arc<dyn Peer>> {
        let at = format!("{}:{}", source.host, source.port);
        let channel = self.endpoint(source)?.connect().await.map_err(|e| {
            let why = std::error::Error::source(&e).map_or(e.to_string(), ToString::to_string);
            Error::new(
                SqlState::CONNECTION_FAILURE,
                format!("cannot reach the source at {at}: {why}"),
            )
        })?;
        let client = ReplicationClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let token = self.log_in(client.clone(), source).await?;
        Ok(Arc::new(GrpcPeer { client, token }))
    }

    fn address(&self) -> Option<(String, u16)> {
        self.settings.advertise.clone()
    }
}

impl GrpcConnect {
    async fn log_in(
        &self,
        mut client: ReplicationClient<Channel>,
        source: &Source,
    ) -> Result<MetadataValue<Ascii>> {
        let mut nonce = [0; 18];
        self.env.rng.fill(&mut nonce);
        let mut scram = scram::Client::new(&source.user, &source.password, &nonce);
        let first = wire::Scram { message: scram.first(), ..wire::Scram::default() };
        let answer = client.authenticate(timed(first)).await.map_err(|s| error(&s))?.into_inner();
        let message = scram.respond(&answer.message)?;
        let last = wire::Scram { message, exchange: answer.exchange, token: String::new() };
        let answer = client.authenticate(timed(last)).await.map_err(|s| error(&s))?.into_inner();
        scram.verify(&answer.message)?;
        answer
            .token
            .parse()
            .map_err(|_| Error::new(SqlState::PROTOCOL_VIOLATION, "the source sent no token"))
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// A session over gRPC.
#[derive(Debug)]
struct GrpcPeer {
    client: ReplicationClient<Channel>,
    token: MetadataValue<Ascii>,
}

impl GrpcPeer {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = timed(message);
        request.metadata_mut().insert(TOKEN, self.token.clone());
        request
    }
}

fn broken(status: Status) -> Error {
    error(&status)
}

#[async_trait]
impl Peer for GrpcPeer {
    async fn hello(&self, request: HelloRequest) -> Result<Hello> {
        let request = self.request(wire::HelloRequest::from(request));
        self.client.clone().hello(request).await.map_err(broken)?.into_inner().try_into()
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let mut asked = Request::new(wire::SubscribeRequest::from(request));
        asked.metadata_mut().insert(TOKEN, self.token.clone());
        let mut items = self.client.clone().subscribe(asked).await.map_err(broken)?.into_inner();
        let first = items.message().await.map_err(broken)?;
        let answer = first.unwrap_or_default().into_answer()?;
        let frames = items.map(|item| item.map_err(broken)?.into_batch()).boxed();
        Ok(Subscription { answer, frames })
    }

    async fn ack(&self, ack: Ack) -> Result<Acked> {
        let acked = self.client.clone().ack(self.request(ack.into())).await.map_err(broken)?;
        Ok(acked.into_inner().into())
    }

    async fn handover(&self, request: HandoverRequest) -> Result<HandoverAnswer> {
        let request = self.request(wire::HandoverRequest::from(request));
        self.client.clone().handover(request).await.map_err(broken)?.into_inner().try_into()
    }

    async fn invite(&self, invitation: Invitation) -> Result<Invited> {
        let request = self.request(wire::Invitation::from(invitation));
        self.client.clone().invite(request).await.map_err(broken)?.into_inner().try_into()
    }

    async fn databases(&self) -> Result<Vec<String>> {
        let request = self.request(wire::Empty {});
        Ok(self.client.clone().databases(request).await.map_err(broken)?.into_inner().names)
    }

    async fn positions(&self, database: &str) -> Result<Positions> {
        let request = self.request(wire::Named { database: database.to_owned() });
        Ok(self.client.clone().positions(request).await.map_err(broken)?.into_inner().into())
    }

    async fn compare(&self, request: CompareRequest) -> Result<Compared> {
        let request = self.request(wire::CompareRequest::from(request));
        self.client.clone().compare(request).await.map_err(broken)?.into_inner().try_into()
    }

    async fn verify(&self, request: VerifyRequest) -> Result<Verified> {
        let request = self.request(wire::VerifyRequest::from(request));
        Ok(self.client.clone().verify(request).await.map_err(broken)?.into_inner().into())
    }

    async fn content(&self, request: ContentRequest) -> Result<Content> {
        let request = self.request(wire::ContentRequest::from(request));
        self.client.clone().content(request).await.map_err(broken)?.into_inner().try_into()
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Bytes> {
        let piece = self.client.clone().fetch(self.request(fetch.into())).await.map_err(broken)?;
        Ok(piece.into_inner().bytes)
    }

    async fn save_diverged(&self, request: SaveDiverged) -> Result<()> {
        for call in split(request) {
            let call = self.request(wire::SaveDiverged::from(call));
            self.client.clone().save_diverged(call).await.map_err(broken)?;
        }
        Ok(())
    }
}

/// Cuts a long list of parts into calls; the epochs are settled by the last one.
fn split(request: SaveDiverged) -> Vec<SaveDiverged> {
    let empty = SaveDiverged { parts: Vec::new(), settled: Vec::new(), ..request.clone() };
    let (mut calls, mut bytes) = (vec![empty.clone()], 0);
    for part in request.parts {
        let size = part.rows.iter().map(|r| {
            let texts = r.key.len() + r.old.as_ref().map_or(0, String::len);
            let raw =
                r.raw_old.as_ref().map_or(0, Bytes::len) + r.raw_new.as_ref().map_or(0, Bytes::len);
            texts + r.new.as_ref().map_or(0, String::len) + raw + r.raw_key.len() + 64
        });
        let size: usize = size.sum();
        if bytes > 0 && bytes + size > SAVE_BYTES {
            calls.push(empty.clone());
            bytes = 0;
        }
        bytes += size;
        if let Some(call) = calls.last_mut() {
            call.parts.push(part);
        }
    }
    if let Some(last) = calls.last_mut() {
        last.settled = request.settled;
    }
    calls
}
