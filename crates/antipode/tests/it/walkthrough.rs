//! The walk-throughs in `docs/walkthroughs`, run as they stand.
//!
//! A fenced block's first line says what it is:
//!
//! ```text
//!   sql east              statements, in the database every server has
//!   sql east/bank         statements, in a database
//!   sql east/bank eventually      a query whose answer becomes what the next `text` block says
//!   sql east/bank fails 25006     a statement that is refused
//!   sh {stop|kill|start} east     a server process
//! ```

use crate::BINARY;
use std::path::Path;
use std::time::Duration;
use testkit::{Pair, Server, connect, error_of, eventually, try_rows};

/// One fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    line: usize,
    info: String,
    body: String,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") if open => open = false,
            Some(info) => {
                open = true;
                let info = info.to_owned();
                steps.push(Step { line: index + 1, info, body: String::new() });
            }
            None if open => {
                let step = steps.last_mut().expect("a block is open");
                step.body += line;
                step.body.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    steps
}

struct Walk {
    name: &'static str,
    pair: Pair,
}

impl Walk {
    fn server(&mut self, name: &str) -> &mut Server {
        match name {
            "east" => &mut self.pair.east,
            "west" => &mut self.pair.west,
            other => panic!("{}: no server {other}", self.name),
        }
    }

    /// The addresses and the password that people read, as they are here.
    fn real(&self, sql: &str) -> String {
        let source = |server: &Server| server.source("");
        sql.replace("root:'secret'@127.0.0.1:5432/", &source(&self.pair.east))
            .replace("root:'secret'@127.0.0.1:5433/", &source(&self.pair.west))
    }

    async fn run(&mut self, step: &Step, answer: Option<&Step>) {
        let words: Vec<&str> = step.info.split_whitespace().collect();
        let at = format!("docs/walkthroughs/{}:{}", self.name, step.line);
        println!("{at}: {}", step.info);
        let sql = self.real(&step.body);
        match words.as_slice() {
            ["sh", "stop", server] => assert!(self.server(server).stop().success(), "{at}"),
            ["sh", "kill", server] => self.server(server).kill(),
            ["sh", "start", server] => self.server(server).run(),
            ["sql", place] => {
                let client = self.connect(place).await;
                for statement in sql.split_inclusive(';').filter(|s| !s.trim().is_empty()) {
                    let done = client.simple_query(statement).await;
                    assert!(done.is_ok(), "{at}: {statement}: {done:?}");
                }
            }
            ["sql", place, "fails", state] => {
                let (found, message) = error_of(&self.connect(place).await, &sql).await;
                assert_eq!(found, *state, "{at}: {message}");
            }
            ["sql", place, "eventually"] => {
                let answer = answer.unwrap_or_else(|| panic!("{at}: no answer"));
                assert_eq!(answer.info, "text", "{at}");
                let wish = format!("{at}: {sql} gives {}", answer.body);
                eventually(&wish, Duration::from_secs(60), async || {
                    self.answers(place, &sql).await.as_deref() == Some(answer.body.as_str())
                })
                .await;
            }
            ["text"] => {}
            other => panic!("{at}: {other:?} is not known"),
        }
    }

    async fn connect(&mut self, place: &str) -> tokio_postgres::Client {
        let (server, database) = place.split_once('/').unwrap_or((place, "antipode"));
        self.server(server).connect(database).await
    }

    /// The answer as the document has it; nothing while the database cannot be read.
    async fn answers(&mut self, place: &str, query: &str) -> Option<String> {
        let (server, database) = place.split_once('/').unwrap_or((place, "antipode"));
        let port = self.server(server).port();
        let client = connect(port, "root", testkit::PASSWORD, database).await.ok()?;
        let rows = try_rows(&client, query).await.ok()?;
        Some(rows.iter().map(|row| row.join(" | ") + "\n").collect())
    }
}

async fn walk(name: &'static str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walkthroughs").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let steps = steps(&text);
    assert!(steps.len() > 10, "{name}: only {} steps", steps.len());
    let mut walk = Walk { name, pair: Pair::start(BINARY) };
    for (index, step) in steps.iter().enumerate() {
        walk.run(step, steps.get(index + 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_lost_and_comes_back() {
    walk("lost-region.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_regions_are_upgraded_one_at_a_time() {
    walk("rolling-upgrade.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_fail_over_together() {
    walk("two-databases.md").await;
}
