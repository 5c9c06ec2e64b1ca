//! What others can see of a session: `pg_stat_activity`.

use crate::block::Status;
use parking_lot::Mutex;
use sql::system::SessionFact;
use std::net::IpAddr;
use std::sync::Arc;

/// One session, seen from outside.
#[derive(Debug)]
pub(crate) struct Seen {
    fixed: SessionFact,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    application: String,
    state: &'static str,
    query: Arc<str>,
}

impl Seen {
    /// A session that has just begun.
    pub(crate) fn new(
        pid: i32,
        (user, database): (&str, &str),
        client: Option<IpAddr>,
        since_ms: u64,
    ) -> Seen {
        let fixed = SessionFact {
            pid,
            database: database.to_owned(),
            user: user.to_owned(),
            client: client.map(|ip| ip.to_string()).unwrap_or_default(),
            since_ms,
            ..SessionFact::default()
        };
        let now = Now { application: String::new(), state: "idle", query: "".into() };
        Seen { fixed, now: Mutex::new(now) }
    }

    /// It runs a statement.
    pub(crate) fn begins(&self, query: Arc<str>) {
        let mut now = self.now.lock();
        (now.state, now.query) = ("active", query);
    }

    /// It waits for its client.
    pub(crate) fn rests(&self, status: Status) {
        self.now.lock().state = match status {
            Status::Idle => "idle",
            Status::InTransaction => "idle in transaction",
            Status::Failed => "idle in transaction (aborted)",
        };
    }

    /// What the client calls itself.
    pub(crate) fn is_called(&self, application: &str) {
        application.clone_into(&mut self.now.lock().application);
    }

    /// All of it, without passwords.
    pub(crate) fn fact(&self) -> SessionFact {
        let now = self.now.lock();
        let (application, state) = (now.application.clone(), now.state.to_owned());
        let query = now.query.clone();
        drop(now);
        SessionFact { application, state, query: shown(&query), ..self.fixed.clone() }
    }
}

/// A statement as others may see it. What cannot be read may hold a password in the wrong place.
fn shown(query: &str) -> String {
    match sql::statement::parse(query) {
        Ok(all) => all.iter().map(|one| one.shown()).collect::<Vec<_>>().join("; "),
        Err(_) if may_be_secret(query) => "<hidden>".to_owned(),
        Err(_) => query.to_owned(),
    }
}

fn may_be_secret(query: &str) -> bool {
    let query = query.to_ascii_lowercase();
    ["password", "identified", "replicate", "remote"].iter().any(|word| query.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_not_even_where_they_do_not_belong() {
        assert_eq!(shown("SELECT 1"), "SELECT 1");
        assert_eq!(shown("CREATE USER u PASSWORD 'secret'"), "CREATE USER <hidden>");
        assert_eq!(shown("CREATE USER u PASSWORD = 'secret' !"), "<hidden>");
        assert_eq!(shown("SELEC 1"), "SELEC 1");
        assert!(!shown("REPLICATE DATABASE d FROM u:'secret'@h").contains("secret"));
    }

    #[test]
    fn a_session_is_active_until_it_waits_for_its_client() {
        let seen = Seen::new(7, ("ann", "d"), None, 5);
        seen.is_called("psql");
        seen.begins("BEGIN".into());
        let fact = seen.fact();
        assert_eq!((fact.pid, fact.state.as_str(), fact.query.as_str()), (7, "active", "BEGIN"));
        assert_eq!(fact.application, "psql");
        seen.rests(Status::InTransaction);
        assert_eq!(seen.fact().state, "idle in transaction");
        assert_eq!(seen.fact().query, "BEGIN", "the last one stays");
    }
}
