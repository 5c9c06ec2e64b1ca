//! How a target's database compares with this one, told without changing anything.

use super::Replication;
use crate::peer::{CompareRequest, Compared, ComparedPartition};
use base::{EpochHistory, Lsn, Result};
use partition::Partition;
use std::sync::Arc;

impl Replication {
    /// See [`Peer::compare`](crate::peer::Peer::compare).
    pub async fn compare(&self, request: CompareRequest) -> Result<Compared> {
        let database = self.primary(&request.database)?;
        let mut partitions = Vec::new();
        let nothing = (Lsn::ZERO, EpochHistory::default());
        for (index, partition) in database.local_partitions().iter().enumerate() {
            let have = request.partitions.get(index).unwrap_or(&nothing);
            partitions.push(self.compare_one(partition, have).await?);
        }
        let cluster = self.engine.meta.read(|s| s.cluster.clone());
        Ok(Compared {
            line: database.line(),
            cluster: cluster.id,
            cluster_name: cluster.name,
            promotion_epoch: database.promotion_epoch(),
            gated: database.gated().is_some(),
            partitions,
        })
    }

    async fn compare_one(
        &self,
        partition: &Arc<Partition>,
        (their_end, theirs): &(Lsn, EpochHistory),
    ) -> Result<ComparedPartition> {
        let end = partition.durable();
        let common = partition.history().common_point(end, theirs, *their_end);
        let next = common.next();
        let logged = next > end || partition.first() <= next;
        let cut = match common < *their_end || common < end {
            true if logged => self.cut(partition, common).await?,
            // The log that says it may be gone.
            true => self.cut(partition, common).await.unwrap_or(None),
            false => None,
        };
        let status = partition::PartitionHandle::status(partition.as_ref()).await?;
        let bytes = status.chunk_bytes + status.delta_bytes as u64;
        Ok(ComparedPartition { end, common, cut, logged, bytes })
    }
}
