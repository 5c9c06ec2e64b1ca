//! A client that speaks the protocol byte by byte, for what drivers hide: the status byte, skipping
//! to Sync, suspended portals, malformed messages.

use crate::server::{PASSWORD, Server};
use meta::scram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Reply {
    /// A field of an error or a notice.
    pub fn field(&self, code: u8) -> String {
        let mut fields = self.body.split(|b| *b == 0);
        let found = fields.find(|f| f.first() == Some(&code));
        found.map(|f| String::from_utf8_lossy(&f[1..]).into_owned()).unwrap_or_default()
    }
}

pub struct Raw {
    socket: TcpStream,
}

pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as i32 + 4).to_be_bytes());
    out.extend(body);
    out
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(max_rows.to_be_bytes());
    message(b'E', &body)
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

impl Raw {
    pub async fn open(server: &Server) -> Raw {
        Raw { socket: TcpStream::connect(server.address).await.expect("connects") }
    }

    /// Logged in and ready.
    pub async fn ready(server: &Server) -> Raw {
        let mut raw = Raw::open(server).await;
        raw.startup(&[("user", "root"), ("database", "test")]).await;
        raw.log_in(PASSWORD).await;
        raw.until_ready().await;
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("sends");
    }

    pub async fn startup(&mut self, parameters: &[(&str, &str)]) {
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend(format!("{name}\0{value}\0").as_bytes());
        }
        body.push(0);
        let mut packet = (body.len() as i32 + 4).to_be_bytes().to_vec();
        packet.extend(body);
        self.send(&packet).await;
    }

    pub async fn log_in(&mut self, password: &str) {
        let offer = self.next().await;
        assert_eq!((offer.kind, &offer.body[4..]), (b'R', &b"SCRAM-SHA-256\0\0"[..]));
        let mut client = scram::Client::new("", password, b"some nonce");
        let first = client.first();
        let mut body = b"SCRAM-SHA-256\0".to_vec();
        body.extend((first.len() as i32).to_be_bytes());
        body.extend(first.as_bytes());
        self.send(&message(b'p', &body)).await;
        let reply = self.next().await;
        let text = String::from_utf8(reply.body[4..].to_vec()).expect("text");
        let answer = client.respond(&text).expect("server first");
        self.send(&message(b'p', answer.as_bytes())).await;
    }

    pub async fn next(&mut self) -> Reply {
        self.try_next().await.expect("a message")
    }

    pub async fn try_next(&mut self) -> Option<Reply> {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head).await.ok()?;
        let len = i32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let mut body = vec![0; len];
        self.socket.read_exact(&mut body).await.ok()?;
        Some(Reply { kind: head[0], body })
    }

    pub async fn byte(&mut self) -> u8 {
        self.socket.read_u8().await.expect("a byte")
    }

    /// All messages up to `ReadyForQuery`, as one short line each.
    pub async fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let reply = self.next().await;
            lines.push(short(&reply));
            if reply.kind == b'Z' {
                return lines;
            }
        }
    }

    /// All messages up to the end of the connection.
    pub async fn until_closed(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(reply) = self.try_next().await {
            lines.push(short(&reply));
        }
        lines
    }

    /// A simple query's messages up to `ReadyForQuery`.
    pub async fn ask(&mut self, sql: &str) -> Vec<Reply> {
        self.send(&message(b'Q', format!("{sql}\0").as_bytes())).await;
        let mut replies = Vec::new();
        loop {
            let reply = self.next().await;
            if reply.kind == b'Z' {
                return replies;
            }
            replies.push(reply);
        }
    }

    pub async fn query(&mut self, sql: &str) -> Vec<String> {
        self.send(&message(b'Q', format!("{sql}\0").as_bytes())).await;
        self.until_ready().await
    }
}

/// `Z T`, `C SELECT 1`, `E 42601`, `D` …
fn short(reply: &Reply) -> String {
    let kind = char::from(reply.kind);
    match reply.kind {
        b'Z' => format!("Z {}", char::from(reply.body[0])),
        b'C' => format!("C {}", String::from_utf8_lossy(&reply.body).trim_end_matches('\0')),
        b'E' | b'N' => {
            format!("{kind} {} {}", reply.field(b'S'), reply.field(b'C'))
        }
        _ => kind.to_string(),
    }
}

#[tokio::test]
async fn the_status_byte_follows_the_transaction() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    assert_eq!(raw.query("begin").await, ["C BEGIN", "Z T"]);
    assert_eq!(raw.query("begin").await, ["N WARNING 25001", "C BEGIN", "Z T"]);
    assert_eq!(raw.query("select 1/0").await.last().expect("ready"), "Z E");
    assert_eq!(raw.query("select 1").await, ["E ERROR 25P02", "Z E"]);
    assert_eq!(raw.query("commit").await, ["C ROLLBACK", "Z I"]);
    assert_eq!(raw.query("commit").await, ["N WARNING 25P01", "C COMMIT", "Z I"]);
    assert_eq!(raw.query("").await, ["I", "Z I"]);
    assert_eq!(raw.query(" ; -- nothing\n;").await, ["I", "Z I"]);
    assert_eq!(
        raw.query("select 1; select 2").await,
        ["T", "D", "C SELECT 1", "T", "D", "C SELECT 1", "Z I"]
    );
}

