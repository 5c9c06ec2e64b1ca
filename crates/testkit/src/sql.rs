//! SQL over the wire in few words.

use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};

/// Connects with a password.
pub async fn connect(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config(port, user, password, database).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn config(port: u16, user: &str, password: &str, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database)
        .connect_timeout(Duration::from_secs(10));
    config
}

/// As [`connect`], with the notices that the server sends.
pub async fn connect_hearing(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> Result<(Client, mpsc::UnboundedReceiver<DbError>), tokio_postgres::Error> {
    let (client, mut connection) = config(port, user, password, database).connect(NoTls).await?;
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = tell.send(notice);
            }
        }
    });
    Ok((client, heard))
}

/// All rows as text, NULL as `NULL`.
pub async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    match try_rows(client, sql).await {
        Ok(rows) => rows,
        Err(e) => panic!("{sql}: {e:?}"),
    }
}

/// The same for a query that may fail.
pub async fn try_rows(
    client: &Client,
    sql: &str,
) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    let mut found = Vec::new();
    for message in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let fields = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_string());
            found.push(fields.collect());
        }
    }
    Ok(found)
}

/// The first field of the first row as text.
pub async fn one(client: &Client, sql: &str) -> String {
    let rows = rows(client, sql).await;
    match rows.first().and_then(|r| r.first()) {
        Some(value) => value.clone(),
        None => panic!("{sql}: no row"),
    }
}

/// Runs statements one by one.
pub async fn script(client: &Client, statements: &[&str]) {
    for sql in statements {
        if let Err(e) = client.batch_execute(sql).await {
            panic!("{sql}: {e:?}");
        }
    }
}

/// SQLSTATE and message of a statement that must fail.
pub async fn error_of(client: &Client, sql: &str) -> (String, String) {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql}: must fail"),
        Err(e) => match e.as_db_error() {
            Some(db) => (db.code().code().to_string(), db.message().to_string()),
            None => panic!("{sql}: no answer from the server: {e:?}"),
        },
    }
}
