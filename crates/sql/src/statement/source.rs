//! The address of a replication source: `user[:'password']@host[:port][/database]`.

/// A source as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    /// Bytes taken.
    pub(super) len: usize,
}

/// What was expected at a byte offset and not found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

/// Reads an address from the start of a text.
pub(super) fn read(text: &str) -> Result<Source, Wrong> {
    let mut from = Reader { text, at: 0 };
    let user = from.name("a user name")?;
    let password = if from.eat(':') { Some(from.password()?) } else { None };
    if !from.eat('@') {
        return from.wrong("@host");
    }
    let host = from.host()?;
    let port = if from.eat(':') { Some(from.port()?) } else { None };
    let database = if from.eat('/') { Some(from.name("a database name")?) } else { None };
    Ok(Source { user, password, host, port, database, len: from.at })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T, Wrong> {
        Err(Wrong { at: self.at, expected })
    }

    fn eat(&mut self, sign: char) -> bool {
        let there = self.rest().starts_with(sign);
        if there {
            self.at += sign.len_utf8();
        }
        there
    }

    /// Takes characters as long as they are wanted.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Takes a text in quotes, in which a doubled quote stands for one.
    fn quoted(&mut self) -> Result<Option<String>, Wrong> {
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            return Ok(None);
        };
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| c != quote));
            if !self.eat(quote) {
                return Err(Wrong { at: start, expected: "a closing quote" });
            }
            if !self.eat(quote) {
                return Ok(Some(text));
            }
            text.push(quote);
        }
    }

    fn name(&mut self, expected: &'static str) -> Result<String, Wrong> {
        if let Some(name) = self.quoted()? {
            return if name.is_empty() { self.wrong(expected) } else { Ok(name) };
        }
        match self.take(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-')) {
            "" => self.wrong(expected),
            name => Ok(name.to_lowercase()),
        }
    }

    fn password(&mut self) -> Result<String, Wrong> {
        if let Some(password) = self.quoted()? {
            return Ok(password);
        }
        match self.take(|c| c != '@' && !c.is_whitespace()) {
            "" => self.wrong("a password"),
            password => Ok(password.to_string()),
        }
    }

    fn host(&mut self) -> Result<String, Wrong> {
        if let Some(host) = self.quoted()? {
            return if host.is_empty() { self.wrong("a host") } else { Ok(host) };
        }
        if self.eat('[') {
            let host = self.take(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '%'));
            if host.is_empty() || !self.eat(']') {
                return self.wrong("an IPv6 address in brackets");
            }
            return Ok(host.to_string());
        }
        match self.take(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            "" => self.wrong("a host"),
            host => Ok(host.to_string()),
        }
    }

    fn port(&mut self) -> Result<u16, Wrong> {
        let start = self.at;
        match self.take(|c| c.is_ascii_digit()).parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Wrong { at: start, expected: "a port from 1 to 65535" }),
        }
    }
}
