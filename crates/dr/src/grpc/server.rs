//! The source's end.

use super::errors::status;
use super::generated::replication_server::{self, ReplicationServer};
use super::{MESSAGE_BYTES_MAX, TOKEN};
use crate::peer::wire;
use crate::source::Replication;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service of a node, to be added to a tonic server.
pub fn service(replication: Arc<Replication>) -> ReplicationServer<Service> {
    ReplicationServer::new(Service { replication })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// Answers calls.
#[derive(Debug)]
pub struct Service {
    replication: Arc<Replication>,
}

impl Service {
    fn check<T>(&self, request: Request<T>) -> Result<T, Status> {
        self.who(&request)?;
        Ok(request.into_inner())
    }

    /// The user who has logged in.
    fn who<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let token = request.metadata().get(TOKEN).and_then(|t| t.to_str().ok()).unwrap_or("");
        self.replication.door.check(token).map_err(status)
    }
}

#[tonic::async_trait]
impl replication_server::Replication for Service {
    type SubscribeStream = BoxStream<'static, Result<wire::StreamItem, Status>>;

    async fn authenticate(
        &self,
        request: Request<wire::Scram>,
    ) -> Result<Response<wire::Scram>, Status> {
        let m = request.into_inner();
        let step = self.replication.door.step(m.exchange, &m.message).map_err(status)?;
        Ok(Response::new(wire::Scram {
            message: step.message,
            exchange: step.exchange,
            token: step.token.unwrap_or_default(),
        }))
    }

    async fn hello(
        &self,
        request: Request<wire::HelloRequest>,
    ) -> Result<Response<wire::Hello>, Status> {
        let asked = self.check(request)?.try_into().map_err(status)?;
        let hello = self.replication.hello(asked).await.map_err(status)?;
        Ok(Response::new(hello.into()))
    }

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let asked = self.check(request)?.try_into().map_err(status)?;
        let granted = self.replication.subscribe(asked).await.map_err(status)?;
        let first = futures::stream::iter([Ok(granted.answer.into())]);
        let rest = granted.frames.map(|batch| batch.map(Into::into).map_err(status));
        Ok(Response::new(first.chain(rest).boxed()))
    }

    async fn ack(&self, request: Request<wire::Ack>) -> Result<Response<wire::Acked>, Status> {
        let ack = self.check(request)?.into();
        let acked = self.replication.ack(ack).await.map_err(status)?;
        Ok(Response::new(acked.into()))
    }

    async fn handover(
        &self,
        request: Request<wire::HandoverRequest>,
    ) -> Result<Response<wire::HandoverAnswer>, Status> {
        let asked = self.check(request)?.try_into().map_err(status)?;
        let answer = self.replication.handover(asked).await.map_err(status)?;
        Ok(Response::new(answer.into()))
    }

    async fn invite(
        &self,
        request: Request<wire::Invitation>,
    ) -> Result<Response<wire::Invited>, Status> {
        let who = self.who(&request)?;
        let asked = request.into_inner().try_into().map_err(status)?;
        let invited = self.replication.invite(asked, &who).await.map_err(status)?;
        Ok(Response::new(invited.into()))
    }

    async fn databases(
        &self,
        request: Request<wire::Empty>,
    ) -> Result<Response<wire::Databases>, Status> {
        self.check(request)?;
        let names = self.replication.databases().await.map_err(status)?;
        Ok(Response::new(wire::Databases { names }))
    }

    async fn positions(
        &self,
        request: Request<wire::Named>,
    ) -> Result<Response<wire::Positions>, Status> {
        let name = self.check(request)?.database;
        let positions = self.replication.positions(&name).await.map_err(status)?;
        Ok(Response::new(positions.into()))
    }

    async fn compare(
        &self,
        request: Request<wire::CompareRequest>,
    ) -> Result<Response<wire::Compared>, Status> {
        let asked = self.check(request)?.into();
        let compared = self.replication.compare(asked).await.map_err(status)?;
        Ok(Response::new(compared.into()))
    }

    async fn verify(
        &self,
        request: Request<wire::VerifyRequest>,
    ) -> Result<Response<wire::Verified>, Status> {
        let asked = self.check(request)?.try_into().map_err(status)?;
        let verified = self.replication.verify(asked).await.map_err(status)?;
        Ok(Response::new(verified.into()))
    }

    async fn content(
        &self,
        request: Request<wire::ContentRequest>,
    ) -> Result<Response<wire::Content>, Status> {
        let asked = self.check(request)?.try_into().map_err(status)?;
        let content = self.replication.content(asked).await.map_err(status)?;
        Ok(Response::new(content.into()))
    }

    async fn fetch(&self, request: Request<wire::Fetch>) -> Result<Response<wire::Piece>, Status> {
        let fetch = self.check(request)?.into();
        let bytes = self.replication.fetch(fetch).await.map_err(status)?;
        Ok(Response::new(wire::Piece { bytes }))
    }

    async fn save_diverged(
        &self,
        request: Request<wire::SaveDiverged>,
    ) -> Result<Response<wire::Empty>, Status> {
        let save = self.check(request)?.try_into().map_err(status)?;
        self.replication.save_diverged(save).await.map_err(status)?;
        Ok(Response::new(wire::Empty {}))
    }
}
