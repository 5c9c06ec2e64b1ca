//! The account: is every acknowledged commit where it must be, exactly once?

use super::bank::{DEPOSIT, Transfer};
use super::fault::{Doing, Result};
use super::journal::Acknowledged;
use crate::client;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Client;

/// What the account found. All is well if [`Account::mistakes`] is empty.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Commits that clients were told of.
    pub acknowledged: u64,
    /// Of those, told by east; the others by west.
    pub by_east: u64,
    /// Of those, found in the data.
    pub in_data: u64,
    /// Of those, stranded by the crash and kept in the diverged tables.
    pub stranded: u64,
    /// COMMITs without an answer, and how many of them turned out to have happened.
    pub unknown: (u64, u64),
    /// Transactions in the diverged tables, and rows.
    pub diverged: (u64, u64),
    /// Sum of all balances.
    pub sum: i64,
    /// What that sum must be.
    pub expected_sum: i64,
    /// What does not add up.
    pub mistakes: Vec<String>,
}

/// What a region keeps of transactions that the other side never saw.
#[derive(Clone, Debug, Default)]
pub struct Diverged {
    /// How many transactions.
    pub transactions: u64,
    /// How many rows.
    pub rows: u64,
    /// Ids of rows of `transfers`, with how often each is there.
    pub transfers: BTreeMap<i64, u64>,
}

/// Reads the diverged tables of a region.
pub async fn diverged(client: &Client) -> Result<Diverged> {
    let transactions = "SELECT count(*) FROM information_schema.diverged_transactions";
    let answer = client::ask(client, transactions).await.doing(transactions)?;
    let transactions = answer.single().and_then(|n| n.parse().ok()).unwrap_or_default();
    let rows = "SELECT table_name, new_row FROM information_schema.diverged_rows";
    let answer = client::ask(client, rows).await.doing(rows)?;
    let mut found =
        Diverged { transactions, rows: answer.rows.len() as u64, ..Diverged::default() };
    for row in 0..answer.rows.len() {
        let table = answer.field(row, "table_name").unwrap_or_default();
        if table.rsplit('.').next() == Some("transfers")
            && let Some(id) = answer.field(row, "new_row").and_then(transfer_id)
        {
            *found.transfers.entry(id).or_default() += 1;
        }
    }
    Ok(found)
}

/// The id in a row of `transfers` that is kept as JSON.
fn transfer_id(json: &str) -> Option<i64> {
    let row: serde_json::Value = serde_json::from_str(json).ok()?;
    let id = row.get("id")?;
    id.as_i64().or_else(|| id.as_str()?.parse().ok())
}

/// Compares what clients were told with what is in the data and in the diverged tables.
pub fn account(
    told: (&[Acknowledged], &BTreeSet<i64>),
    data: &BTreeMap<i64, Transfer>,
    balances: &BTreeMap<i64, i64>,
    diverged: &Diverged,
    accounts: u64,
) -> Account {
    let (acknowledged, unknown) = told;
    let mut account = Account {
        acknowledged: acknowledged.len() as u64,
        by_east: acknowledged.iter().filter(|a| a.region == "east").count() as u64,
        diverged: (diverged.transactions, diverged.rows),
        sum: balances.values().sum(),
        expected_sum: accounts as i64 * DEPOSIT,
        ..Account::default()
    };
    let acknowledged: BTreeSet<i64> = acknowledged.iter().map(|a| a.id).collect();
    for id in &acknowledged {
        match (data.contains_key(id), diverged.transfers.get(id).copied().unwrap_or(0)) {
            (true, 0) => account.in_data += 1,
            (false, 1) => account.stranded += 1,
            (true, n) => account.mistake(format!("{id} is in the data and {n} times diverged")),
            (false, 0) => account.mistake(format!("{id} was acknowledged and is nowhere")),
            (false, n) => account.mistake(format!("{id} is {n} times in the diverged rows")),
        }
    }
    let happened = unknown
        .iter()
        .filter(|id| data.contains_key(id) || diverged.transfers.contains_key(id))
        .count();
    account.unknown = (unknown.len() as u64, happened as u64);
    for id in data.keys().chain(diverged.transfers.keys()) {
        if !acknowledged.contains(id) && !unknown.contains(id) {
            account.mistake(format!("{id} is there but no client was told of its commit"));
        }
    }
    account.check_balances(data, balances);
    account
}

