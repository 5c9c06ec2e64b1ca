//! System tables and SHOW through the whole path.

use crate::harness::World;

#[tokio::test]
async fn system_tables_answer_at_the_statement() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE things (id int PRIMARY KEY, note varchar(20) NOT NULL)").await.expect("t");
    assert_eq!(
        s.rows(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE \
             table_name = 'things' ORDER BY ordinal_position"
        )
        .await,
        ["id|integer|NO", "note|character varying|NO"]
    );
    assert_eq!(s.rows("SHOW TABLES").await, ["things"]);
    assert_eq!(s.rows("SHOW DATABASES").await, ["test"]);
    assert_eq!(
        s.rows("SELECT relname FROM pg_class WHERE oid = 'things'::regclass").await,
        ["things"]
    );
    assert_eq!(
        s.rows(
            "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
             c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
        )
        .await,
        ["things"]
    );
    assert_eq!(s.fails("DELETE FROM pg_catalog.pg_class").await.0, "42501");
}

#[tokio::test]
async fn a_prepared_question_is_answered_anew() {
    let world = World::new().await;
    let mut s = world.session();
    let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    s.begin();
    let prepared = s.prepare(sql).await;
    let shown = crate::harness::show(s.execute(&prepared, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["0"]);
    s.run("CREATE TABLE a (id int)").await.expect("a table");
    let shown = crate::harness::show(s.execute(&prepared, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["1"]);
    s.rollback().await;
}

#[tokio::test]
async fn a_prepared_statement_follows_the_schema_or_says_why_not() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 2)")
        .await
        .expect("t");
    s.begin();
    let all = s.prepare("SELECT * FROM t").await;
    let some = s.prepare("UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n").await;
    s.run("ALTER TABLE t ADD COLUMN x text").await.expect("a column");
    let shown = crate::harness::show(s.execute(&some, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["3"]);
    let e = s.execute(&all, &[]).await.err().expect("another result");
    assert_eq!(e.message, "cached plan must not change result type");
    s.rollback().await;
}

#[tokio::test]
async fn sequences_are_in_the_catalogs() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id serial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY)")
        .await
        .expect("t");
    s.run("CREATE SEQUENCE s AS smallint INCREMENT BY 2 MAXVALUE 9 CYCLE").await.expect("s");
    s.run("SELECT nextval('s'), nextval('s')").await.expect("values");
    assert_eq!(
        s.rows("SELECT relname FROM pg_class WHERE relkind = 'S' ORDER BY 1").await,
        ["s", "t_id_seq", "t_n_seq"]
    );
    assert_eq!(
        s.rows(
            "SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, \
             cycle, cache_size, last_value FROM pg_sequences ORDER BY 1"
        )
        .await,
        [
            "s|smallint|1|1|9|2|t|1|3",
            "t_id_seq|integer|1|1|2147483647|1|f|1|NULL",
            "t_n_seq|bigint|1|1|9223372036854775807|1|f|1|NULL"
        ]
    );
    assert_eq!(
        s.rows(
            "SELECT sequence_name, data_type, numeric_precision, maximum_value, cycle_option \
             FROM information_schema.sequences ORDER BY 1"
        )
        .await,
        ["s|smallint|16|9|YES", "t_id_seq|integer|32|2147483647|NO"]
    );
    assert_eq!(
        s.rows(
            "SELECT column_name, column_default, is_identity, identity_generation, identity_start \
             FROM information_schema.columns WHERE table_name = 't' ORDER BY 1"
        )
        .await,
        ["id|nextval('t_id_seq'::regclass)|NO|NULL|NULL", "n|NULL|YES|ALWAYS|1"]
    );
    assert_eq!(
        s.rows("SELECT pg_get_serial_sequence('t', 'id'), pg_get_serial_sequence('t', 'n')").await,
        ["public.t_id_seq|public.t_n_seq"]
    );
    assert_eq!(s.fails("SELECT pg_get_serial_sequence('t', 'x')").await.0, "42703");
    assert_eq!(
        s.rows("SELECT setval(pg_get_serial_sequence('t', 'id'), coalesce(max(id), 7)) FROM t")
            .await,
        ["7"]
    );
    assert_eq!(s.rows("INSERT INTO t DEFAULT VALUES RETURNING id, n").await, ["8|1"]);
    assert_eq!(s.rows("SELECT 's'::regclass::text").await, ["s"]);
    assert_eq!(
        s.rows(
            "SELECT s.relname, a.attname, d.deptype FROM pg_depend d \
             JOIN pg_class s ON s.oid = d.objid JOIN pg_attribute a \
             ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid ORDER BY 1"
        )
        .await,
        ["t_id_seq|id|a", "t_n_seq|n|i"]
    );
}

