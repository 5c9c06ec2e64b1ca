use crate::world::{bank, begin, create_table, open};
use base::SqlState;
use txn::Isolation::ReadCommitted;

#[test]
fn a_schema_change_is_visible_when_committed_and_gone_when_rolled_back() {
    env::sim::run(8, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, accounts) = bank(&engine, 1).await;
        let mut other = begin(&database, ReadCommitted).await;
        let mut ddl = begin(&database, ReadCommitted).await;
        let mut changed = accounts.clone();
        changed.name = "konten".into();
        changed.version += 1;
        ddl.put_table(&changed).await.expect("free name");
        assert!(ddl.catalog().await.expect("readable").table("public", "konten").is_some());
        assert!(other.catalog().await.expect("readable").table("public", "accounts").is_some());
        ddl.rollback().await;
        let mut ddl = begin(&database, ReadCommitted).await;
        assert!(ddl.catalog().await.expect("readable").table("public", "accounts").is_some());
        ddl.put_table(&changed).await.expect("free name");
        ddl.commit().await.expect("no conflict");
        other.start_statement().await.expect("readable");
        assert!(other.catalog().await.expect("readable").table("public", "konten").is_some());
        drop((other, database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let mut txn = begin(&database, ReadCommitted).await;
        assert!(txn.catalog().await.expect("readable").table("public", "konten").is_some());
    });
}

#[test]
fn two_tables_cannot_have_one_name() {
    env::sim::run(9, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, accounts) = bank(&engine, 1).await;
        let second = create_table(&database, "tellers").await;
        assert_ne!(second.id, accounts.id);
        assert_ne!(second.storage, accounts.storage);
        let mut txn = begin(&database, ReadCommitted).await;
        let mut clash = second.clone();
        clash.name = "accounts".into();
        let refused = txn.put_table(&clash).await.expect_err("taken");
        assert_eq!(refused.state, SqlState::DUPLICATE_TABLE);
    });
}
