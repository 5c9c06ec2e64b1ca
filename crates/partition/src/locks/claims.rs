//! Locks on whole blocks of keys.

use base::TxnId;
use bytes::Bytes;
use format::block::Block;
use std::collections::BTreeMap;
use std::ops::Bound;

/// How many blocks of one transaction may overlap in one place: each is looked into for a key.
const LAYERS_MAX: usize = 16;

/// Who holds which blocks. Blocks of different transactions do not overlap; those of one are in
/// layers, none of which overlaps in itself.
#[derive(Debug, Default)]
pub(super) struct Claims {
    owners: BTreeMap<TxnId, Vec<Layer>>,
}

/// Blocks by their first key.
#[derive(Debug, Default)]
struct Layer(BTreeMap<Bytes, Block>);

impl Layer {
    /// The last block that begins at or before a key.
    fn before(&self, key: &[u8]) -> Option<&Block> {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.0.range::<[u8], _>(upto).next_back().map(|(_, block)| block)
    }

    fn overlaps(&self, block: &Block) -> bool {
        self.before(block.last()).is_some_and(|b| b.overlaps(block.first(), block.last()))
    }
}

impl Claims {
    /// Adds a block; false, and nothing added, if one of somebody else is in the way.
    pub(super) fn add(&mut self, txn: TxnId, block: &Block) -> bool {
        let mut others = self.owners.iter().filter(|(owner, _)| **owner != txn);
        if others.any(|(_, layers)| layers.iter().any(|l| l.overlaps(block))) {
            return false;
        }
        let layers = self.owners.entry(txn).or_default();
        let at = layers.iter().position(|l| !l.overlaps(block)).unwrap_or(layers.len());
        if at == LAYERS_MAX {
            return false;
        }
        if at == layers.len() {
            layers.push(Layer::default());
        }
        layers[at].0.insert(block.shared_key(0), block.clone());
        true
    }

    /// Who holds a block with this key.
    pub(super) fn owner(&self, key: &[u8]) -> Option<TxnId> {
        let holds = |l: &Layer| l.before(key).is_some_and(|b| b.find(key).is_some());
        self.owners.iter().find(|(_, layers)| layers.iter().any(holds)).map(|(txn, _)| *txn)
    }

    /// Gives up everything of a transaction.
    pub(super) fn remove(&mut self, txn: TxnId) {
        self.owners.remove(&txn);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}
