//! The acts, in order.

use super::args::DemoArgs;
use super::audit::{self, Account};
use super::bank;
use super::compare;
use super::fault::{Doing, Fault, Result};
use super::gauge::Gauge;
use super::region::{DATABASE, Region};
use super::report::Report;
use super::screen::Screen;
use super::traffic::Traffic;
use crate::{client, views, words};
use std::path::Path;
use std::time::{Duration, Instant};

/// No wait of the demonstration is longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Figures that the acts collect for the report.
#[derive(Default)]
struct Notes {
    killed: Option<Instant>,
    resumed: Option<Instant>,
    gated: Option<Instant>,
    handed_over: Option<Instant>,
    promotion: Duration,
    failback: Duration,
    failback_bytes: Option<u64>,
    oddities: Vec<String>,
}

/// The whole story. Whatever ends it early ends both servers.
pub async fn tell(args: &DemoArgs, screen: &Screen, dir: &Path) -> Result<Report> {
    let mut notes = Notes::default();
    let (mut east, west) = set_up(args, screen, dir).await?;
    let mut traffic = Traffic::start(args.clients, args.rows);
    let mut gauge = Gauge::new(screen, traffic.journal.clone(), [&east, &west]);

    screen.act(2, "transfers in east, followed by west");
    traffic.send_to("east", east.target());
    gauge.watch(args.share(40)).await;
    check_refusal(&west, &mut notes).await?;

    lose_east(&mut east, &west, &traffic, screen, &mut notes).await?;
    gauge.watch(args.share(20)).await;

    come_back(args, &mut east, &west, &mut gauge, screen, &mut notes).await?;
    hand_over(&east, &west, &traffic, &mut gauge, screen, &mut notes).await?;
    gauge.watch(args.share(20)).await;

    screen.act(6, "account for every commit");
    traffic.stop().await?;
    wait_equal(&east, &west).await?;
    screen.clear();
    west.settle(&mut gauge).await?;
    screen.clear();
    close_books(args, &east, &west, &traffic, notes).await
}

async fn set_up(args: &DemoArgs, screen: &Screen, dir: &Path) -> Result<(Region, Region)> {
    screen.act(1, "two regions, one database");
    let password = format!("{:016x}", rand::random::<u64>());
    let base = args.port_base.unwrap_or(0);
    let next = args.port_base.map_or(0, |p| p + 1);
    let east = Region::start("east", 1, dir, base, &password).await?;
    let west = Region::start("west", 2, dir, next, &password).await?;
    for region in [&east, &west] {
        let port = region.target().port;
        screen.say(format!("  {} listens on 127.0.0.1:{port}", region.name()));
    }
    let partitions = args.partitions;
    east.command(&format!("CREATE DATABASE {DATABASE} PARTITIONS {partitions}")).await?;
    west.command(&format!("REPLICATE DATABASE {DATABASE} FROM {}", east.source_clause())).await?;
    screen
        .say(format!("  database {DATABASE}: {partitions} partitions in east, replicated to west"));
    let client = east.connect().await?;
    bank::create_tables(&client).await?;
    bank::load(&client, args.rows, screen).await?;
    Ok((east, west))
}

/// A standby must refuse writes.
async fn check_refusal(standby: &Region, notes: &mut Notes) -> Result<()> {
    let client = standby.connect().await?;
    let write = "UPDATE accounts SET balance = 0 WHERE id = 1";
    match client.batch_execute(write).await {
        Ok(()) => notes.oddities.push(format!("{} took a write as a standby", standby.name())),
        Err(e) if e.code().is_some_and(|c| c.code() == "25006") => {}
        Err(e) => notes.oddities.push(format!(
            "{} refused a write with another error than 25006: {}",
            standby.name(),
            client::explain(&e)
        )),
    }
    Ok(())
}

