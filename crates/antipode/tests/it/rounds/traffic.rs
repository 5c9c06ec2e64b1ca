//! Traffic of one round: pgbench, started again whenever it ends, and witnesses that note what they are
//! told.

use super::Dice;
use super::ledger::{BULK, Kind, Ledger, Told};
use super::stage::{Route, Stage};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Cable, PASSWORD, Tool, connect_hearing};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, SqlState};

/// Witnesses at work at the same time.
const WITNESSES: i64 = 5;
/// No answer takes longer, unless the line is dead.
const PATIENCE: Duration = Duration::from_secs(20);
/// How pgbench sends its statements.
const MODES: [&str; 3] = ["simple", "extended", "prepared"];

/// What all clients hold.
#[derive(Clone)]
struct World {
    doors: [Arc<Cable>; 2],
    route: Arc<Mutex<Route>>,
    ledger: Arc<Ledger>,
    stop: watch::Receiver<bool>,
}

/// All clients of a round.
pub struct Traffic {
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Traffic {
    /// Starts them.
    pub fn start(stage: &Stage, pgbench: &Tool, dice: &mut Dice) -> Traffic {
        let (stop, seen) = watch::channel(false);
        let world = World {
            doors: stage.sides.each_ref().map(|side| side.door.clone()),
            route: stage.route.clone(),
            ledger: stage.ledger.clone(),
            stop: seen,
        };
        let mut clients = JoinSet::new();
        let mode = MODES[dice.random_range(0..MODES.len())];
        let commands = [0, 1].map(|side| {
            let mut command = pgbench.command(&stage.sides[side].server, "d");
            let port = stage.sides[side].door.port().to_string();
            command.env("PGPORT", port).args(["-n", "-M", mode, "-c", "4", "-T", "3600"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut command = tokio::process::Command::from(command);
            command.kill_on_drop(true);
            command
        });
        clients.spawn(bench(commands, world.clone()));
        for number in 0..WITNESSES {
            let dice = Dice::seed_from_u64(dice.random());
            clients.spawn(Witness { number, dice, world: world.clone() }.run());
        }
        Traffic { stop, clients }
    }

    /// Ends them; every witness has been told how its last transaction went, or that nobody knows.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        let all = async { while self.clients.join_next().await.is_some() {} };
        timeout(3 * PATIENCE, all).await.expect("the clients end");
    }
}

/// pgbench's own script, TPC-B, on whoever serves.
async fn bench(mut commands: [tokio::process::Command; 2], mut world: World) {
    while !*world.stop.borrow() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Some(side) = world.route.lock().to else { continue };
        let mut child = commands[side].spawn().expect("pgbench can be started");
        tokio::select! {
            _ = child.wait() => {}
            _ = world.stop.wait_for(|stop| *stop) => {}
        }
        let _ = child.kill().await;
    }
}

/// A connection, and the notices that came over it.
struct Open {
    side: usize,
    client: Client,
    heard: UnboundedReceiver<DbError>,
}

struct Witness {
    number: i64,
    dice: Dice,
    world: World,
}

impl Witness {
    /// The first one wants every commit to be confirmed by the standby.
    fn wants_cover(&self) -> bool {
        self.number == 0
    }

    async fn run(mut self) {
        let mut open: Option<Open> = None;
        while !*self.world.stop.borrow() {
            let pause = self.dice.random_range(1..30);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let route = *self.world.route.lock();
            let clings = self.number % 2 == 1;
            let Some(side) = (if clings { route.stale.or(route.to) } else { route.to }) else {
                continue;
            };
            if open.as_ref().is_none_or(|open| open.side != side || open.client.is_closed()) {
                open = timeout(PATIENCE, self.open(side)).await.ok().flatten();
            }
            let Some(connection) = &mut open else { continue };
            if !self.transact(connection).await {
                open = None;
            }
        }
    }

