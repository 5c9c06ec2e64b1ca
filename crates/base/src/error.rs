//! The error every room hands up: what happened, what it means for the user's data, what to do.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the change the user asked for happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did not happen and never will.
    NotApplied,
    /// It may or may not have happened: look before trying again.
    Unknown,
}

/// A SQLSTATE of five characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl SqlState {
            $($(#[$doc])* pub const $name: SqlState = SqlState($code);)*
        }
    };
}

states! {
    /// No error: the code of notices.
    SUCCESSFUL_COMPLETION = "00000";
    /// It happened, but not as well as was asked for: the code of warnings.
    WARNING = "01000";
    /// Connection broke off.
    CONNECTION_FAILURE = "08006";
    /// A client spoke the protocol wrongly.
    PROTOCOL_VIOLATION = "08P01";
    /// The outcome of a commit is not known.
    TRANSACTION_RESOLUTION_UNKNOWN = "08007";
    /// A statement or feature that is not supported (yet).
    FEATURE_NOT_SUPPORTED = "0A000";
    /// More than one row from a scalar subquery.
    CARDINALITY_VIOLATION = "21000";
    /// Text longer than its column.
    STRING_DATA_RIGHT_TRUNCATION = "22001";
    /// Number outside its type's range.
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    /// Not a date or time.
    INVALID_DATETIME_FORMAT = "22007";
    /// A sequence has no more values.
    SEQUENCE_GENERATOR_LIMIT_EXCEEDED = "2200H";
    /// Division by zero.
    DIVISION_BY_ZERO = "22012";
    /// Parameter has a value that is not allowed.
    INVALID_PARAMETER_VALUE = "22023";
    /// Text that does not read as the wanted type.
    INVALID_TEXT_REPRESENTATION = "22P02";
    /// A line of COPY data that does not fit the table.
    BAD_COPY_FILE_FORMAT = "22P04";
    /// Text that is not valid UTF-8.
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    /// NULL in a NOT NULL column.
    NOT_NULL_VIOLATION = "23502";
    /// A primary key exists already, or other values that are to be unique.
    UNIQUE_VIOLATION = "23505";
    /// Cursor or portal in the wrong state.
    INVALID_CURSOR_STATE = "24000";
    /// BEGIN inside a transaction.
    ACTIVE_SQL_TRANSACTION = "25001";
    /// Write to something read-only: gate, standby, read-only transaction.
    READ_ONLY_SQL_TRANSACTION = "25006";
    /// COMMIT outside a transaction.
    NO_ACTIVE_SQL_TRANSACTION = "25P01";
    /// Statement in a transaction that has failed already.
    IN_FAILED_SQL_TRANSACTION = "25P02";
    /// No such prepared statement.
    INVALID_SQL_STATEMENT_NAME = "26000";
    /// User or password wrong.
    INVALID_PASSWORD = "28P01";
    /// This user may not connect.
    INVALID_AUTHORIZATION = "28000";
    /// No such portal.
    INVALID_CURSOR_NAME = "34000";
    /// No such database.
    INVALID_CATALOG_NAME = "3D000";
    /// No such schema.
    INVALID_SCHEMA_NAME = "3F000";
    /// No such savepoint.
    INVALID_SAVEPOINT = "3B001";
    /// A grant that cannot be.
    INVALID_GRANT_OPERATION = "0LP01";
    /// Other objects depend on it.
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
    /// Serialization failure: retry the transaction.
    SERIALIZATION_FAILURE = "40001";
    /// Deadlock: retry the transaction.
    DEADLOCK_DETECTED = "40P01";
    /// Syntax error.
    SYNTAX_ERROR = "42601";
    /// This user may not do that.
    INSUFFICIENT_PRIVILEGE = "42501";
    /// A value for a column that is always generated.
    GENERATED_ALWAYS = "428C9";
    /// The object is not of the wanted kind.
    WRONG_OBJECT_TYPE = "42809";
    /// Types do not match.
    DATATYPE_MISMATCH = "42804";
    /// No such column.
    UNDEFINED_COLUMN = "42703";
    /// No such function.
    UNDEFINED_FUNCTION = "42883";
    /// No such table.
    UNDEFINED_TABLE = "42P01";
    /// No such parameter.
    UNDEFINED_PARAMETER = "42P02";
    /// No such setting or object.
    UNDEFINED_OBJECT = "42704";
    /// Column named twice.
    DUPLICATE_COLUMN = "42701";
    /// Database exists already.
    DUPLICATE_DATABASE = "42P04";
    /// Prepared statement exists already.
    DUPLICATE_PREPARED_STATEMENT = "42P05";
    /// Table exists already.
    DUPLICATE_TABLE = "42P07";
    /// Object exists already.
    DUPLICATE_OBJECT = "42710";
    /// A name that belongs to the system.
    RESERVED_NAME = "42939";
    /// Name that could mean two things.
    AMBIGUOUS_COLUMN = "42702";
    /// A grouping error.
    GROUPING_ERROR = "42803";
    /// Columns that no constraint is about.
    INVALID_COLUMN_REFERENCE = "42P10";
    /// A table definition that makes no sense.
    INVALID_TABLE_DEFINITION = "42P16";
    /// Disk full.
    DISK_FULL = "53100";
    /// Memory limit reached.
    OUT_OF_MEMORY = "53200";
    /// Too many clients.
    TOO_MANY_CONNECTIONS = "53300";
    /// A limit of the program is exceeded.
    PROGRAM_LIMIT_EXCEEDED = "54000";
    /// The object is in a state that does not allow this.
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
    /// The object is in use.
    OBJECT_IN_USE = "55006";
    /// A lock is not to be had (NOWAIT or time-out).
    LOCK_NOT_AVAILABLE = "55P03";
    /// Cancelled by the user or a time-out.
    QUERY_CANCELED = "57014";
    /// The server is going down.
    ADMIN_SHUTDOWN = "57P01";
    /// The server or database cannot be used now.
    CANNOT_CONNECT_NOW = "57P03";
    /// A time whose row versions are no longer kept.
    SNAPSHOT_TOO_OLD = "72000";
    /// Reading or writing a file failed.
    IO_ERROR = "58030";
    /// A bug in Antipode.
    INTERNAL_ERROR = "XX000";
    /// Corrupt data on disk or wire.
    DATA_CORRUPTED = "XX001";
}

