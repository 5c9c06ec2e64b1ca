//! Scripts of several sessions in `tests/scripts`: what each statement shows, which one waits, and
//! what comes of it when another one lets it go on.
//!
//! ```text
//! setup: drop table if exists t; create table t (…)      before every case
//! == a case
//! T1: begin; update t set v = 1       a session's statement
//! > UPDATE 1                          what came of it: rows, tags, errors
//! T2: update t set v = 2
//! > waits                             it waits for a lock of another session
//! T1: commit
//! > COMMIT
//! > T2: UPDATE 1                      what T2 waited for has happened
//! T3 late: update t set v = 3         run to its end without a look whether it waits meanwhile
//! ```
//! Lines with `>` are what is checked; `UPDATE=1 cargo test -p antipode-wire-pg scripts` writes them
//! anew.

use crate::raw::{Raw, Reply};
use crate::server::{Server, run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One session of a case.
struct Player {
    ask: UnboundedSender<String>,
    answers: UnboundedReceiver<Vec<String>>,
    busy: bool,
}

impl Player {
    async fn new(server: &Server) -> Player {
        let mut raw = Raw::ready(server).await;
        let (ask, mut asked) = unbounded_channel::<String>();
        let (answer, answers) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(sql) = asked.recv().await {
                let _ = answer.send(raw.ask(&sql).await.iter().flat_map(line).collect());
            }
        });
        Player { ask, answers, busy: false }
    }

    fn take(&mut self) -> Option<Vec<String>> {
        let answer = self.answers.try_recv().ok()?;
        self.busy = false;
        Some(answer)
    }
}

fn line(reply: &Reply) -> Option<String> {
    match reply.kind {
        b'D' => Some(row(&reply.body[2..])),
        b'C' => {
            let tag = String::from_utf8_lossy(&reply.body).trim_end_matches('\0').to_owned();
            let rows_tell = tag.starts_with("SELECT") && tag != "SELECT 0";
            (!rows_tell).then_some(tag)
        }
        b'E' => Some(format!("ERROR {} {}", reply.field(b'C'), reply.field(b'M'))),
        b'N' => Some(format!("{} {}", reply.field(b'S'), reply.field(b'M'))),
        _ => None,
    }
}

fn row(mut fields: &[u8]) -> String {
    let mut cells = Vec::new();
    while let Some((len, rest)) = fields.split_first_chunk::<4>() {
        let len = i32::from_be_bytes(*len);
        let (cell, rest) = rest.split_at(usize::try_from(len).unwrap_or(0));
        cells.push(if len < 0 { "∅".into() } else { String::from_utf8_lossy(cell) });
        fields = rest;
    }
    cells.join("|")
}

/// Waits until every busy session has answered or waits for a lock. What they answered: by session,
/// for who is first among several that go on is chance.
async fn settle(
    server: &Server,
    players: &mut BTreeMap<String, Player>,
) -> BTreeMap<String, Vec<String>> {
    let mut told = BTreeMap::new();
    for _ in 0..30_000 {
        for (name, player) in players.iter_mut() {
            if let Some(lines) = player.take() {
                told.insert(name.clone(), lines);
            }
        }
        let busy = players.values().filter(|p| p.busy).count();
        if busy == server.front.engine().lock_waits() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("a session neither answers nor waits for a lock");
}

/// One step: what the session shows, then what others show that went on because of it.
async fn step(
    server: &Server,
    players: &mut BTreeMap<String, Player>,
    (name, late): (&str, bool),
    sql: &str,
) -> String {
    if !players.contains_key(name) {
        players.insert(name.to_owned(), Player::new(server).await);
    }
    let player = players.get_mut(name).expect("just made");
    assert!(!player.busy, "{name} still waits and can not run: {sql}");
    player.busy = true;
    player.ask.send(sql.to_owned()).expect("the session lives");
    let mut own = Vec::new();
    if late {
        own = player.answers.recv().await.expect("the session lives");
        player.busy = false;
    }
    let mut told = settle(server, players).await;
    own.extend(told.remove(name).unwrap_or_default());
    if players[name].busy {
        own.push("waits".to_owned());
    }
    let others =
        told.iter().flat_map(|(name, all)| all.iter().map(move |l| format!("{name}: {l}")));
    own.extend(others);
    own.iter().map(|line| format!("> {line}\n")).collect()
}

/// Runs a script; the script with what really happened.
async fn play(script: &str) -> String {
    let server = Server::start().await;
    let (mut out, mut setup) = (String::new(), Vec::<String>::new());
    let mut players = BTreeMap::new();
    for line in script.lines().filter(|line| !line.starts_with('>')) {
        writeln!(out, "{line}").expect("text");
        if line.starts_with("==") {
            players.clear();
            let client = server.client().await;
            for sql in &setup {
                run(&client, sql).await;
            }
        } else if line.is_empty() || line.starts_with('#') {
        } else if let Some(sql) = line.strip_prefix("setup: ") {
            setup.push(sql.to_owned());
        } else {
            let (who, sql) = line.split_once(": ").expect("a session and its statement");
            let who = who.strip_suffix(" late").map_or((who, false), |name| (name, true));
            out.push_str(&step(&server, &mut players, who, sql).await);
        }
    }
    out
}

async fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name);
    let script = std::fs::read_to_string(&path).expect("the script");
    let happened = play(&script).await;
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, happened).expect("a writable source folder");
        return;
    }
    let differs = script.lines().zip(happened.lines()).find(|(wanted, got)| wanted != got);
    assert!(script == happened, "{name} differs at {differs:?}; all of it:\n{happened}");
}

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                check(concat!(stringify!($name), ".txt")).await;
            }
        )*
    };
}

scripts! {
    read_committed
    repeatable_read
    serializable
    row_locks
    savepoints
    unique_keys
    unique_indexes
    schema_changes
    past
}