#[tokio::test]
async fn an_error_skips_to_sync() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    let mut bytes = parse("", "selekt");
    bytes.extend(bind("", ""));
    bytes.extend(execute("", 0));
    bytes.extend(message(b'Q', b"select 1\0"));
    bytes.extend(sync());
    raw.send(&bytes).await;
    assert_eq!(raw.until_ready().await, ["E ERROR 42601", "Z I"]);
    let mut bytes = parse("", "select 1");
    bytes.extend(bind("", ""));
    bytes.extend(message(b'D', b"P\0"));
    bytes.extend(execute("", 0));
    bytes.extend(sync());
    raw.send(&bytes).await;
    assert_eq!(raw.until_ready().await, ["1", "2", "T", "D", "C SELECT 1", "Z I"]);
}

#[tokio::test]
async fn a_portal_is_suspended_and_goes_on() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    raw.query("begin").await;
    let mut bytes = parse("s", "select * from generate_series(1, 5)");
    bytes.extend(bind("p", "s"));
    bytes.extend(execute("p", 2));
    bytes.extend(execute("p", 2));
    bytes.extend(sync());
    raw.send(&bytes).await;
    assert_eq!(raw.until_ready().await, ["1", "2", "D", "D", "s", "D", "D", "s", "Z T"]);
    let mut bytes = execute("p", 0);
    bytes.extend(execute("p", 0));
    bytes.extend(message(b'C', b"Pp\0"));
    bytes.extend(execute("p", 0));
    bytes.extend(sync());
    raw.send(&bytes).await;
    assert_eq!(
        raw.until_ready().await,
        ["D", "C SELECT 1", "C SELECT 0", "3", "E ERROR 34000", "Z E"]
    );
}

#[tokio::test]
async fn copy_data_after_an_error_is_thrown_away() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    raw.query("create table t (a int primary key)").await;
    let mut bytes = message(b'Q', b"copy t from stdin\0");
    for line in ["1\n", "x\n", "2\n"] {
        bytes.extend(message(b'd', line.as_bytes()));
    }
    bytes.extend(message(b'c', b""));
    raw.send(&bytes).await;
    assert_eq!(raw.until_ready().await, ["G", "E ERROR 22P02", "Z I"]);
    assert_eq!(raw.query("select * from t").await, ["T", "C SELECT 0", "Z I"]);
    let mut bytes = message(b'Q', b"copy t from stdin\0");
    bytes.extend(message(b'f', b"changed my mind\0"));
    raw.send(&bytes).await;
    assert_eq!(raw.until_ready().await, ["G", "E ERROR 57014", "Z I"]);
}

#[tokio::test]
async fn malformed_messages_end_the_connection_and_nothing_else() {
    let server = Server::start().await;
    for bytes in [
        message(b'?', b""),
        message(b'Q', b"no end"),
        message(b'B', b"\0"),
        vec![b'Q', 0, 0, 0, 1],
        vec![b'Q', 0xff, 0xff, 0xff, 0xff],
        vec![b'S', 0x7f, 0xff, 0xff, 0xff],
    ] {
        let mut raw = Raw::ready(&server).await;
        raw.send(&bytes).await;
        assert_eq!(raw.until_closed().await, ["E FATAL 08P01"], "{bytes:?}");
    }
    let mut raw = Raw::open(&server).await;
    raw.send(&[0, 0, 0, 4]).await;
    assert_eq!(raw.until_closed().await, ["E FATAL 08P01"]);
    let mut raw = Raw::open(&server).await;
    raw.send(&[0, 0, 0, 8, 0, 2, 0, 0]).await;
    assert_eq!(raw.until_closed().await, ["E FATAL 0A000"]);
    assert_eq!(crate::server::rows(&server.client().await, "select 1").await, ["1"]);
}

#[tokio::test]
async fn encryption_is_declined_without_a_certificate_and_the_client_goes_on() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    for code in [80_877_104_i32, 80_877_103] {
        let mut packet = 8_i32.to_be_bytes().to_vec();
        packet.extend(code.to_be_bytes());
        raw.send(&packet).await;
        assert_eq!(raw.byte().await, b'N');
    }
    raw.startup(&[("user", "root"), ("database", "test")]).await;
    raw.log_in(PASSWORD).await;
    assert_eq!(raw.until_ready().await.last().expect("ready"), "Z I");
}
