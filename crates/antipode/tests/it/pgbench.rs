//! PostgreSQL's own benchmark program: its set-up and its three scripts, in all protocol modes.

use crate::BINARY;
use testkit::{Server, Tool, one, pgbench};
use tokio_postgres::Client;

/// The four sums of TPC-B, which transactions over all partitions must keep equal.
pub async fn sums(client: &Client) -> [String; 4] {
    [
        one(client, "SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts").await,
        one(client, "SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers").await,
        one(client, "SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches").await,
        one(client, "SELECT coalesce(sum(delta), 0) FROM pgbench_history").await,
    ]
}

/// True if all four are the same number.
pub fn agree(sums: &[String; 4]) -> bool {
    let number = |s: &String| s.parse::<f64>().unwrap();
    sums.iter().all(|s| number(s) == number(&sums[0]))
}

/// `pgbench -i`.
pub fn initialise(tool: &Tool, server: &Server, scale: &str) {
    tool.run(server, "d", &["-i", "-q", "-s", scale]).expect_fine("pgbench -i");
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_and_all_scripts_run_in_every_mode() {
    let Some(tool) = pgbench("set_up_and_all_scripts_run_in_every_mode") else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 4").await;
    initialise(&tool, &server, "1");
    let client = server.connect("d").await;
    assert_eq!(one(&client, "SELECT count(*) FROM pgbench_accounts").await, "100000");
    for mode in ["simple", "extended", "prepared"] {
        for script in ["tpcb-like", "simple-update", "select-only"] {
            let run = ["-n", "-M", mode, "-b", script, "-c", "4", "-j", "2", "-t", "40"];
            let what = format!("pgbench {script} {mode}");
            let out = tool.run(&server, "d", &run).expect_fine(&what);
            assert!(out.contains("160/160"), "{what}: {out}");
        }
    }
    // Simple-update leaves tellers and branches alone, so only accounts and history agree here.
    let [accounts, _, _, history] = sums(&client).await;
    assert_eq!(accounts.parse::<f64>().unwrap(), history.parse::<f64>().unwrap());
}
