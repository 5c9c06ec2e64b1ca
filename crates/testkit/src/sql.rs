//! SQL over the wire in few words.

use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Connects with a password.
pub async fn connect(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = Config::new()
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database)
        .connect_timeout(Duration::from_secs(10))
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
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
