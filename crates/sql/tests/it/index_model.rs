//! Random writes, spills and restarts; afterwards every index is true at every timestamp that can
//! still be read, and queries through it find what a look at every row finds.

use crate::harness::{Session, World};
use crate::indexes::audit_in;
use txn::Isolation;

/// A small generator: the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn value(&mut self, n: u64) -> String {
        if self.below(8) == 0 { "NULL".into() } else { self.below(n).to_string() }
    }

    fn statement(&mut self) -> String {
        let (k, id) = (self.below(5), self.below(60));
        let (a, b, u) = (self.value(9), self.value(30), self.value(40));
        match self.below(12) {
            0..=2 => format!("INSERT INTO t VALUES ({k}, {id}, {a}, 'b{b}', {u})"),
            3 => format!(
                "INSERT INTO t VALUES ({k}, {id}, {a}, 'b{b}', {u}) \
                 ON CONFLICT (k, id) DO UPDATE SET a = excluded.a, u = excluded.u"
            ),
            4 => format!(
                "INSERT INTO t VALUES ({k}, {id}, {a}, 'b{b}', {u}) \
                 ON CONFLICT (k, u) DO UPDATE SET b = excluded.b, u = t.u + 1"
            ),
            5 => format!("UPDATE t SET a = {a}, b = 'c{b}' WHERE k = {k} AND id = {id}"),
            6 => format!("UPDATE t SET u = u + 1 WHERE a = {a}"),
            7 => format!("UPDATE t SET id = id + 1 WHERE k = {k} AND b = 'b{b}'"),
            8 => format!("UPDATE t SET k = (k + 1) % 5 WHERE a = {a} AND id < {id}"),
            9 => format!("DELETE FROM t WHERE a = {a}"),
            10 => format!("DELETE FROM t WHERE k = {k} AND id > {id}"),
            _ => format!(
                "INSERT INTO t SELECT {k}, i, i % 7, 'b' || i, NULL \
                 FROM generate_series({id}, {id} + 20) AS g(i) ON CONFLICT DO NOTHING"
            ),
        }
    }
}

async fn compare(s: &mut Session, chance: &mut Chance) {
    let (a, b, u) = (chance.below(9), chance.below(30), chance.below(40));
    for (through, beside) in [
        (format!("a = {a}"), format!("a + 0 = {a}")),
        (format!("a = {a} AND b > 'b{b}'"), format!("a + 0 = {a} AND b || '' > 'b{b}'")),
        (format!("b = 'b{b}'"), format!("b || '' = 'b{b}'")),
        (format!("a > {a}"), format!("a + 0 > {a}")),
        (format!("a IN ({a}, 3)"), format!("a + 0 IN ({a}, 3)")),
        (format!("k = 2 AND u = {u}"), format!("k + 0 = 2 AND u + 0 = {u}")),
        (format!("u < {u}"), format!("u + 0 < {u}")),
    ] {
        let query = |condition: &str| format!("SELECT * FROM t WHERE {condition} ORDER BY k, id");
        let (got, expected) = (s.rows(&query(&through)).await, s.rows(&query(&beside)).await);
        assert_eq!(got, expected, "{through}");
        let mut plain = s.rows(&format!("SELECT * FROM t WHERE {through}")).await;
        let mut expected = expected;
        plain.sort();
        expected.sort();
        assert_eq!(plain, expected, "{through}");
    }
}

/// A session that goes on seeing the present.
async fn frozen(world: &World) -> Session {
    let mut s = world.session();
    s.begin_with(Isolation::RepeatableRead);
    s.run("SELECT count(*) FROM t").await.expect("a snapshot");
    s
}

async fn story(seed: u64) {
    let mut chance = Chance(seed);
    let mut world = World::with_partitions(3).await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (k int, id int, a int, b text, u int, PRIMARY KEY (k, id), SHARD KEY (k));
         CREATE INDEX ON t (a, b)",
    )
    .await
    .expect("a table");
    let mut past = vec![frozen(&world).await];
    for step in 0..160 {
        let sql = chance.statement();
        if let Err(e) = s.run(&sql).await {
            let expected = ["23505", "21000", "42P10"];
            assert!(expected.contains(&e.state.0), "{sql}: {e:?}");
        }
        match step {
            30 => {
                s.run("UPDATE t SET u = NULL; CREATE UNIQUE INDEX ON t (u DESC, k)")
                    .await
                    .expect("a unique index");
            }
            50 => drop(s.run("CREATE INDEX ON t (b DESC)").await.expect("an index")),
            100 => drop(s.run("REINDEX TABLE t").await.expect("made anew")),
            _ => {}
        }
        if step % 20 == 19 {
            past.push(frozen(&world).await);
            let database = world.engine.database("test").expect("the database");
            world.engine.spill_above(&database, 0).await.expect("a spill");
            compare(&mut s, &mut chance).await;
        }
        if step == 90 {
            for past in &mut past {
                audit_in(past).await;
            }
            past.clear();
            drop(s);
            world = world.reopen().await;
            s = world.session();
        }
    }
    for past in &mut past {
        audit_in(past).await;
        compare(past, &mut chance).await;
    }
    let mut now = frozen(&world).await;
    audit_in(&mut now).await;
}

#[tokio::test]
async fn random_writes_leave_every_index_true() {
    for seed in 1..=4 {
        story(seed).await;
    }
}
