//! SQL, and values as text.

use super::disk::ty;
use super::{Target, choice, chosen};
use std::str;

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "sql",
        about: "statements",
        run: statement,
        seeds: statements,
        words: SQL_WORDS,
    },
    Target {
        name: "literal",
        about: "values as text",
        run: literal,
        seeds: literals,
        words: WORDS,
    },
];

const SQL_WORDS: &[&str] = &[
    "SELECT ",
    "FROM ",
    "WITH ",
    "FORCE ",
    "DIFFERENTIAL ",
    "REPLICATE ",
    "DATABASE ",
    "EXPLAIN ",
    "SWITCHOVER ",
    "$1",
    "$$",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    "E'\\",
    ";",
    "(",
    ")",
    ",",
    "::",
    "@",
    "\0",
    "é",
    "U&'\\0041'",
    "x'",
    "1e999",
    ".",
    "CREATE TABLE ",
    "COPY ",
    "BEGIN ",
];

const WORDS: &[&str] = &[
    "-",
    "+",
    ".",
    "e",
    ":",
    "T",
    "Z",
    " BC",
    " AM",
    "\\x",
    "{",
    "}",
    "\"",
    "infinity",
    "NaN",
    "99999999999",
    "0",
    "é",
    "January ",
    "24:00",
    "+15:59:59",
    "epoch",
];

/// Nesting is bounded in bytes here: a deeply nested expression is a matter of the planner's stack,
/// which grows by itself.
fn statement(input: &[u8]) -> bool {
    str::from_utf8(input).is_ok_and(|text| sql::statement::parse(text).is_ok())
}

fn statements() -> Vec<Vec<u8>> {
    [
        "SELECT a, sum(b) FROM t WHERE c = $1 AND d LIKE E'\\x41%' GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        "CREATE TABLE t (id bigint PRIMARY KEY, v varchar(9) NOT NULL DEFAULT 'x', n numeric(9,2))",
        "CREATE DATABASE d PARTITIONS 8 WITH ASYNC DURABILITY",
        "REPLICATE DATABASE d WITH FORCE DIFFERENTIAL FROM root:'secret'@127.0.0.1:5432/d",
        "STOP REPLICATING d; FLUSH TABLES ON d WITH READ ONLY; UNLOCK TABLES ON d",
        "SWITCHOVER DATABASE d TO east",
        "INSERT INTO t VALUES (1, $$a$$), (2, NULL) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
        "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, NULL 'x')",
        "CREATE SEQUENCE s AS int START 5 INCREMENT -1 CYCLE",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT a; ROLLBACK TO a; COMMIT -- done\n/* x */",
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM r FOR UPDATE NOWAIT",
    ]
    .iter()
    .map(|sql| sql.as_bytes().to_vec())
    .collect()
}

/// The first byte chooses the type. What is read must be written and read again as the same value.
fn literal(input: &[u8]) -> bool {
    let (choice, bytes) = choice(input, 17);
    let Ok(text) = str::from_utf8(&bytes) else { return false };
    let ty = ty(choice);
    let Ok(value) = sql::text::parse(ty, text) else { return false };
    let shown = sql::text::format(ty, &value);
    let again = sql::text::parse(ty, &shown).map(|again| sql::text::format(ty, &again));
    assert_eq!(again.ok(), Some(shown), "a {ty} is read differently the second time");
    true
}

fn literals() -> Vec<Vec<u8>> {
    [
        (0, "true"),
        (3, "-9223372036854775808"),
        (4, "1.5e-3"),
        (5, "-Infinity"),
        (6, "1234567890.1234"),
        (7, "text"),
        (8, "varchar"),
        (9, "abc"),
        (10, "\\x00ff"),
        (10, "a\\000b"),
        (11, "2024-02-29"),
        (11, "January 8, 99 BC"),
        (12, "23:59:59.999999"),
        (13, "2024-02-29 12:00:00.5"),
        (14, "2024-02-29T12:00:00+02:30"),
        (15, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (16, "{\"a\": [1, 2.5e9, null, \"\\u00e9\"]}"),
    ]
    .iter()
    .map(|(ty, text)| chosen(*ty, text.as_bytes()))
    .collect()
}
