//! Clients that transfer money for as long as there is a region that takes it.
//!
//! A transfer is one transaction: take from one account, give to another, and insert a row into
//! `transfers` with an id that the client chose. A client that is told "committed" notes it, one
//! whose connection breaks off during COMMIT notes that it does not know, and nobody ever tries
//! the same id twice.

use super::fault::{Fault, Result};
use super::journal::Journal;
use super::region::DATABASE;
use crate::client::Target;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};

/// The region that clients are sent to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name.
    pub region: &'static str,
    /// Its address.
    pub target: Target,
}

/// All clients.
pub struct Traffic {
    route: watch::Sender<Option<Destination>>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
    /// What they were told.
    pub journal: Arc<Journal>,
}

/// No statement of a transfer may take longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

impl Traffic {
    /// Starts clients that wait for a destination.
    pub fn start(clients: u32, accounts: u64) -> Traffic {
        let (route, _) = watch::channel(None);
        let (stop, _) = watch::channel(false);
        let journal = Arc::new(Journal::default());
        let mut set = JoinSet::new();
        for number in 0..clients {
            let client = OneClient {
                number,
                accounts: accounts as i64,
                sequence: 0,
                random: SmallRng::seed_from_u64(u64::from(number)),
                journal: journal.clone(),
            };
            set.spawn(client.run(route.subscribe(), stop.subscribe()));
        }
        Traffic { route, stop, clients: set, journal }
    }

    /// Sends all clients to a region.
    pub fn send_to(&self, region: &'static str, target: &Target) {
        self.route.send_replace(Some(Destination { region, target: target.clone() }));
    }

    /// Stops all clients after their current transaction. A client that gets no answer is a fault of
    /// the server.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        let all = async { while self.clients.join_next().await.is_some() {} };
        if tokio::time::timeout(ANSWER_LIMIT, all).await.is_ok() {
            return Ok(());
        }
        let n = self.clients.len();
        Err(Fault::new(format!("{n} clients wait for an answer for more than {ANSWER_LIMIT:?}")))
    }
}

struct OneClient {
    number: u32,
    accounts: i64,
    sequence: i64,
    random: SmallRng,
    journal: Arc<Journal>,
}

/// A connection with its prepared statements.
struct Open {
    region: &'static str,
    client: Client,
    take: Statement,
    give: Statement,
    note: Statement,
}

/// How a transaction ended when it did not commit.
enum Trouble {
    /// Nothing happened.
    Refused,
    /// It may have happened.
    Unknown,
}

impl OneClient {
    async fn run(
        mut self,
        mut route: watch::Receiver<Option<Destination>>,
        stop: watch::Receiver<bool>,
    ) {
        let mut open: Option<Open> = None;
        while !*stop.borrow() {
            if route.has_changed().unwrap_or(false) || open.is_none() {
                let destination = route.borrow_and_update().clone();
                open = match destination {
                    Some(to) => connect(&to).await.ok(),
                    None => None,
                };
            }
            let Some(connection) = &open else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            self.sequence += 1;
            let id = (i64::from(self.number) << 40) | self.sequence;
            match self.transfer(connection, id).await {
                Ok(()) => self.journal.acknowledge(id, connection.region),
                Err(trouble) => {
                    match trouble {
                        Trouble::Unknown => self.journal.leave_open(id),
                        Trouble::Refused => self.journal.refuse(),
                    }
                    if connection.client.is_closed()
                        || connection.client.batch_execute("ROLLBACK").await.is_err()
                    {
                        open = None;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn transfer(&mut self, open: &Open, id: i64) -> std::result::Result<(), Trouble> {
        let from = self.random.random_range(1..=self.accounts);
        let to = 1 + (from + self.random.random_range(0..self.accounts - 1)) % self.accounts;
        let amount = self.random.random_range(1..=100_i64);
        let refused = |_| Trouble::Refused;
        open.client.batch_execute("BEGIN").await.map_err(refused)?;
        // Always the smaller account first, so that two transfers cannot wait for each other.
        let first_takes = from < to;
        for takes in [first_takes, !first_takes] {
            let (statement, account) = if takes { (&open.take, from) } else { (&open.give, to) };
            let changed =
                open.client.execute(statement, &[&amount, &account]).await.map_err(refused)?;
            if changed != 1 {
                self.journal.odd(format!("an update of account {account} changed {changed} rows"));
                return Err(Trouble::Refused);
            }
        }
        open.client.execute(&open.note, &[&id, &from, &to, &amount]).await.map_err(refused)?;
        open.client.batch_execute("COMMIT").await.map_err(|e| match e.code() {
            Some(code) if *code == SqlState::TRANSACTION_RESOLUTION_UNKNOWN => Trouble::Unknown,
            Some(code) if code.code().starts_with("57P") => Trouble::Unknown,
            Some(_) => Trouble::Refused,
            None => Trouble::Unknown,
        })
    }
}

async fn connect(to: &Destination) -> std::result::Result<Open, tokio_postgres::Error> {
    let client = to.target.connect(DATABASE).await?;
    let take = "UPDATE accounts SET balance = balance - $1 WHERE id = $2";
    let give = "UPDATE accounts SET balance = balance + $1 WHERE id = $2";
    let note = "INSERT INTO transfers (id, src, dst, amount) VALUES ($1, $2, $3, $4)";
    let take = client.prepare(take).await?;
    let give = client.prepare(give).await?;
    let note = client.prepare(note).await?;
    Ok(Open { region: to.region, client, take, give, note })
}
