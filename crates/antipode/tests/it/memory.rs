//! A database five times larger than the memory it may take, in a process that is measured.
//!
//! Long: `cargo test --workspace -- --ignored five_times --nocapture`. `ANTIPODE_TEST_MEMORY_MIB`
//! sets the limit (256); the figures are for people too.

use crate::BINARY;
use bytes::Bytes;
use futures::SinkExt;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::{Server, one, rows};
use tokio_postgres::Client;

/// Bytes of one COPY, which is one transaction.
const COPY_BYTES: usize = 8 << 20;
/// Characters of a row's text.
const TEXT: usize = 900;

/// Kibibytes of a line in `/proc/<pid>/status`.
fn kib(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|v| v.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Text that does not compress much.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self, out: &mut String) {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for _ in 0..TEXT / 10 {
            let mut bits = self.next();
            for _ in 0..10 {
                out.push(char::from(LETTERS[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
    }
}

/// Loads until so many bytes were sent; how many rows there are then.
async fn load(client: &Client, bytes: u64) -> u64 {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut sent, mut id) = (0, 0_u64);
    while sent < bytes {
        let sink = client.copy_in("COPY t FROM STDIN").await.expect("copies");
        let mut sink = std::pin::pin!(sink);
        let mut in_copy = 0;
        while in_copy < COPY_BYTES {
            let mut piece = String::with_capacity(256 << 10);
            while piece.len() < 255 << 10 {
                // Keys come in no order: runs overlap, and merges have work.
                let key = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2;
                write!(piece, "{key}\t{id}\t").unwrap();
                dice.text(&mut piece);
                piece.push('\n');
                id += 1;
            }
            in_copy += piece.len();
            sink.send(Bytes::from(piece)).await.expect("sends");
        }
        sink.as_mut().finish().await.expect("committed");
        sent += in_copy as u64;
    }
    id
}

async fn show(client: &Client, what: &str) {
    for row in rows(client, what).await {
        println!("    {}", row.join("  "));
    }
}

#[ignore = "takes minutes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_five_times_larger_than_the_memory_stays_within_it() {
    let limit = std::env::var("ANTIPODE_TEST_MEMORY_MIB").ok();
    let limit: u64 = limit.map_or(256, |mib| mib.parse().expect("a number")) << 20;
    let dir = tempfile::tempdir().unwrap();
    let limit_flag = limit.to_string();
    let flags = ["--memory-limit", &limit_flag, "--retain-log", "64MiB"];
    let server = Server::start_with(BINARY, 1, "east", dir.path(), &flags);
    let pid = server.pid().expect("runs");
    server.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = server.connect("d").await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)").await.unwrap();
    let idle = kib(pid, "VmRSS");
    let (stop, anon) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watch = {
        let (stop, anon) = (stop.clone(), anon.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                anon.fetch_max(kib(pid, "RssAnon"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let told = |step: &str, began: Instant| {
        let (peak, anon) = (kib(pid, "VmHWM") >> 10, anon.load(Ordering::Relaxed) >> 10);
        let seconds = began.elapsed().as_secs_f64();
        println!("{step}: {seconds:.1} s, peak so far {peak} MiB, of it anonymous {anon} MiB");
    };
    println!("limit {} MiB, idle {} MiB", limit >> 20, idle >> 10);

    let began = Instant::now();
    let count = load(&client, 5 * limit).await;
    told(&format!("{count} rows loaded"), began);
    let mut dice = Dice(7);
    let key = |id: u64| id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2;
    let began = Instant::now();
    for _ in 0..2_000 {
        let id = dice.next() % count;
        let sql = format!("SELECT n FROM t WHERE id = {}", key(id));
        assert_eq!(one(&client, &sql).await, id.to_string());
    }
    told("2000 point reads", began);
    let began = Instant::now();
    let sums = one(&client, "SELECT count(*) || ' ' || sum(n) FROM t").await;
    assert_eq!(sums, format!("{count} {}", count * (count - 1) / 2));
    let wide = rows(&client, "SELECT n % 10, sum(length(v)) FROM t GROUP BY 1 ORDER BY 1").await;
    assert_eq!(wide.len(), 10);
    told("scans of all columns", began);
    let began = Instant::now();
    for step in 0..20 {
        let sql = format!("UPDATE t SET n = n + {count} WHERE n % 200 = {step}");
        client.batch_execute(&sql).await.expect("updates");
    }
    told("a tenth of all rows updated by scans", began);
    let began = Instant::now();
    for _ in 0..2_000 {
        let id = dice.next() % count;
        let sql = format!("UPDATE t SET v = 'short' WHERE id = {}", key(id));
        client.batch_execute(&sql).await.expect("updates");
    }
    told("2000 single updates", began);
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, count.to_string());

    show(
        &client,
        "SELECT kind, medium, bytes, limit_bytes, hits, misses \
                   FROM information_schema.engine_status",
    )
    .await;
    show(
        &client,
        "SELECT partition_id, delta_bytes, run_bytes, base_bytes, deepest_runs, \
                   write_amplification, layers_per_get, layers_per_scan \
                   FROM information_schema.storage_status WHERE database_name = 'd'",
    )
    .await;
    stop.store(true, Ordering::Relaxed);
    watch.join().expect("watched");
    let (peak, anon) = (kib(pid, "VmHWM") << 10, anon.load(Ordering::Relaxed) << 10);
    let most = limit + limit / 5;
    println!("peak {} MiB, limit + 20 % is {} MiB", peak >> 20, most >> 20);
    // The rest are pages of the program's file, which the kernel takes back when it needs them.
    assert!(anon <= most, "{anon} bytes were allocated, more than {limit} and a fifth");
}
