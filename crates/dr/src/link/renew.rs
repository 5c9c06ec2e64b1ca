//! What a link does when the log does not lead on from what is here: new partitions, by content if
//! that can be, by a full copy if not. What only this side has is saved before.

use super::Shared;
use super::core::diverged;
use super::figures::{BY_CONTENT, FULL_COPY};
use super::rebuild::{self, Known};
use super::work::{keep, save};
use crate::diverged::{Fork, Witness, collect};
use crate::peer::{Hello, Peer};
use base::{Error, Lsn, Result, SqlState};
use format::vault::DivergedPart;
use meta::DatabaseState;
use std::sync::Arc;

/// What is known when the log turns out to be gone.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    pub reason: String,
    /// What a rewind would have had to take out.
    pub forks: Vec<Fork>,
    /// What is here shares no common point with the source.
    pub unrelated: bool,
    /// What a full copy would take.
    pub bytes: u64,
}

/// Puts new partitions in the place of those that the log does not lead on from: made from what is
/// here and from what differs, or, as the last resort, empty ones for a full copy. What only this side
/// has is saved before. Returns the role that the database has then.
pub(super) async fn renew(
    shared: Arc<Shared>,
    peer: Arc<dyn Peer>,
    hello: Hello,
    renewal: Renewal,
) -> Result<DatabaseState> {
    let Renewal { reason, forks, unrelated, bytes } = renewal;
    let database = shared.database()?;
    if !shared.link()?.differential {
        let beyond = |fork: &&Fork| {
            let partition = database.local_partitions().get(usize::from(fork.partition));
            partition.is_some_and(|p| p.newest_timestamp() > fork.cut)
        };
        if forks.iter().find(beyond).is_some() {
            return Err(diverged(false));
        }
    }
    let known = save_by_log(&shared, &peer, &forks).await?;
    let empty = database.local_partitions().iter().all(|p| p.end() == Lsn::ZERO);
    drop(database);
    let why_not = match (unrelated, empty) {
        (true, _) => "what is here shares no history with it".to_owned(),
        (_, true) => "there is nothing here to compare".to_owned(),
        _ => match by_content(&shared, &peer, &hello, &reason, (&forks, known.clone())).await {
            Err(e) if e.state == SqlState::FEATURE_NOT_SUPPORTED => e.into_report().message,
            // Trying again would not help, and nothing is lost: it is saved.
            Err(e) if known.is_none() && is_hopeless(&e) => e.into_report().message,
            done => return done,
        },
    };
    let mut why = format!("{reason}, and {why_not}");
    if known.is_some() {
        why += "; what the source never saw cannot be told any more by the log";
    }
    let text = format!("a full copy is needed, of about {bytes} bytes: {why}");
    shared.note("full copy", text)?;
    shared.figures.lock().way(FULL_COPY);
    shared.engine.fresh_partitions(&shared.name, hello.partitions, hello.line).await?;
    Ok(DatabaseState::Copying)
}

fn is_hopeless(error: &Error) -> bool {
    matches!(error.state, SqlState::PROTOCOL_VIOLATION | SqlState::DATA_CORRUPTED)
}

async fn by_content(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    hello: &Hello,
    reason: &str,
    (forks, known): (&[Fork], Option<Known>),
) -> Result<DatabaseState> {
    shared.figures.lock().way(BY_CONTENT);
    let mut rebuilt = rebuild::rebuild(shared, peer, reason, forks, known).await?;
    let parts = std::mem::take(&mut rebuilt.parts);
    keep(shared, peer, parts, Vec::new()).await?;
    rebuild::take(shared, peer, rebuilt, hello.promotion_epoch).await
}

/// As [`save`], where the chunks are newer than the cut: the source was promoted at a time before
/// what it had received. What it never received is told whole; what it had received, and gave up, it
/// has in its own vault, and nothing there is settled.
async fn save_what_is_left(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    forks: &[Fork],
) -> Result<Known> {
    let database = shared.database()?;
    // The same for all partitions: of a transaction all parts are told, or none.
    let oldest = database.local_partitions().iter().map(|p| p.oldest_cut()).max();
    let oldest = oldest.unwrap_or_default();
    let reachable = |fork: &Fork| Fork { cut: fork.cut.max(oldest), ..*fork };
    let forks: Vec<Fork> = forks.iter().map(reachable).collect();
    let mut parts = collect(&database, &forks, Witness::Writer(shared.engine.cluster())).await?;
    parts.retain(|part| part.commit_ts > oldest);
    let keys = |p: &DivergedPart| {
        let partition = p.partition;
        p.rows.iter().map(move |row| (partition, row.raw_key.clone())).collect::<Vec<_>>()
    };
    let known = parts.iter().flat_map(keys).collect();
    keep(shared, peer, parts, Vec::new()).await?;
    Ok(known)
}

/// Saves what the log tells of what is beyond the forks. If it does not tell everything: the rows
/// that are saved.
async fn save_by_log(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    forks: &[Fork],
) -> Result<Option<Known>> {
    if forks.is_empty() {
        return Ok(None);
    }
    match save(shared, peer, forks).await {
        Err(error) if is_gone(&error) => {}
        saved => return saved.map(|()| None),
    }
    match save_what_is_left(shared, peer, forks).await {
        Err(error) if is_gone(&error) => Ok(Some(Known::new())),
        saved => saved.map(Some),
    }
}

fn is_gone(error: &Error) -> bool {
    error.state == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
}
