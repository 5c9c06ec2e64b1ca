//! The work that a link's core orders: copy and rewind ([`super::renew`] is the rest). Each can be repeated from its beginning
//! after a crash at any place, and then changes nothing twice.

use super::Shared;
use super::figures::{BY_LOG, FULL_COPY};
use crate::diverged::{Fork, Witness, collect};
use crate::peer::{BaseOffer, Fetch, Peer, SaveDiverged};
use base::{Epoch, Error, Result, SqlState};
use env::Disk;
use format::manifest::ChunkMeta;
use format::vault::DivergedPart;
use futures::future::try_join_all;
use state::State;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How much of a file is fetched by one call.
const PIECE_BYTES: u32 = 1 << 20;
/// Files under way; the partition's own clean-up leaves such names alone.
const INCOMING: &str = "incoming-";

/// Saves what is beyond the forks here and at the source, then takes it out.
pub(super) async fn rewind(
    shared: Arc<Shared>,
    peer: Arc<dyn Peer>,
    forks: Vec<Fork>,
) -> Result<()> {
    shared.figures.lock().way(BY_LOG);
    save(&shared, &peer, &forks).await?;
    let database = shared.database()?;
    let rewinds = forks.iter().map(|fork| {
        let partition = database.local_partitions().get(usize::from(fork.partition)).cloned();
        async move {
            let partition = partition.ok_or_else(|| Error::internal("no such partition"))?;
            let beyond = partition.end().0.saturating_sub(fork.common.0);
            partition.rewind(fork.common, fork.cut).await.map(|()| beyond)
        }
    });
    let taken_out: u64 = try_join_all(rewinds).await?.into_iter().sum();
    database.forget_catalogs();
    let text = format!(
        "back at the last common point: {taken_out} log records were taken out, and the source's log \
         leads on from there"
    );
    shared.note("by log", text)
}

/// Why this database cannot go back to the forks, if it cannot.
pub(super) fn too_old(shared: &Shared, forks: &[Fork]) -> Result<Option<String>> {
    let database = shared.database()?;
    let beyond = |fork: &&Fork| {
        let partition = database.local_partitions().get(usize::from(fork.partition));
        partition.is_some_and(|p| !p.reaches_back(fork.common, fork.cut))
    };
    Ok(forks.iter().find(beyond).map(|fork| {
        let (partition, cut) = (fork.partition, fork.cut);
        format!("what partition {partition} has here does not reach back to the cut {cut}")
    }))
}

pub(super) async fn save(shared: &Arc<Shared>, peer: &Arc<dyn Peer>, forks: &[Fork]) -> Result<()> {
    let database = shared.database()?;
    let parts = collect(&database, forks, Witness::Writer(shared.engine.cluster())).await?;
    let settled = own_epochs(shared, &database);
    keep(shared, peer, parts, settled).await
}

pub(super) async fn keep(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    parts: Vec<DivergedPart>,
    settled: Vec<Epoch>,
) -> Result<()> {
    let database = shared.database()?;
    let vault = shared.vaults.of(database.id())?;
    // Whether the rest has committed its writer will tell the source, not this side.
    let kept: Vec<_> = parts.iter().filter(|p| p.complete || p.decided).cloned().collect();
    let news = shared.engine.env.blocking(move || vault.add(&kept)).await;
    let news = news.unwrap_or_else(|| Err(Error::internal("saving failed")))?;
    let summary = summary(&parts);
    let parts = without_local(parts, shared.record()?.own_rights);
    peer.save_diverged(SaveDiverged { database: shared.link()?.source.database, parts, settled })
        .await?;
    if news > 0 {
        shared.note("diverged", summary)?;
    }
    Ok(())
}

/// What the other side is told: not what was written to tables that are not replicated, nor rights if
/// those are of this side alone.
fn without_local(mut parts: Vec<DivergedPart>, own_rights: bool) -> Vec<DivergedPart> {
    let stays = |key: &[u8]| {
        format::key::storage_of(key).is_local() || own_rights && format::access::is_fact_key(key)
    };
    let mut local = BTreeSet::new();
    for part in &mut parts {
        let before = part.rows.len();
        part.rows.retain(|row| !stays(&row.raw_key));
        local.extend((part.rows.len() < before).then_some(part.txn));
    }
    // A part without rows still says that its transaction is complete; if nothing is left of that, there
    // is nothing to tell.
    for part in parts.iter().filter(|p| !p.rows.is_empty()) {
        local.remove(&part.txn);
    }
    parts.retain(|part| !local.contains(&part.txn));
    parts
}

fn summary(parts: &[DivergedPart]) -> String {
    let txns: BTreeSet<_> = parts.iter().map(|p| p.txn).collect();
    let rows: usize = parts.iter().map(|p| p.rows.len()).sum();
    format!(
        "{} transactions with {rows} changed rows that the source never saw are kept in \
         information_schema.diverged_transactions",
        txns.len()
    )
}