async fn lose_east(
    east: &mut Region,
    west: &Region,
    traffic: &Traffic,
    screen: &Screen,
    notes: &mut Notes,
) -> Result<()> {
    screen.act(3, "east is lost (SIGKILL), west takes over");
    let killed = Instant::now();
    east.kill()?;
    let ordered = Instant::now();
    west.command(&format!("STOP REPLICATING {DATABASE}")).await?;
    notes.promotion = ordered.elapsed();
    let before = traffic.journal.commits();
    traffic.send_to("west", west.target());
    let limit = Instant::now() + PATIENCE;
    while traffic.journal.commits() == before {
        if Instant::now() > limit {
            return Err(Fault::new("west was promoted but takes no writes"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    notes.killed = Some(killed);
    notes.resumed = Some(Instant::now());
    screen.say(format!(
        "  promoted in {}, first commit in west {} after the kill",
        words::span(notes.promotion),
        words::span(killed.elapsed())
    ));
    Ok(())
}

async fn come_back(
    args: &DemoArgs,
    east: &mut Region,
    west: &Region,
    gauge: &mut Gauge<'_>,
    screen: &Screen,
    notes: &mut Notes,
) -> Result<()> {
    screen.act(4, "east comes back by difference, while west serves");
    east.run().await?;
    let started = Instant::now();
    let from = west.source_clause();
    let replicate = format!("REPLICATE DATABASE {DATABASE} WITH FORCE DIFFERENTIAL FROM {from}");
    east.command(&replicate).await?;
    let link = gauge.until("east", "east catches up", PATIENCE, caught_up).await?;
    notes.failback = started.elapsed();
    notes.failback_bytes = link.shipped_bytes;
    let shipped = link.shipped_bytes.map_or("unknown".into(), words::bytes);
    screen.say(format!("  caught up in {}; shipped {shipped}", words::span(notes.failback)));
    let kept = audit::diverged(&east.connect().await?).await?;
    screen.say(format!(
        "  {} transactions that west never saw are kept in information_schema.diverged_transactions",
        words::count(kept.transactions)
    ));
    gauge.watch(args.share(20)).await;
    Ok(())
}

fn caught_up(role: &str, link: &views::Link) -> bool {
    role == "standby"
        && link.state == "streaming"
        && link.lag_ms.is_some_and(|ms| ms < 1_000)
        && link.lag_bytes.is_some_and(|bytes| bytes < 1 << 20)
}

async fn hand_over(
    east: &Region,
    west: &Region,
    traffic: &Traffic,
    gauge: &mut Gauge<'_>,
    screen: &Screen,
    notes: &mut Notes,
) -> Result<()> {
    screen.act(5, "planned hand-over back to east, nothing lost");
    notes.gated = Some(Instant::now());
    west.command(&format!("SWITCHOVER DATABASE {DATABASE} TO east")).await?;
    let before = traffic.journal.commits();
    traffic.send_to("east", east.target());
    let limit = Instant::now() + PATIENCE;
    while traffic.journal.commits() == before {
        if Instant::now() > limit {
            return Err(Fault::new("east was promoted but takes no writes"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    notes.handed_over = Some(Instant::now());
    gauge.until("west", "west follows east", PATIENCE, caught_up).await?;
    screen.say("  east takes writes again, west follows");
    Ok(())
}

/// Waits until both sides have the same transfers. Writes must have ended before.
async fn wait_equal(east: &Region, west: &Region) -> Result<()> {
    let count = "SELECT count(*) FROM transfers";
    let (a, b) = (east.connect().await?, west.connect().await?);
    let end = Instant::now() + PATIENCE;
    loop {
        let left = client::ask(&a, count).await.doing("count in east")?;
        let right = client::ask(&b, count).await.doing("count in west")?;
        if left.single().is_some() && left.single() == right.single() {
            return Ok(());
        }
        if Instant::now() > end {
            let (l, r) = (left.single().unwrap_or("?"), right.single().unwrap_or("?"));
            return Err(Fault::new(format!(
                "east has {l} transfers and west {r}, and so it stays"
            )));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Region {
    /// Waits until this standby has caught up with everything.
    async fn settle(&self, gauge: &mut Gauge<'_>) -> Result<()> {
        let all = |_: &str, link: &views::Link| link.lag_rows == Some(0);
        gauge.until(self.name(), "the standby has everything", PATIENCE, all).await.map(drop)
    }
}

async fn close_books(
    args: &DemoArgs,
    east: &Region,
    west: &Region,
    traffic: &Traffic,
    notes: Notes,
) -> Result<Report> {
    let (e, w) = (east.connect().await?, west.connect().await?);
    let mut verdicts = Vec::new();
    for table in ["accounts", "transfers"] {
        verdicts.push(compare::table(&e, &w, table).await?);
    }
    let (acknowledged, unknown, oddities) = traffic.journal.read();
    let account: Account = audit::account(
        (&acknowledged, &unknown),
        &bank::transfers(&e).await?,
        &bank::balances(&e).await?,
        &audit::diverged(&e).await?,
        args.rows,
    );
    let databases = views::databases(&e).await.doing("SHOW DATABASES EXTENDED")?;
    let size = databases.iter().find(|d| d.name == DATABASE).map_or(0, |d| d.bytes);
    let gap = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
        (Some(from), Some(to)) => traffic.journal.longest_gap(from, to),
        _ => Duration::ZERO,
    };
    Ok(Report {
        account,
        refused: traffic.journal.refused(),
        crash_gap: gap(notes.killed, notes.resumed),
        promotion: notes.promotion,
        handover_gap: gap(notes.gated, notes.handed_over),
        failback: notes.failback,
        failback_bytes: notes.failback_bytes,
        database_bytes: size,
        verdicts,
        oddities: notes.oddities.into_iter().chain(oddities).collect(),
    })
}

/// The last lines that both servers logged, for those who must find out why it failed.
pub fn print_logs(dir: &Path) {
    for name in ["east", "west"] {
        let Ok(text) = std::fs::read_to_string(dir.join(format!("{name}.log"))) else { continue };
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("--- last lines of {name}.log");
        for line in &lines[lines.len().saturating_sub(8)..] {
            eprintln!("{line}");
        }
    }
}
