//! SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding: what a server keeps instead of a
//! password, and both sides of the exchange, as pure steps over message text.
//!
//! ```text
//! client                                       server
//!   Client::new ── n,,n=user,r=cnonce ──────────▶ Server::new
//!   Client::respond ◀── r=nonce,s=salt,i=4096 ───
//!                ── c=biws,r=nonce,p=proof ──────▶ Server::finish   (wrong proof: INVALID_PASSWORD)
//!   Client::verify  ◀── v=server signature ──────
//! ```
//! Passwords are used as they are (no SASLprep): those outside of ASCII must be typed in the same
//! Unicode form everywhere.

use base::{Error, Result, SqlState};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Rounds of key stretching for new passwords (the least that RFC 7677 allows).
pub const ITERATIONS: u32 = 4_096;

type Key = [u8; 32];

/// What is stored of a password. Text form as in PostgreSQL:
/// `SCRAM-SHA-256$iterations:salt$stored key:server key`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Verifier {
    /// Random, per user.
    pub salt: Vec<u8>,
    /// Rounds.
    pub iterations: u32,
    /// Recognises a client's proof.
    pub stored_key: Key,
    /// Proves the server to the client.
    pub server_key: Key,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// From a password and a random salt.
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Verifier {
        let salted = salted_password(password, salt, iterations);
        Verifier {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// For a user that does not exist: the same salt each time, and no password fits, so that an
    /// attacker cannot tell which users there are.
    pub fn nobody(secret: &[u8], user: &str) -> Verifier {
        let salt = hmac(secret, user.as_bytes());
        Verifier {
            salt: salt[..16].to_vec(),
            iterations: ITERATIONS,
            stored_key: hmac(secret, b"no stored key"),
            server_key: hmac(secret, b"no server key"),
        }
    }

    /// Checks a password given in clear.
    pub fn accepts(&self, password: &str) -> bool {
        let other = Verifier::new(password, &self.salt, self.iterations);
        same(&other.stored_key, &self.stored_key)
    }
}

impl From<Verifier> for String {
    fn from(v: Verifier) -> String {
        format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            v.iterations,
            BASE64.encode(&v.salt),
            BASE64.encode(v.stored_key),
            BASE64.encode(v.server_key)
        )
    }
}

impl TryFrom<String> for Verifier {
    type Error = String;

    fn try_from(text: String) -> Result<Verifier, String> {
        let read = || -> Option<Verifier> {
            let rest = text.strip_prefix("SCRAM-SHA-256$")?;
            let (head, keys) = rest.split_once('$')?;
            let (iterations, salt) = head.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            Some(Verifier {
                salt: BASE64.decode(salt).ok()?,
                iterations: iterations.parse().ok().filter(|n| *n > 0)?,
                stored_key: BASE64.decode(stored).ok()?.try_into().ok()?,
                server_key: BASE64.decode(server).ok()?.try_into().ok()?,
            })
        };
        read().ok_or_else(|| "not a SCRAM-SHA-256 verifier".to_string())
    }
}

/// The stretched password, of which all keys are made.
pub fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, iterations)
}

