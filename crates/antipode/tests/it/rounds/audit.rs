//! The account at the end of a round: where is every commit?

use super::ledger::{BULK, Entry, Kind, Told};
use super::stage::{Stage, told};
use crate::pgbench::{agree, sums};
use std::collections::BTreeMap;
use std::fmt;
use testkit::{one, rows, try_rows};
use tokio_postgres::Client;

/// What a round came to.
pub struct Found {
    acknowledged: usize,
    covered: usize,
    in_data: usize,
    kept: usize,
    history: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { acknowledged, covered, in_data, kept, history } = self;
        write!(
            f,
            "{acknowledged} acknowledged ({covered} by both sides), {in_data} in the data, {kept} \
             diverged, {history} of pgbench"
        )
    }
}

/// What one side has.
#[derive(Debug, PartialEq, Eq)]
struct Books {
    /// Kind and client of each transaction.
    journal: BTreeMap<i64, (i64, i64)>,
    /// By client.
    tally: BTreeMap<i64, i64>,
    /// How many rows of each transaction that writes many.
    bulk: BTreeMap<i64, u64>,
    /// How often each transaction is in the diverged rows.
    kept: BTreeMap<i64, u64>,
    /// Those of TPC-B.
    sums: [String; 4],
    /// Rows of `pgbench_history`.
    history: u64,
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("{text} is no number"))
}

async fn numbers(client: &Client, sql: &str) -> Vec<Vec<i64>> {
    let rows = rows(client, sql).await;
    rows.iter().map(|row| row.iter().map(|field| number(field)).collect()).collect()
}

async fn read(client: &Client) -> Books {
    let journal = numbers(client, "SELECT id, kind, client FROM journal").await;
    let tally = numbers(client, "SELECT client, n FROM tally").await;
    let bulk = numbers(client, "SELECT id, count(*) FROM bulk GROUP BY id").await;
    let diverged = "SELECT new_row FROM information_schema.diverged_rows \
                    WHERE table_name LIKE '%journal' AND new_row IS NOT NULL";
    let mut kept = BTreeMap::new();
    for row in rows(client, diverged).await {
        let row: serde_json::Value = serde_json::from_str(&row[0]).expect("a row as JSON");
        let id = number(row["id"].to_string().trim_matches('"'));
        *kept.entry(id).or_default() += 1;
    }
    Books {
        journal: journal.into_iter().map(|r| (r[0], (r[1], r[2]))).collect(),
        tally: tally.into_iter().map(|r| (r[0], r[1])).collect(),
        bulk: bulk.into_iter().map(|r| (r[0], r[1] as u64)).collect(),
        kept,
        sums: sums(client).await,
        history: number(&one(client, "SELECT count(*) FROM pgbench_history").await),
    }
}

impl Books {
    /// A transaction is there with all that it has written, or not at all.
    fn check_whole(&self) {
        assert!(agree(&self.sums), "the sums of TPC-B: {:?}", self.sums);
        let of_kind = |kind: Kind| {
            let found = self.journal.iter().filter(move |(_, row)| row.0 == kind.number());
            found.map(|(id, row)| (*id, row.1))
        };
        let mut counted: BTreeMap<i64, i64> = self.tally.keys().map(|c| (*c, 0)).collect();
        for (_, client) in of_kind(Kind::Counted) {
            *counted.entry(client).or_default() += 1;
        }
        assert_eq!(counted, self.tally, "what each client has counted");
        let bulk: BTreeMap<i64, u64> = of_kind(Kind::Bulk).map(|(id, _)| (id, BULK)).collect();
        assert_eq!(bulk, self.bulk, "rows of the transactions that write many");
    }

