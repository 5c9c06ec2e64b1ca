//! A session's settings: `SET`, `SHOW`, `RESET`, and what happens to them when a transaction ends.
//!
//! ```text
//!  built in ─▶ cluster ─▶ database ─▶ role ─▶ role in database      what others have said
//!      ─▶ startup parameters ─▶ SET ─▶ SET LOCAL                    later ones win
//!                                │         └─ gone when the transaction ends
//!                                └─ undone when the transaction rolls back
//! ```
//!
//! Settings that an application expects to exist but that have nothing to act on here are accepted
//! and remembered (`work_mem`, `jit` …). Those whose value would change what an answer looks like
//! take only the values that are really served (`client_encoding`, `DateStyle` …).

mod table;
mod value;

use crate::command::IsolationLevel;
use crate::cover::CommitWait;
use base::{Error, Result, SqlState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use table::{Definition, Kind};
pub(crate) use value::is_utc;

/// Version of PostgreSQL whose protocol and catalog are spoken. Clients read the number in front
/// and choose their catalog queries by it.
pub const SERVER_VERSION: &str = concat!("16.0 (Antipode ", env!("CARGO_PKG_VERSION"), ")");

/// Values by canonical name; absent is the default.
type Values = Arc<BTreeMap<String, String>>;

/// The settings that the session itself obeys, read once per change.
#[derive(Clone, Debug)]
pub(crate) struct Obeyed {
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) idle_in_transaction_timeout: Option<Duration>,
    pub(crate) isolation: IsolationLevel,
    pub(crate) read_only: bool,
    pub(crate) commit_wait: CommitWait,
}

/// A point to come back to.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    values: Values,
    lasting: Values,
}

/// One session's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What `RESET` goes back to: the startup parameters.
    startup: Values,
    /// In force.
    values: Values,
    /// What stays in force after the transaction commits.
    lasting: Values,
    obeyed: Obeyed,
    changed: bool,
}

impl Settings {
    /// The settings of a session opened with these startup parameters, on top of what its role and
    /// database begin with.
    pub(crate) fn new(
        defaults: &BTreeMap<String, String>,
        startup: &BTreeMap<String, String>,
    ) -> Result<Settings> {
        let mut settings = Settings {
            startup: Values::default(),
            values: Values::default(),
            lasting: Values::default(),
            obeyed: obeyed(&BTreeMap::new()),
            changed: true,
        };
        for (name, value) in defaults {
            // It was right when it was set; a session is not refused because it is not any more.
            if let Err(error) = settings.set(name, Some(value), false) {
                tracing::warn!(name, value, %error, "a default of sessions");
            }
        }
        for (name, value) in startup {
            settings.set(name, Some(value), false)?;
        }
        settings.startup = settings.values.clone();
        Ok(settings)
    }

    /// What the session itself obeys.
    pub(crate) fn obeyed(&self) -> &Obeyed {
        &self.obeyed
    }