    async fn open(&self, side: usize) -> Option<Open> {
        let port = self.world.doors[side].port();
        let (client, heard) = connect_hearing(port, "root", PASSWORD, "d").await.ok()?;
        if self.wants_cover() {
            let set = "SET commit_wait = remote; SET commit_wait_timeout = '1s'";
            client.batch_execute(set).await.ok()?;
        }
        Some(Open { side, client, heard })
    }

    /// One transaction; false if the connection is to be given up.
    async fn transact(&mut self, open: &mut Open) -> bool {
        let kind = match self.dice.random_range(0..20) {
            0..=6 => Kind::Bare,
            7 => Kind::Bulk,
            _ => Kind::Counted,
        };
        let id = self.world.ledger.begin(kind);
        while open.heard.try_recv().is_ok() {}
        let rolls_back = self.dice.random_range(0..25) == 0;
        let (before, last) = self.statements(id, kind, rolls_back);
        // Whatever fails before COMMIT is sent has not happened.
        for statement in before {
            match timeout(PATIENCE, open.client.batch_execute(&statement)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    self.world.ledger.end(id, Told::Refused);
                    self.check_refusal(&error);
                    return !open.client.is_closed()
                        && open.client.batch_execute("ROLLBACK").await.is_ok();
                }
                Err(_) => {
                    self.world.ledger.end(id, Told::Refused);
                    return false;
                }
            }
        }
        let done = timeout(PATIENCE, open.client.batch_execute(&last)).await;
        let told = match &done {
            Ok(Ok(())) if rolls_back => Told::Refused,
            Ok(Ok(())) => Told::Acknowledged { covered: self.is_covered(open) },
            Ok(Err(_)) | Err(_) if rolls_back => Told::Refused,
            Ok(Err(error)) => self.told(error),
            Err(_) => Told::Unknown,
        };
        self.world.ledger.end(id, told);
        matches!(done, Ok(Ok(()))) || (told == Told::Refused && !open.client.is_closed())
    }

    /// What is sent before the statement that commits, and that one.
    fn statements(&self, id: i64, kind: Kind, rolls_back: bool) -> (Vec<String>, String) {
        let (client, number) = (self.number, kind.number());
        let note = format!("INSERT INTO journal VALUES ({id}, {client}, {number})");
        let end = if rolls_back { "ROLLBACK" } else { "COMMIT" }.to_owned();
        let begin = "BEGIN".to_owned();
        match kind {
            Kind::Bare if rolls_back => (vec![begin, note], end),
            Kind::Bare => (Vec::new(), note),
            Kind::Counted => {
                let count = format!("UPDATE tally SET n = n + 1 WHERE client = {client}");
                (vec![begin, note, count], end)
            }
            Kind::Bulk => {
                let rows = format!(
                    "INSERT INTO bulk SELECT {id}, g, 'row' FROM generate_series(1, {BULK}) AS s(g)"
                );
                (vec![begin, rows, note], end)
            }
        }
    }

    /// How COMMIT (or a statement that commits by itself) ended with an error.
    fn told(&self, error: &tokio_postgres::Error) -> Told {
        match error.code() {
            None => Told::Unknown,
            Some(code) if *code == SqlState::TRANSACTION_RESOLUTION_UNKNOWN => Told::Unknown,
            Some(code) if code.code().starts_with("57P") => Told::Unknown,
            Some(_) => {
                self.check_refusal(error);
                Told::Refused
            }
        }
    }

    /// Some errors are never told to a client, whatever happens.
    fn check_refusal(&self, error: &tokio_postgres::Error) {
        let bugs = [SqlState::INTERNAL_ERROR, SqlState::DATA_CORRUPTED, SqlState::UNIQUE_VIOLATION];
        if error.code().is_some_and(|code| bugs.contains(code)) {
            let number = self.number;
            self.world.ledger.mistake(format!("witness {number} was told {error:?}"));
        }
    }

    /// Nobody has warned that the standby has not confirmed it.
    fn is_covered(&self, open: &mut Open) -> bool {
        let mut warned = false;
        while let Ok(notice) = open.heard.try_recv() {
            warned |= *notice.code() == SqlState::WARNING;
        }
        self.wants_cover() && !warned
    }
}
