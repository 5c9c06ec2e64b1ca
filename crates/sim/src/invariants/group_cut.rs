//! # A group changes sides at one cut
//! An order is written once its transfer, in another database of the group, was acknowledged. So
//! wherever both databases are the primary, after whatever promotions, no order is there without its
//! transfer.

use crate::picture::{Picture, int};
use crate::verdict::Violation;
use std::collections::BTreeSet;

/// Compares what both databases show of one moment without writes.
pub fn check(bank: &Picture, shop: &Picture) -> Result<(), Violation> {
    let transfers: BTreeSet<i64> = bank.transfers().into_iter().collect();
    let orders = shop.table("orders").filter_map(|(_, row)| int(row, "id"));
    let alone: Vec<i64> = orders.filter(|id| !transfers.contains(id)).collect();
    match alone.first() {
        None => Ok(()),
        Some(first) => {
            let what = format!("orders without their transfers: {alone:?}");
            Err(Violation::new("group_cut", what).about(*first))
        }
    }
}
