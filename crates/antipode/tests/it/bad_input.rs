//! Wrong passwords, wrong names, wrong sources: each is refused with a clear error.

use crate::BINARY;
use std::process::Command;
use testkit::{PASSWORD, Pair, Server, connect, free_port};

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_string())
}

#[test]
fn settings_that_cannot_be_used_end_with_code_2_and_a_line_each() {
    let mut command = Command::new(BINARY);
    command.args(["start", "--cluster-id", "200", "--listen", "nowhere"]);
    let (code, err) = run(command.env("ANTIPODE_MEMORY_LIMIT", "lots"));
    assert_eq!(code, Some(2), "{err}");
    for wanted in [
        "flag --cluster-id: \"200\" is not a number from 0 to 127",
        "flag --listen: \"nowhere\" is not an address",
        "environment variable ANTIPODE_MEMORY_LIMIT: \"lots\" is not a size",
        "data is missing",
    ] {
        assert!(err.contains(wanted), "missing {wanted} in\n{err}");
    }
    assert_eq!(err.lines().count(), 4, "{err}");
    let (code, err) = run(Command::new(BINARY).args(["start", "--cluster-it", "1"]));
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
}

#[test]
fn two_processes_on_one_folder_or_one_port_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(BINARY, 1, "east", dir.path());
    let data = first.data().display().to_string();
    let start = |data: &str, port: u16, id: &str| {
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(BINARY);
        command.args(["start", "--cluster-id", id, "--data", data, "--listen", &listen]);
        command.env("ANTIPODE_PASSWORD", PASSWORD).env("ANTIPODE_LOG", "error");
        run(&mut command)
    };
    let (code, err) = start(&data, free_port(), "1");
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("uses the data folder") && err.contains(&data), "{err}");

    let other = dir.path().join("other").display().to_string();
    let (code, err) = start(&other, first.port(), "1");
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains(&first.port().to_string()), "{err}");
}

#[test]
fn a_folder_of_another_cluster_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Server::start(BINARY, 1, "east", dir.path());
    first.stop();
    let data = first.data().display().to_string();
    let mut command = Command::new(BINARY);
    command.args(["start", "--cluster-id", "2", "--data", &data, "--listen", "127.0.0.1:0"]);
    command.env("ANTIPODE_PASSWORD", PASSWORD).env("ANTIPODE_LOG", "error");
    let (code, err) = run(&mut command);
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("id 1, not 2"), "{err}");
}

#[test]
fn a_first_start_needs_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d").display().to_string();
    let mut command = Command::new(BINARY);
    command.args(["start", "--cluster-id", "2", "--data", &data, "--listen", "127.0.0.1:0"]);
    let (code, err) = run(command.env_remove("ANTIPODE_PASSWORD").env("ANTIPODE_LOG", "error"));
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
    assert!(err.contains("password"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_and_unknown_names_have_their_sqlstates() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    let code = async |user, password, database| {
        let refused = connect(server.port(), user, password, database).await;
        let Err(e) = refused else { panic!("{user} may not connect to {database}") };
        e.code().map(|c| c.code().to_string()).unwrap_or_else(|| format!("{e:?}"))
    };
    assert_eq!(code("root", "wrong", "antipode").await, "28P01");
    assert_eq!(code("nobody", PASSWORD, "antipode").await, "28P01");
    assert_eq!(code("root", PASSWORD, "nowhere").await, "3D000");
}

#[tokio::test(flavor = "multi_thread")]
async fn replication_from_wrong_sources_is_refused() {
    let pair = Pair::start(BINARY);
    let (east, west) = (&pair.east, &pair.west);
    let twin = Server::start(BINARY, 1, "twin", pair.dir.path());
    east.admin("CREATE DATABASE d PARTITIONS 2").await;
    west.admin("CREATE DATABASE taken").await;

    let d = east.source("d");
    let wrong_password = d.replace(&PASSWORD.replace('\'', "''"), "nonsense");
    for (server, database, from, wanted) in [
        (west, "taken", d.as_str(), "exist"),
        (west, "d", wrong_password.as_str(), "password"),
        (west, "d", &east.source("nothing"), "nothing"),
        (east, "d2", d.as_str(), "cluster id"),
        (&twin, "d", d.as_str(), "cluster id"),
        (west, "d", "root:'x'@127.0.0.1:1/d", "127.0.0.1:1"),
    ] {
        let (state, message) =
            server.admin_error(&format!("REPLICATE DATABASE {database} FROM {from}")).await;
        let told = format!("{state} {message}");
        assert!(message.contains(wanted), "{database} from {from}: {told}, wanted {wanted}");
    }

    // A standby is no source, and one that is absent cannot come back by difference.
    west.follow(east, "d").await;
    let third = Server::start(BINARY, 3, "third", pair.dir.path());
    let (_, message) =
        third.admin_error(&format!("REPLICATE DATABASE d FROM {}", west.source("d"))).await;
    assert!(message.contains("standby") || message.contains("target"), "{message}");
    let from = east.source("d");
    let (_, message) = third
        .admin_error(&format!("REPLICATE DATABASE d WITH FORCE DIFFERENTIAL FROM {from}"))
        .await;
    assert!(message.contains("not exist"), "{message}");
}