impl Account {
    fn mistake(&mut self, what: String) {
        self.mistakes.push(format!("transfer {what}"));
    }

    /// Every balance must follow from the transfers in the data: a transaction over two partitions
    /// that took effect on one of them only would show here.
    fn check_balances(&mut self, data: &BTreeMap<i64, Transfer>, balances: &BTreeMap<i64, i64>) {
        let mut moved: BTreeMap<i64, i64> = BTreeMap::new();
        for (from, to, amount) in data.values() {
            *moved.entry(*from).or_default() -= amount;
            *moved.entry(*to).or_default() += amount;
        }
        let wrong = balances
            .iter()
            .filter(|(id, balance)| **balance != DEPOSIT + moved.get(id).copied().unwrap_or(0));
        let wrong: Vec<i64> = wrong.map(|(id, _)| *id).collect();
        if let Some(first) = wrong.first() {
            let n = wrong.len();
            self.mistakes.push(format!(
                "{n} balances do not follow from the transfers, first that of account {first}"
            ));
        }
        if self.sum != self.expected_sum {
            self.mistakes
                .push(format!("the balances sum up to {}, not {}", self.sum, self.expected_sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn told(ids: &[i64]) -> Vec<Acknowledged> {
        ids.iter().map(|id| Acknowledged { id: *id, at: Instant::now(), region: "east" }).collect()
    }

    fn bank(transfers: &[i64]) -> (BTreeMap<i64, Transfer>, BTreeMap<i64, i64>) {
        let data = transfers.iter().map(|id| (*id, (1, 2, 10))).collect();
        let moved = 10 * transfers.len() as i64;
        (data, BTreeMap::from([(1, DEPOSIT - moved), (2, DEPOSIT + moved)]))
    }

    #[test]
    fn data_and_diverged_rows_together_make_up_the_account() {
        let (data, balances) = bank(&[1, 2, 5]);
        let diverged =
            Diverged { transactions: 1, rows: 3, transfers: BTreeMap::from([(3, 1), (6, 1)]) };
        let unknown = BTreeSet::from([5, 6, 7]);
        let a = account((&told(&[1, 2, 3]), &unknown), &data, &balances, &diverged, 2);
        assert_eq!(a.mistakes, Vec::<String>::new());
        assert_eq!((a.acknowledged, a.in_data, a.stranded, a.unknown), (3, 2, 1, (3, 2)));
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        let (data, mut balances) = bank(&[1, 9]);
        balances.insert(2, 0);
        let diverged =
            Diverged { transfers: BTreeMap::from([(1, 1), (3, 2)]), ..Diverged::default() };
        let a = account((&told(&[1, 2, 3]), &BTreeSet::new()), &data, &balances, &diverged, 2);
        let all = a.mistakes.join("\n");
        for wanted in [
            "1 is in the data and 1 times diverged",
            "2 was acknowledged and is nowhere",
            "3 is 2 times in the diverged rows",
            "9 is there but no client was told",
            "1 balances do not follow from the transfers, first that of account 2",
            "the balances sum up to 980, not 2000",
        ] {
            assert!(all.contains(wanted), "missing {wanted} in\n{all}");
        }
    }

    #[test]
    fn ids_are_read_from_json() {
        assert_eq!(transfer_id(r#"{"id": 12, "src": 1}"#), Some(12));
        assert_eq!(transfer_id(r#"{"id": "1099511627777"}"#), Some(1_099_511_627_777));
        assert_eq!(transfer_id("null"), None);
    }
}
