//! The list of settings.

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Any text; remembered, and nothing else.
    Any,
    /// Cannot be changed.
    Fixed,
    /// Cannot be changed by `SET`; the session knows the value of the moment.
    Live,
    Bool,
    Int(i64, i64),
    Millis,
    OneOf(&'static [&'static str]),
    Encoding,
    DateStyle,
    Zone,
    Isolation,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) kind: Kind,
    /// Clients are told its value (`ParameterStatus`).
    pub(super) report: bool,
    pub(super) about: &'static str,
}

/// Finds a setting, whatever the case of the letters.
pub(super) fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|d| d.name.eq_ignore_ascii_case(name))
}

const fn one(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    about: &'static str,
) -> Definition {
    Definition { name, default, kind, report: false, about }
}

const fn told(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    about: &'static str,
) -> Definition {
    Definition { name, default, kind, report: true, about }
}

use Kind::*;

const NO_EFFECT: &str = "Accepted for compatibility; has no effect.";
const ON_OFF_LOCAL: &[&str] =
    &["on", "off", "local", "remote_write", "remote_apply", "true", "false"];
const LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning",
    "error",
];

/// All settings, in the order of `SHOW ALL`.
pub(super) const ALL: &[Definition] = &[
    told("antipode.promotion_epoch", "0", Live, "Epoch of this database's writer."),
    told("application_name", "", Any, "Name of the application, for activity views."),
    one("bytea_output", "hex", OneOf(&["hex"]), "How bytea is written."),
    one("check_function_bodies", "on", Bool, NO_EFFECT),
    told("client_encoding", "UTF8", Encoding, "Encoding of the client; only UTF8."),
    one("client_min_messages", "notice", OneOf(LEVELS), NO_EFFECT),
    one(
        "commit_wait",
        "local",
        OneOf(&["local", "remote"]),
        "Whether COMMIT waits until a standby in another region has it.",
    ),
    one("commit_wait_timeout", "10s", Millis, "Longest such wait; then a warning. 0: no limit."),
    one("cursor_tuple_fraction", "0.1", Any, NO_EFFECT),
    told("DateStyle", "ISO, MDY", DateStyle, "How dates are written; only ISO."),
    one("deadlock_timeout", "1s", Millis, NO_EFFECT),
    one("default_statistics_target", "100", Int(1, 10_000), NO_EFFECT),
    one("default_table_access_method", "heap", Any, NO_EFFECT),
    one("default_tablespace", "", Any, NO_EFFECT),
    one("default_transaction_deferrable", "off", Bool, NO_EFFECT),
    one(
        "default_transaction_isolation",
        "read committed",
        Isolation,
        "Isolation of new transactions.",
    ),
    told("default_transaction_read_only", "off", Bool, "New transactions write nothing."),
    one("default_with_oids", "off", Fixed, NO_EFFECT),
    one("effective_cache_size", "4GB", Any, NO_EFFECT),
    one("enable_hashjoin", "on", Bool, NO_EFFECT),
    one("enable_indexscan", "on", Bool, NO_EFFECT),
    one("enable_mergejoin", "on", Bool, NO_EFFECT),
    one("enable_nestloop", "on", Bool, NO_EFFECT),
    one("enable_seqscan", "on", Bool, NO_EFFECT),
    one("escape_string_warning", "on", Bool, NO_EFFECT),
    one("extra_float_digits", "1", Int(-15, 3), "Accepted; floats are written exactly."),
    one(
        "idle_in_transaction_session_timeout",
        "0",
        Millis,
        "Ends a session whose open transaction waits longer for its client.",
    ),
    one("idle_session_timeout", "0", Millis, "Ends a session that is idle longer."),
    told("in_hot_standby", "off", Live, "This database is a standby."),
    told("integer_datetimes", "on", Fixed, "Dates and times are integers in binary format."),
    told("IntervalStyle", "postgres", OneOf(&["postgres"]), "How intervals are written."),
    told("is_superuser", "on", Live, "The user may do everything."),
    one("jit", "off", Bool, NO_EFFECT),
    one("lc_collate", "C", Fixed, "Order of text: by code point."),
    one("lc_ctype", "C.UTF-8", Fixed, "Character classes."),
    one("lc_messages", "C", Any, NO_EFFECT),
    one("lc_monetary", "C", Any, NO_EFFECT),
    one("lc_numeric", "C", Any, NO_EFFECT),
    one("lc_time", "C", Any, NO_EFFECT),
    one("lock_timeout", "0", Millis, "Longest wait for a lock."),
    one("log_statement", "none", Any, NO_EFFECT),
    one("maintenance_work_mem", "64MB", Any, NO_EFFECT),
    one("max_identifier_length", "63", Fixed, "Longest name, in bytes."),
    one("max_index_keys", "32", Fixed, "Most columns in a key."),
    one("max_parallel_workers_per_gather", "0", Any, NO_EFFECT),
    one("password_encryption", "scram-sha-256", OneOf(&["scram-sha-256"]), "How passwords rest."),
    one("plan_cache_mode", "auto", Any, NO_EFFECT),
    one("promotion_epoch", "0", Live, "Same as antipode.promotion_epoch."),
    one("random_page_cost", "4", Any, NO_EFFECT),
    one("role", "none", OneOf(&["none"]), NO_EFFECT),
    one("row_security", "on", Bool, NO_EFFECT),
    one("search_path", "\"$user\", public", Any, "Schemas to look for names in."),
    one("seq_page_cost", "1", Any, NO_EFFECT),
    told("server_encoding", "UTF8", Fixed, "Encoding of the database."),
    told("server_version", super::SERVER_VERSION, Fixed, "Version of PostgreSQL that is spoken."),
    one("server_version_num", "160000", Fixed, "The same as a number."),
    told("session_authorization", "", Live, "The user of this session."),
    one("session_replication_role", "origin", OneOf(&["origin"]), NO_EFFECT),
    told("standard_conforming_strings", "on", Fixed, "Backslashes in '…' are plain characters."),
    one("statement_timeout", "0", Millis, "Longest time a statement may take."),
    one("synchronize_seqscans", "on", Bool, NO_EFFECT),
    one("synchronous_commit", "on", OneOf(ON_OFF_LOCAL), "Accepted; the database's level holds."),
    one("temp_buffers", "8MB", Any, NO_EFFECT),
    told("TimeZone", "UTC", Zone, "Zone in which timestamptz is read and written; only UTC."),
    one("transaction_deferrable", "off", Live, NO_EFFECT),
    one("transaction_isolation", "read committed", Live, "Isolation of this transaction."),
    one("transaction_read_only", "off", Live, "This transaction writes nothing."),
    one("transaction_timeout", "0", Millis, NO_EFFECT),
    one("vacuum_cost_delay", "0", Any, NO_EFFECT),
    one("work_mem", "4MB", Any, NO_EFFECT),
    one("xmloption", "content", OneOf(&["content", "document"]), NO_EFFECT),
];