/// The epochs this cluster wrote: it has told all about them.
fn own_epochs(shared: &Shared, database: &Arc<txn::Database>) -> Vec<Epoch> {
    let own = shared.engine.cluster();
    let histories = database.local_partitions().iter().flat_map(|p| p.history().0);
    let epochs: BTreeSet<Epoch> = histories.map(|e| e.0).filter(|e| e.cluster == own).collect();
    epochs.into_iter().collect()
}

/// Fetches bases and installs them.
pub(super) async fn copy(
    shared: Arc<Shared>,
    peer: Arc<dyn Peer>,
    offers: Vec<(u16, BaseOffer)>,
) -> Result<()> {
    let database = shared.database()?;
    let total: u64 = offers.iter().flat_map(|(_, o)| o.manifest.chunks()).map(|c| c.bytes).sum();
    {
        let mut figures = shared.figures.lock();
        figures.way(FULL_COPY);
        figures.copying(total);
    }
    let reason = offers.first().map(|(_, o)| o.reason.clone()).unwrap_or_default();
    shared.note("copy", format!("copying {total} bytes of chunks: {reason}"))?;
    let copies = offers.into_iter().map(|(index, offer)| {
        let (shared, peer) = (shared.clone(), peer.clone());
        let partition = database.local_partitions().get(usize::from(index)).cloned();
        async move {
            let partition = partition.ok_or_else(|| Error::internal("no such partition"))?;
            let dir = partition.pin_base().dir;
            for chunk in offer.manifest.chunks() {
                fetch(&shared, &peer, &dir, offer.pin, chunk).await?;
            }
            let disk = shared.engine.env.clone();
            let install = move || install(&disk, &dir, &offer);
            let installed = shared.engine.env.blocking(install).await;
            installed.unwrap_or_else(|| Err(Error::internal("installing a base failed")))
        }
    });
    try_join_all(copies).await?;
    drop(database);
    shared.engine.reattach(&shared.name).await?;
    Ok(())
}

fn install(env: &env::Env, dir: &Path, offer: &BaseOffer) -> Result<()> {
    let io = |e| Error::io(format!("installing a base in {}", dir.display()), &e);
    for chunk in offer.manifest.chunks() {
        let from = incoming(dir, chunk);
        if env.disk.exists(&from) {
            env.disk.rename(&from, &dir.join(&chunk.file)).map_err(io)?;
        }
    }
    env.disk.sync_dir(dir).map_err(io)?;
    State::install_base(env, dir, &offer.manifest)
}

fn incoming(dir: &Path, chunk: &ChunkMeta) -> PathBuf {
    dir.join(format!("{INCOMING}{:08x}-{}", chunk.crc32c, chunk.file))
}

/// Fetches one file, unless it is here whole already.
async fn fetch(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    dir: &Path,
    pin: u64,
    chunk: &ChunkMeta,
) -> Result<()> {
    let path = incoming(dir, chunk);
    let disk = shared.engine.env.disk.clone();
    let (probe, want) = ((disk.clone(), path.clone()), chunk.clone());
    let whole = shared.engine.env.blocking(move || is_whole(&probe.0, &probe.1, &want)).await;
    if whole.unwrap_or(false) {
        shared.figures.lock().copied(chunk.bytes, false);
        return Ok(());
    }
    let io = |e| Error::io(format!("writing {}", path.display()), &e);
    if disk.exists(&path) {
        disk.remove(&path).map_err(io)?;
    }
    let file = disk.create(&path).map_err(io)?;
    let (mut offset, mut crc) = (0, 0);
    while offset < chunk.bytes {
        if shared.leaving.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::ADMIN_SHUTDOWN, "the copy was interrupted"));
        }
        let ask = Fetch { pin, file: chunk.file.clone(), offset, len: PIECE_BYTES };
        let piece = peer.fetch(ask).await?;
        if piece.is_empty() {
            break;
        }
        crc = crc32c::crc32c_append(crc, &piece);
        let (len, file) = (piece.len() as u64, file.clone());
        let written = shared.engine.env.blocking(move || file.write_at(&piece, offset)).await;
        written
            .unwrap_or_else(|| Err(std::io::Error::other("the write did not end")))
            .map_err(io)?;
        offset += len;
        let now = shared.engine.env.clock.monotonic();
        let mut figures = shared.figures.lock();
        figures.copied(len, true);
        figures.tick(now);
    }
    if offset != chunk.bytes || crc != chunk.crc32c {
        disk.remove(&path).map_err(io)?;
        let what = format!("chunk {} arrived damaged: its checksum does not match", chunk.file);
        return Err(Error::corrupt(what));
    }
    shared.engine.env.blocking(move || file.sync()).await.unwrap_or(Ok(())).map_err(io)
}

fn is_whole(disk: &Arc<dyn Disk>, path: &Path, chunk: &ChunkMeta) -> bool {
    disk.exists(path)
        && disk.read(path).is_ok_and(|bytes| {
            bytes.len() as u64 == chunk.bytes && crc32c::crc32c(&bytes) == chunk.crc32c
        })
}