    /// Where one transaction is, against what its client was told.
    fn mistake(&self, id: i64, entry: &Entry) -> Option<String> {
        let in_data = self.journal.contains_key(&id);
        let kept = self.kept.get(&id).copied().unwrap_or(0);
        let right = match entry.told {
            Told::Acknowledged { covered: true } => in_data && kept == 0,
            Told::Acknowledged { covered: false } => u64::from(in_data) + kept == 1,
            Told::Refused => !in_data && kept == 0,
            Told::Unknown => u64::from(in_data) + kept <= 1,
        };
        let wrong = format!("{id} is in the data: {in_data}, {kept} times diverged: {entry:?}");
        (!right).then_some(wrong)
    }
}

impl Stage {
    /// Transactions in the diverged tables of both sides.
    pub async fn stranded(&self) -> [String; 2] {
        let sql = "SELECT count(*) FROM information_schema.diverged_transactions";
        let [east, west] = &self.sides;
        [
            one(&east.server.connect("d").await, sql).await,
            one(&west.server.connect("d").await, sql).await,
        ]
    }

    /// Everything that must hold while there is no traffic and the standby follows.
    pub async fn audit(&mut self) -> Found {
        let primary = self.sides[self.primary].server.connect("d").await;
        let books = read(&primary).await;
        books.check_whole();
        let standby = self.standby();
        self.until("the standby has what the primary has", async || {
            let client = self.sides[standby].connect("d").await?;
            let n = one(&client, "SELECT count(*) FROM pgbench_history").await;
            let m = one(&client, "SELECT count(*) FROM journal").await;
            let all = (number(&n), number(&m)) == (books.history, books.journal.len());
            all.then_some(Some(())).ok_or(format!("{n} of pgbench and {m} of the witnesses"))
        })
        .await;
        let theirs = read(&self.sides[standby].server.connect("d").await).await;
        assert!(books == theirs, "the sides differ: {}", differences(&books, &theirs));
        self.verify().await;
        self.check_ways().await;
        let (entries, mut mistakes) = self.ledger.read();
        mistakes.extend(entries.iter().filter_map(|(id, entry)| books.mistake(*id, entry)));
        let all = books.journal.keys().chain(books.kept.keys());
        let unasked = all.filter(|id| !entries.contains_key(id));
        mistakes.extend(unasked.map(|id| format!("nobody asked for {id}")));
        assert!(mistakes.is_empty(), "{} mistakes: {mistakes:#?}", mistakes.len());
        let (acknowledged, covered) = self.ledger.acknowledged();
        let grown = books.history.saturating_sub(self.history);
        self.history = books.history;
        Found {
            acknowledged,
            covered,
            in_data: books.journal.len(),
            kept: books.kept.len(),
            history: grown,
        }
    }

    /// `VERIFY DATABASE` finds nothing.
    async fn verify(&self) {
        let side = &self.sides[self.standby()];
        let verified = self
            .until("VERIFY", async || {
                let client = side.connect("antipode").await?;
                let rows = try_rows(&client, "VERIFY DATABASE d").await;
                rows.map(Some).map_err(|e| told(&e))
            })
            .await;
        let equal = |row: &Vec<String>| row[0] == "table" && row[3].starts_with("equal");
        assert!(verified.len() > 6 && verified.iter().all(equal), "{verified:?}");
    }

    /// Nobody ever had to copy everything again.
    async fn check_ways(&self) {
        for side in &self.sides {
            let sql = "SELECT event, detail FROM information_schema.replication_history \
                       WHERE event IN ('full copy', 'divergence')";
            let told = rows(&side.server.connect("antipode").await, sql).await;
            assert!(told.is_empty(), "{}: {told:?}", side.name);
        }
    }
}

fn differences(one: &Books, other: &Books) -> String {
    let only = |a: &BTreeMap<i64, (i64, i64)>, b: &BTreeMap<i64, (i64, i64)>| {
        a.keys().filter(|id| !b.contains_key(id)).copied().collect::<Vec<_>>()
    };
    format!(
        "journal {:?} and {:?}; sums {:?} and {:?}; diverged {} and {}",
        only(&one.journal, &other.journal),
        only(&other.journal, &one.journal),
        one.sums,
        other.sums,
        one.kept.len(),
        other.kept.len()
    )
}