#[tokio::test]
async fn the_engines_figures_are_shown() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await.expect("t");
    s.run("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 5000) AS g(i)")
        .await
        .expect("rows");
    let database = world.engine.database("test").expect("there");
    let written = "SELECT count(*) FROM information_schema.storage_status \
                   WHERE database_name = 'test' AND run_bytes + base_bytes > 0 \
                   AND spilled_bytes > 0 AND write_amplification >= 1 AND row_versions > 1000";
    for _ in 0..200 {
        // What is not closed yet stays in memory.
        world.engine.spill_above(&database, 0).await.expect("spills");
        if s.rows(written).await == ["4"] {
            break;
        }
        world.engine.env.sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(s.rows(written).await, ["4"]);
    for id in [7, 4000, 7] {
        assert_eq!(
            s.rows(&format!("SELECT v FROM t WHERE id = {id}")).await,
            [format!("row {id}")]
        );
    }
    assert_eq!(s.rows("SELECT count(v) FROM t").await, ["5000"]);
    let read = "SELECT sum(gets) >= 3, min(layers_per_scan) >= 1, bool_or(spilling) \
                FROM information_schema.storage_status WHERE database_name = 'test'";
    assert_eq!(s.rows(read).await, ["t|t|f"]);
    let usage = "SELECT kind, medium, bytes > 0, limit_bytes > 0 \
                 FROM information_schema.engine_status ORDER BY kind";
    let shown = s.rows(usage).await;
    for wanted in ["base|disk", "cache|memory|t|t", "chunk indexes|memory|t|t", "log|disk|t|t"] {
        assert!(shown.iter().any(|row| row.starts_with(wanted)), "{wanted} in {shown:?}");
    }
    let hits = "SELECT hits > 0 FROM information_schema.engine_status WHERE kind = 'cache'";
    assert_eq!(s.rows(hits).await, ["t"]);
}

#[tokio::test]
async fn indexes_and_constraints_are_listed_as_clients_ask_for_them() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (k int, id int, a int, PRIMARY KEY (k, id), SHARD KEY (k), UNIQUE (k, a));
         CREATE INDEX by_a ON t (a DESC, k NULLS FIRST)",
    )
    .await
    .expect("a table");
    // What psql asks for `\d t`.
    let sql = "SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, \
               pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), \
               pg_catalog.pg_get_constraintdef(con.oid, true), contype \
               FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i \
               LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid \
               AND conindid = i.indexrelid AND contype IN ('p','u','x')) \
               WHERE c.oid = 't'::regclass AND c.oid = i.indrelid AND i.indexrelid = c2.oid \
               ORDER BY i.indisprimary DESC, c2.relname";
    assert_eq!(
        s.rows(sql).await,
        [
            "t_pkey|t|t|f|t|CREATE UNIQUE INDEX t_pkey ON public.t USING btree (k, id)\
             |PRIMARY KEY (k, id)|p",
            "by_a|f|f|f|t|CREATE INDEX by_a ON public.t USING btree (a DESC, k NULLS FIRST)|NULL|NULL",
            "t_k_a_key|f|t|f|t|CREATE UNIQUE INDEX t_k_a_key ON public.t USING btree (k, a)\
             |UNIQUE (k, a)|u",
        ]
    );
    for (sql, expected) in [
        ("SELECT relkind, relnatts FROM pg_class WHERE oid = 'by_a'::regclass", "i|2"),
        (
            "SELECT indkey, indoption FROM pg_index WHERE indexrelid = 'by_a'::regclass",
            "{3,1}|{3,2}",
        ),
        (
            "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'by_a'::regclass",
            "a,k",
        ),
        (
            "SELECT indexdef FROM pg_indexes WHERE indexname = 't_k_a_key'",
            "CREATE UNIQUE INDEX \
          t_k_a_key ON public.t USING btree (k, a)",
        ),
        ("SELECT pg_get_indexdef('by_a'::regclass, 2, true)", "k"),
        ("SELECT pg_relation_size('by_a')", "0"),
        (
            "SELECT constraint_type, count(*) FROM information_schema.table_constraints t \
             JOIN information_schema.key_column_usage k USING (constraint_name) \
             WHERE t.constraint_name = 't_k_a_key' GROUP BY 1",
            "UNIQUE|2",
        ),
    ] {
        assert_eq!(s.rows(sql).await, [expected], "{sql}");
    }
}
