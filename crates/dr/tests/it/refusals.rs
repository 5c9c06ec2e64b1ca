use crate::world::{BANK, Cluster, open_bank, pair};
use base::SqlState;
use dr::peer::{FORMAT_VERSION, HelloRequest, Mode};
use env::sim::run;

#[test]
fn bad_sources_are_refused_clearly() {
    run(1, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 3).await;
        let mut request = west.request("east", false);
        request.password = Some("guess".into());
        let e = west.links.replicate(request.clone(), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::INVALID_PASSWORD);
        assert!(e.message.contains("user \"root\""), "{e}");
        request.password = Some("secret".into());
        request.user = "nobody".into();
        let e = west.links.replicate(request.clone(), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::INVALID_PASSWORD);
        let mut request = west.request("east", false);
        request.source_database = Some("nothing".into());
        let e = west.links.replicate(request, "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::INVALID_CATALOG_NAME);
        let mut request = west.request("east", false);
        request.port = Some(1);
        let e = west.links.replicate(request, "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::CONNECTION_FAILURE);
        assert!(west.engine.record(BANK).is_err(), "nothing was made");
    });
}

#[test]
fn existing_databases_own_clusters_and_targets_are_no_choice() {
    run(2, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 3).await;
        let e = east.links.replicate(east.request("west", false), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::DUPLICATE_DATABASE);
        let mut itself = east.request("east", false);
        itself.database = "copy".into();
        itself.source_database = Some(BANK.into());
        let e = east.links.replicate(itself, "test").await.unwrap_err();
        assert!(e.message.contains("both have cluster id 1"), "{e}");
        let twin = Cluster::new(&world, &east.network, 1, "twin").await;
        let e = twin.links.replicate(twin.request("east", false), "test").await.unwrap_err();
        assert!(e.message.contains("both have cluster id 1"), "{e}");

        west.replicate("east").await;
        west.caught_up(&east).await;
        let third = Cluster::new(&world, &east.network, 3, "third").await;
        let e = third.links.replicate(third.request("west", false), "test").await.unwrap_err();
        assert!(e.message.contains("is itself a target"), "{e}");
        let e = west.links.replicate(west.request("east", false), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::DUPLICATE_DATABASE);
        // By difference it goes on with the source that it has.
        west.links.replicate(west.request("east", true), "test").await.expect("the same source");
        west.caught_up(&east).await;
        let e = west.links.replicate(west.request("east", true), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::OBJECT_IN_USE);
        let e = third.links.replicate(third.request("east", true), "test").await.unwrap_err();
        assert_eq!(e.state, SqlState::INVALID_CATALOG_NAME);
    });
}

#[test]
fn another_line_and_a_newer_format_are_refused() {
    run(3, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 3).await;
        open_bank(&west, 3).await;
        let e = west.links.replicate(west.request("east", true), "test").await.unwrap_err();
        assert!(e.message.contains("another line of history"), "{e}");
        let hello = HelloRequest {
            database: BANK.into(),
            line: None,
            cluster: base::ClusterId(2),
            cluster_name: "west".into(),
            slot: "2/bank".into(),
            promotion_epoch: base::Epoch::default(),
            format_version: FORMAT_VERSION + 1,
            mode: Mode::Copy,
            own_rights: false,
        };
        let e = east.links.replication().hello(hello).await.unwrap_err();
        assert_eq!(e.state, SqlState::FEATURE_NOT_SUPPORTED);
    });
}

#[test]
fn copy_that_is_not_complete_cannot_be_promoted() {
    run(4, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 3).await;
        west.replicate("east").await;
        let e = west.links.stop(BANK, "test").await.unwrap_err();
        assert!(e.message.contains("is copying and cannot become primary yet"), "{e}");
        west.caught_up(&east).await;
        west.links.stop(BANK, "test").await.unwrap();
    });
}