fn hmac(key: &[u8], data: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// Compares without telling by its time where the difference is.
fn same(a: &Key, b: &Key) -> bool {
    a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

fn xor(a: &Key, b: &Key) -> Key {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// The value of `key=` in a comma-separated message.
fn field(message: &str, key: char) -> Result<&str> {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
        .ok_or_else(|| malformed(format!("no {key}= in it")))
}

fn malformed(what: impl fmt::Display) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, format!("malformed SCRAM message: {what}"))
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64.decode(text).map_err(malformed)
}

/// The client's side.
#[derive(Debug)]
pub struct Client {
    password: String,
    first_bare: String,
    nonce: String,
    signature: Option<Key>,
}

impl Client {
    /// Starts; `nonce` is random bytes.
    pub fn new(user: &str, password: &str, nonce: &[u8]) -> Client {
        Client::with_nonce(user, password, BASE64.encode(nonce))
    }

    fn with_nonce(user: &str, password: &str, nonce: String) -> Client {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Client { password: password.into(), first_bare, nonce, signature: None }
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Answers the server's first message with the proof.
    pub fn respond(&mut self, server_first: &str) -> Result<String> {
        let nonce = field(server_first, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(malformed("the server's nonce does not continue ours"));
        }
        let salt = decode(field(server_first, 's')?)?;
        let iterations: u32 = field(server_first, 'i')?.parse().map_err(malformed)?;
        if iterations == 0 || iterations > 10_000_000 {
            return Err(malformed(format!("{iterations} iterations")));
        }
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let salted = salted_password(&self.password, &salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        let stored: Key = Sha256::digest(client_key).into();
        let proof = xor(&client_key, &hmac(&stored, message.as_bytes()));
        self.signature = Some(hmac(&hmac(&salted, b"Server Key"), message.as_bytes()));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Checks that the server knows the verifier: it is not an impostor.
    pub fn verify(&self, server_final: &str) -> Result<()> {
        let got: Key = decode(field(server_final, 'v')?)?
            .try_into()
            .map_err(|_| malformed("wrong length of the server's signature"))?;
        match &self.signature {
            Some(want) if same(want, &got) => Ok(()),
            _ => Err(Error::new(
                SqlState::INVALID_AUTHORIZATION,
                "the server could not prove that it knows the password",
            )),
        }
    }
}

/// The server's side.
#[derive(Debug)]
pub struct Server {
    user: String,
    verifier: Verifier,
    nonce: String,
    first: String,
    client_first_bare: String,
    gs2: String,
}

impl Server {
    /// The user named in a client's first message.
    pub fn user_of(client_first: &str) -> Result<String> {
        Ok(field(client_first, 'n')?.replace("=2C", ",").replace("=3D", "="))
    }

    /// Takes the client's first message; `nonce` is random bytes.
    pub fn new(client_first: &str, verifier: Verifier, nonce: &[u8]) -> Result<Server> {
        Server::with_nonce(client_first, verifier, &BASE64.encode(nonce))
    }

    fn with_nonce(client_first: &str, verifier: Verifier, nonce: &str) -> Result<Server> {
        let at = client_first.match_indices(',').nth(1).ok_or_else(|| malformed("no header"))?.0;
        let (gs2, bare) = client_first.split_at(at + 1);
        if gs2.starts_with('p') {
            return Err(malformed("channel binding was not offered"));
        }
        let nonce = format!("{}{nonce}", field(bare, 'r')?);
        let salt = BASE64.encode(&verifier.salt);
        let first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let user = Server::user_of(bare)?;
        let (client_first_bare, gs2) = (bare.to_string(), gs2.to_string());
        Ok(Server { user, verifier, nonce, first, client_first_bare, gs2 })
    }

    /// The server's first message.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// Who wants to log in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Checks the client's final message and answers with the server's.
    pub fn finish(&self, client_final: &str) -> Result<String> {
        let (without_proof, proof) =
            client_final.rsplit_once(",p=").ok_or_else(|| malformed("no proof"))?;
        let proof: Key =
            decode(proof)?.try_into().map_err(|_| malformed("wrong length of the proof"))?;
        if field(without_proof, 'c')? != BASE64.encode(&self.gs2) {
            return Err(malformed("the header changed"));
        }
        if field(without_proof, 'r')? != self.nonce {
            return Err(malformed("the nonce changed"));
        }
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.first);
        let client_key = xor(&proof, &hmac(&self.verifier.stored_key, message.as_bytes()));
        let stored: Key = Sha256::digest(client_key).into();
        if !same(&stored, &self.verifier.stored_key) {
            return Err(Error::new(
                SqlState::INVALID_PASSWORD,
                format!("password authentication failed for user \"{}\"", self.user),
            ));
        }
        let signature = hmac(&self.verifier.server_key, message.as_bytes());
        Ok(format!("v={}", BASE64.encode(signature)))
    }
}

#[cfg(test)]
mod tests;
