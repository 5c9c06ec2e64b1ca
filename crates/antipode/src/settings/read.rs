//! How the text of each setting is read.

use crate::words;
use base::ClusterId;
use meta::Source;
use std::time::Duration;

/// 0 to 127.
pub fn cluster_id(text: &str) -> Result<ClusterId, String> {
    match text.trim().parse::<u8>() {
        Ok(id) if id < 128 => Ok(ClusterId(id)),
        _ => Err("is not a number from 0 to 127".into()),
    }
}

/// A name of letters, digits, `_`, `-` and `.`.
pub fn name(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if text.is_empty() || text.len() > 63 || !text.chars().all(fine) {
        return Err("is not a name (1 to 63 letters, digits, '_', '-' or '.')".into());
    }
    Ok(text.to_string())
}

/// `host:port`.
pub fn listen(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_string())
        }
        _ => Err("is not an address (like 127.0.0.1:5432)".into()),
    }
}

/// `[https://]host:port`, port 5432 if there is none.
pub fn advertise(text: &str) -> Result<(String, u16), String> {
    let wrong = || "is not an address (like db.example.org:5432)".to_string();
    let (tls, rest) = match text.strip_prefix("https://") {
        Some(rest) => ("https://", rest),
        None => ("", text),
    };
    // The colons of an IPv6 address are no port's, unless it is in brackets.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
            (host, port.parse().ok().filter(|p| *p > 0).ok_or_else(wrong)?)
        }
        _ => (rest, 5432),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    Ok((format!("{tls}{host}"), port))
}

/// What `dr-role` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No links.
    None,
    /// Links of others.
    Master,
    /// A link to another one.
    Replica,
}

/// `none`, `master` or `replica`.
pub fn dr_role(text: &str) -> Result<Role, String> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(Role::None),
        "master" => Ok(Role::Master),
        "replica" => Ok(Role::Replica),
        _ => Err("is not a role (none, master or replica)".into()),
    }
}

/// `user[:password]@[https://]host[:port]`; the password may have any characters.
pub fn dr_source(text: &str) -> Result<Source, String> {
    let wrong = || "is not a source (like root:password@db.example.org:5432)".to_string();
    let (login, address) = text.rsplit_once('@').ok_or_else(wrong)?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = advertise(address).map_err(|_| wrong())?;
    if user.is_empty() {
        return Err(wrong());
    }
    let (user, password) = (user.to_owned(), password.to_owned());
    Ok(Source { host, port, user, password, database: String::new() })
}

/// A size of at least `least` bytes.
pub fn bytes(text: &str, least: u64) -> Result<u64, String> {
    match words::parse_bytes(text)? {
        n if n < least => Err(format!("is less than {}", words::bytes(least))),
        n => Ok(n),
    }
}

/// A length of time with its unit; `0` needs none.
pub fn time(text: &str) -> Result<Duration, String> {
    match sql::statement::interval_ms(text) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None if text.trim() == "0" => Ok(Duration::ZERO),
        None => Err("is not a time (like 10 min, 1 h or 7 days)".into()),
    }
}