    /// True once after each change.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// `SET [LOCAL] name = value`; no value is `DEFAULT`.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let key = canonical(name)?;
        let value = match (value, table::find(&key)) {
            (Some(value), Some(definition)) => Some(value::check(definition, value)?),
            (Some(value), None) => Some(value.to_string()),
            (None, Some(Definition { name, kind: Kind::Fixed | Kind::Live, .. })) => {
                return Err(value::fixed(name));
            }
            (None, _) => self.startup.get(&key).cloned(),
        };
        put(&mut self.values, &key, value.clone());
        if !local {
            put(&mut self.lasting, &key, value);
        }
        self.refresh();
        Ok(())
    }

    /// `RESET ALL`
    pub(crate) fn reset_all(&mut self) {
        self.values = self.startup.clone();
        self.lasting = self.startup.clone();
        self.refresh();
    }

    /// The value of a setting, as `SHOW` prints it. Settings marked live in the table are answered
    /// by the session.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        let key = canonical(name)?;
        if let Some(value) = self.values.get(&key) {
            return Ok(value.clone());
        }
        match table::find(&key) {
            Some(definition) => Ok(definition.default.to_string()),
            None => Err(unknown(name)),
        }
    }

    /// Where a transaction or savepoint began.
    pub(crate) fn mark(&self) -> Mark {
        Mark { values: self.values.clone(), lasting: self.lasting.clone() }
    }

    /// Back to a mark: the transaction or savepoint was rolled back.
    pub(crate) fn back_to(&mut self, mark: &Mark) {
        if Arc::ptr_eq(&self.values, &mark.values) && Arc::ptr_eq(&self.lasting, &mark.lasting) {
            return;
        }
        self.values = mark.values.clone();
        self.lasting = mark.lasting.clone();
        self.refresh();
    }

    /// The transaction is over: what was `LOCAL` goes.
    pub(crate) fn end_transaction(&mut self) {
        if !Arc::ptr_eq(&self.values, &self.lasting) && self.values != self.lasting {
            self.values = self.lasting.clone();
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        self.changed = true;
        if self.values == self.lasting {
            // One and the same, so that the end of a transaction need not compare them.
            self.lasting = self.values.clone();
        }
        self.obeyed = obeyed(&self.values);
    }
}

/// The name of a setting and a value for it, in the form in which they are kept as a default of
/// sessions.
pub(crate) fn check(name: &str, value: Option<&str>) -> Result<(String, Option<String>)> {
    let key = canonical(name)?;
    match (table::find(&key), value) {
        (Some(Definition { name, kind: Kind::Fixed | Kind::Live, .. }), _) => {
            Err(value::fixed(name))
        }
        (Some(definition), Some(value)) => {
            let value = value::check(definition, value)?;
            Ok((key, Some(value)))
        }
        (_, value) => Ok((key, value.map(str::to_owned))),
    }
}

/// A setting's value where nobody has said anything.
pub(crate) fn built_in(name: &str) -> String {
    table::find(name).map_or_else(String::new, |d| d.default.to_owned())
}

/// `(name, description)` of all settings, for `SHOW ALL`.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::ALL.iter().map(|d| (d.name, d.about))
}

/// Names of the settings a client is told about at startup and after each change.
pub(crate) fn reported() -> impl Iterator<Item = &'static str> {
    table::ALL.iter().filter(|d| d.report).map(|d| d.name)
}

/// The name as the table has it; names with a dot may be anyone's.
pub(crate) fn canonical(name: &str) -> Result<String> {
    if let Some(definition) = table::find(name) {
        return Ok(definition.name.to_string());
    }
    if name.contains('.') {
        return Ok(name.to_ascii_lowercase());
    }
    Err(unknown(name))
}

fn unknown(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

fn put(values: &mut Values, key: &str, value: Option<String>) {
    if values.get(key) == value.as_ref() {
        return;
    }
    let map = Arc::make_mut(values);
    match value {
        Some(value) => map.insert(key.to_string(), value),
        None => map.remove(key),
    };
}

fn obeyed(values: &BTreeMap<String, String>) -> Obeyed {
    let get = |name: &str| {
        let default = table::find(name).map_or("", |d| d.default);
        values.get(name).map_or(default, String::as_str)
    };
    let duration = |name: &str| match value::millis(get(name)) {
        Some(0) | None => None,
        Some(ms) => Some(Duration::from_millis(ms)),
    };
    Obeyed {
        statement_timeout: duration("statement_timeout"),
        lock_timeout: duration("lock_timeout"),
        idle_timeout: duration("idle_session_timeout"),
        idle_in_transaction_timeout: duration("idle_in_transaction_session_timeout"),
        isolation: IsolationLevel::parse(get("default_transaction_isolation"))
            .unwrap_or(IsolationLevel::ReadCommitted),
        read_only: get("default_transaction_read_only") == "on",
        commit_wait: match get("commit_wait") {
            "remote" => CommitWait::Remote(duration("commit_wait_timeout")),
            _ => CommitWait::Local,
        },
    }
}

#[cfg(test)]
mod tests;
