//! Generates the gRPC service of the replication link. Its messages are written by hand
//! (`src/peer/wire.rs`), so no protoc is needed.

use tonic_build::manual::{Builder, Method, Service};

fn method(name: &str, route: &str, input: &str, output: &str, stream: bool) -> Method {
    let method = Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("crate::peer::wire::{input}"))
        .output_type(format!("crate::peer::wire::{output}"))
        .codec_path("tonic_prost::ProstCodec");
    if stream { method.server_streaming().build() } else { method.build() }
}

fn main() {
    let service = Service::builder()
        .package("antipode.dr.v1")
        .name("Replication")
        .comment("What the target of a link asks its source.")
        .method(method("authenticate", "Authenticate", "Scram", "Scram", false))
        .method(method("hello", "Hello", "HelloRequest", "Hello", false))
        .method(method("subscribe", "Subscribe", "SubscribeRequest", "StreamItem", true))
        .method(method("ack", "Ack", "Ack", "Acked", false))
        .method(method("positions", "Positions", "Named", "Positions", false))
        .method(method("compare", "Compare", "CompareRequest", "Compared", false))
        .method(method("verify", "Verify", "VerifyRequest", "Verified", false))
        .method(method("content", "Content", "ContentRequest", "Content", false))
        .method(method("handover", "Handover", "HandoverRequest", "HandoverAnswer", false))
        .method(method("invite", "Invite", "Invitation", "Invited", false))
        .method(method("databases", "Databases", "Empty", "Databases", false))
        .method(method("fetch", "Fetch", "Fetch", "Piece", false))
        .method(method("save_diverged", "SaveDiverged", "SaveDiverged", "Empty", false))
        .build();
    Builder::new().compile(&[service]);
}
