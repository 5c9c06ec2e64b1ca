//! Getting in, or not.

use crate::raw::Raw;
use crate::server::{PASSWORD, Server, code, rows, state};
use session::FrontSettings;
use std::time::Duration;

#[tokio::test]
async fn wrong_passwords_and_unknown_users_look_the_same() {
    let server = Server::start().await;
    for (user, password) in [("root", "wrong"), ("root", ""), ("nobody", PASSWORD)] {
        let mut config = server.config();
        config.user(user).password(password);
        let error = server.connect(&config).await.expect_err("refused");
        if password.is_empty() {
            continue; // The driver itself refuses an empty password.
        }
        assert_eq!(code(&error), "28P01");
        let db = error.as_db_error().expect("from the server");
        assert_eq!(db.message(), format!("password authentication failed for user \"{user}\""));
        assert_eq!(db.severity(), "FATAL");
    }
}

#[tokio::test]
async fn unknown_database_bad_setting_and_missing_user_are_fatal() {
    let server = Server::start().await;
    let mut config = server.config();
    config.dbname("nonsense");
    assert_eq!(code(&server.connect(&config).await.expect_err("refused")), "3D000");
    let mut config = server.config();
    config.options("-c nonsense=1");
    assert_eq!(code(&server.connect(&config).await.expect_err("refused")), "42704");
    let mut raw = Raw::open(&server).await;
    raw.startup(&[("database", "test")]).await;
    assert_eq!(raw.until_closed().await, ["E FATAL 28000"]);
}

#[tokio::test]
async fn too_many_connections_are_refused_and_places_come_back() {
    let settings = FrontSettings { connections_max: 2, ..FrontSettings::default() };
    let server = Server::with(settings, None).await;
    let first = server.client().await;
    let second = server.client().await;
    assert_eq!(code(&server.connect(&server.config()).await.expect_err("full")), "53300");
    drop(second);
    for _ in 0..200 {
        if server.front.connections() < 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let third = server.client().await;
    assert_eq!(rows(&third, "select 1").await, ["1"]);
    assert_eq!(rows(&first, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_slow_login_is_cut_off() {
    let settings =
        FrontSettings { login_timeout: Duration::from_millis(100), ..FrontSettings::default() };
    let server = Server::with(settings, None).await;
    let mut silent = Raw::open(&server).await;
    assert_eq!(silent.until_closed().await, ["E FATAL 08006"]);
    let mut halfway = Raw::open(&server).await;
    halfway.startup(&[("user", "root"), ("database", "test")]).await;
    assert_eq!(halfway.until_closed().await, ["R", "E FATAL 08006"]);
    assert_eq!(server.front.connections(), 0);
}

#[tokio::test]
async fn stopping_ends_idle_and_busy_sessions_and_refuses_new_ones() {
    let server = Server::start().await;
    let mut idle = Raw::ready(&server).await;
    let busy = server.client().await;
    let waiting = tokio::spawn(async move {
        busy.simple_query("select count(*) from generate_series(1, 4000000000)").await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.front.stop();
    assert_eq!(idle.until_closed().await, ["E FATAL 57P01"]);
    let error = waiting.await.expect("task").expect_err("ended");
    assert_eq!(code(&error), "57P01");
    assert_eq!(code(&server.connect(&server.config()).await.expect_err("closed")), "57P03");
}

#[tokio::test]
async fn idle_sessions_end_when_told_so() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    raw.query("set idle_session_timeout = 100").await;
    assert_eq!(raw.until_closed().await, ["E FATAL 57P05"]);
    let mut raw = Raw::ready(&server).await;
    raw.query("set idle_in_transaction_session_timeout = 100").await;
    raw.query("begin").await;
    assert_eq!(raw.until_closed().await, ["E FATAL 25P03"]);
}

#[tokio::test]
async fn settings_sent_at_startup_hold() {
    let server = Server::start().await;
    let mut config = server.config();
    config.application_name("my app").options("-c statement_timeout=5s");
    let client = server.connect(&config).await.expect("connects");
    assert_eq!(rows(&client, "show application_name").await, ["my app"]);
    assert_eq!(rows(&client, "show statement_timeout").await, ["5s"]);
    assert_eq!(rows(&client, "show server_version").await[0].split('.').next(), Some("16"));
    assert_eq!(rows(&client, "show promotion_epoch").await, ["1"]);
    assert_eq!(rows(&client, "show in_hot_standby").await, ["off"]);
    assert_eq!(state(&client, "show nonsense").await, "42704");
}

#[tokio::test]
async fn tls_is_spoken_with_a_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a key");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server configuration");
    let server = Server::with(FrontSettings::default(), Some(std::sync::Arc::new(tls))).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut plain = tokio::net::TcpStream::connect(server.address).await.expect("connects");
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    plain.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.expect("asks");
    assert_eq!(plain.read_u8().await.expect("answer"), b'S');
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let secure = connector.connect(name, plain).await.expect("a handshake");
    let (client, connection) =
        server.config().connect_raw(secure, tokio_postgres::NoTls).await.expect("logs in");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    assert_eq!(rows(&client, "select 'secure'").await, ["secure"]);
}