/// An error in PostgreSQL's shape (message, detail, hint, position) plus its [`Outcome`]. As small as
/// a pointer, because every result that may be one has room for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.report.message)]
pub struct Error {
    report: Box<Report>,
}

/// What an [`Error`] says.
#[derive(Clone, Debug)]
pub struct Report {
    /// What kind of error, for programs.
    pub state: SqlState,
    /// What happened, one line, no full stop.
    pub message: String,
    /// More about it, if there is more.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// 1-based character position in the statement.
    pub position: Option<usize>,
    /// Whether the change happened.
    pub outcome: Outcome,
}

impl Deref for Error {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.report
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Report {
        &mut self.report
    }
}

impl Error {
    /// An error whose change did not happen.
    #[cold]
    pub fn new(state: SqlState, message: impl Into<String>) -> Error {
        let report = Report {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            outcome: Outcome::NotApplied,
        };
        Error { report: Box::new(report) }
    }

    /// What it says, taken out of it.
    pub fn into_report(self) -> Report {
        *self.report
    }

    /// A clear refusal of something that is not supported yet.
    pub fn unsupported(what: impl fmt::Display) -> Error {
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported yet"))
    }

    /// A bug in Antipode.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(SqlState::INTERNAL_ERROR, message)
            .hint("this is a bug in Antipode; please report it with the statement and the log")
    }

    /// Bytes on disk or wire that are not what was written.
    pub fn corrupt(message: impl Into<String>) -> Error {
        Error::new(SqlState::DATA_CORRUPTED, message)
    }

    /// A file or socket operation that failed, with what was being done.
    pub fn io(what: impl fmt::Display, e: &std::io::Error) -> Error {
        let state = if e.kind() == std::io::ErrorKind::StorageFull {
            SqlState::DISK_FULL
        } else {
            SqlState::IO_ERROR
        };
        Error::new(state, format!("{what}: {e}"))
    }

    /// Adds a detail line.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a hint line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the 1-based character position in the statement.
    #[must_use]
    pub fn at(mut self, position: usize) -> Error {
        self.position = Some(position);
        self
    }

    /// Marks the outcome as unknown: it may have happened.
    #[must_use]
    pub fn outcome_unknown(mut self) -> Error {
        self.outcome = Outcome::Unknown;
        self
    }

    /// True if running the whole transaction again may succeed.
    pub fn retry(&self) -> bool {
        matches!(self.state, SqlState::SERIALIZATION_FAILURE | SqlState::DEADLOCK_DETECTED)
    }
}
