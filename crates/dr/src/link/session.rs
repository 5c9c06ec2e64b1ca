//! Greeting the source, and the questions to it.

use super::Shared;
use crate::peer::{
    FORMAT_VERSION, Hello, HelloRequest, Mode, OLDEST_FORMAT, Peer, SubscribeRequest,
};
use base::{Epoch, Error, Result, SqlState};
use meta::{Command, DatabaseState, ReplicaCommand};
use partition::Partition;
use std::sync::Arc;
use txn::{Database, Engine};

/// The name of a database's slot at its source.
pub(crate) fn slot_name(engine: &Engine, database: &str) -> String {
    format!("{}/{database}", engine.cluster())
}

/// Connects, logs in, and checks that the source is the right one.
pub(super) async fn greet(shared: &Shared) -> Result<(Arc<dyn Peer>, Hello)> {
    let (link, record) = (shared.link()?, shared.record()?);
    let peer = shared.connect.connect(&link.source).await?;
    let mode = match record.state {
        DatabaseState::Rewinding { .. } => Mode::Differential,
        _ => Mode::Follow,
    };
    let cluster = shared.engine.meta.read(|s| s.cluster.clone());
    let hello = peer
        .hello(HelloRequest {
            database: link.source.database.clone(),
            line: Some(record.line),
            cluster: cluster.id,
            cluster_name: cluster.name,
            slot: slot_name(&shared.engine, &shared.name),
            promotion_epoch: record.promotion_epoch,
            format_version: OLDEST_FORMAT,
            mode,
            own_rights: record.own_rights,
        })
        .await?;
    check(&hello, shared.engine.cluster())?;
    check_same(&hello, &record)?;
    take_rights(shared, &record, &hello)?;
    Ok((peer, hello))
}

/// Notes whose owners, grants and roles are here. Before anything comes: what is kept, what is told
/// the source, and what a promotion does with roles follows from it.
fn take_rights(shared: &Shared, record: &meta::Database, hello: &Hello) -> Result<()> {
    if record.own_rights == hello.own_rights {
        return Ok(());
    }
    let (database, own, at_ms) = (record.id, hello.own_rights, shared.engine.env.clock.now_ms());
    let set = ReplicaCommand::SetOwnRights { database, own, at_ms };
    shared.engine.meta.apply(set.into()).map(drop)
}

/// Takes the source's epoch on. Not before what is shown here is of its line: a standby that has to go
/// back first takes no reads then.
pub(crate) fn take_epoch(shared: &Shared, epoch: Epoch) -> Result<()> {
    let record = shared.record()?;
    if epoch > record.promotion_epoch {
        let (database, at_ms) = (record.id, shared.engine.env.clock.now_ms());
        shared.engine.meta.apply(Command::RaiseEpoch { database, epoch, at_ms })?;
        shared.database()?.set_promotion_epoch(epoch);
    }
    Ok(())
}

/// Refuses sources that nothing may be replicated from.
pub(crate) fn check(hello: &Hello, cluster: base::ClusterId) -> Result<()> {
    if hello.format_version > FORMAT_VERSION {
        return Err(Error::unsupported(format!("a source of format {}", hello.format_version))
            .detail(format!("the newest format known here is {FORMAT_VERSION}"))
            .hint("upgrade this cluster first"));
    }
    if hello.cluster == cluster {
        let message = format!("source and target both have cluster id {cluster}");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    if hello.state != DatabaseState::Primary {
        return Err(prerequisite("the source is itself a target".to_owned()));
    }
    Ok(())
}

/// Refuses a source of another history, or one that is behind.
pub(crate) fn check_same(hello: &Hello, record: &meta::Database) -> Result<()> {
    if hello.line != record.line {
        let message =
            format!("source ({}) and target ({}) share no history", hello.line, record.line);
        return Err(
            prerequisite(message).hint("drop the target's database and replicate it in full")
        );
    }
    if usize::from(hello.partitions) != record.partitions.len() {
        let message = format!(
            "the source has {} partitions, this database {}",
            hello.partitions,
            record.partitions.len()
        );
        return Err(prerequisite(message));
    }
    if hello.promotion_epoch < record.promotion_epoch {
        return Err(prerequisite(format!(
            "the source is stale: its epoch {} is below {}",
            hello.promotion_epoch, record.promotion_epoch
        )));
    }
    Ok(())
}

fn prerequisite(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// What to ask about a partition.
pub(super) fn request(
    shared: &Shared,
    database: &Arc<Database>,
    partition: &Arc<Partition>,
    (source, own_rights): (&str, bool),
) -> SubscribeRequest {
    SubscribeRequest {
        database: source.to_owned(),
        slot: slot_name(&shared.engine, &shared.name),
        partition: partition.number(),
        end: partition.end(),
        history: partition.history(),
        promotion_epoch: database.promotion_epoch(),
        own_rights,
    }
}
