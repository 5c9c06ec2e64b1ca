//! Functions whose value is known once per statement: the time, the user, the database. In plans
//! they stay calls; [`super::bind()`] puts the value in.

use crate::sequence::Draws;
use crate::types::{arrow_type, to_scalar};
use ::arrow::datatypes::DataType;
use base::{SqlType, Timestamp, Value};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::hash::Hash;
use std::sync::Arc;

/// What the functions tell.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Start of the transaction, microseconds since 1970.
    pub now_micros: i64,
    /// The statement's snapshot.
    pub hybrid_time: Timestamp,
    /// The database connected to.
    pub database: String,
    /// The user.
    pub user: String,
    /// The connection's number.
    pub pid: i32,
    /// What the statement draws from sequences, if it does.
    pub sequences: Option<Arc<Draws>>,
}

/// `(name, result type)` of every such function.
const ALL: &[(&str, SqlType)] = &[
    ("now", SqlType::TimestampTz),
    ("current_timestamp", SqlType::TimestampTz),
    ("transaction_timestamp", SqlType::TimestampTz),
    ("statement_timestamp", SqlType::TimestampTz),
    ("clock_timestamp", SqlType::TimestampTz),
    ("localtimestamp", SqlType::Timestamp),
    ("current_date", SqlType::Date),
    ("today", SqlType::Date),
    ("current_time", SqlType::Time),
    ("localtime", SqlType::Time),
    ("hybrid_time", SqlType::BigInt),
    ("cluster_logical_timestamp", SqlType::BigInt),
    ("current_database", SqlType::Text),
    ("current_catalog", SqlType::Text),
    ("current_schema", SqlType::Text),
    ("current_schemas", SqlType::Text),
    ("current_user", SqlType::Text),
    ("current_role", SqlType::Text),
    ("session_user", SqlType::Text),
    ("user", SqlType::Text),
    ("version", SqlType::Text),
    ("pg_backend_pid", SqlType::Int),
    ("inet_server_port", SqlType::Int),
    ("pg_is_in_recovery", SqlType::Bool),
];

const DAY_MICROS: i64 = 86_400_000_000;

/// The value of one of these functions; `None` if the name is not one.
pub fn session_value(name: &str, c: &Circumstances) -> Option<ScalarValue> {
    let (_, ty) = ALL.iter().find(|(n, _)| *n == name)?;
    let text = |s: &str| Value::Text(s.into());
    let value = match name {
        "current_date" | "today" => Value::Date(c.now_micros.div_euclid(DAY_MICROS) as i32),
        "current_time" | "localtime" => Value::Micros(c.now_micros.rem_euclid(DAY_MICROS)),
        "hybrid_time" | "cluster_logical_timestamp" => {
            Value::Int(i64::try_from(c.hybrid_time.0).unwrap_or(i64::MAX))
        }
        "current_database" | "current_catalog" => text(&c.database),
        "current_schema" => text("public"),
        "current_schemas" => text("{pg_catalog,public}"),
        "current_user" | "current_role" | "session_user" | "user" => text(&c.user),
        "version" => text(&version()),
        "pg_backend_pid" => Value::Int(c.pid.into()),
        "inet_server_port" => Value::Null,
        "pg_is_in_recovery" => Value::Bool(false),
        _ => Value::Micros(c.now_micros),
    };
    Some(to_scalar(&value, *ty))
}

/// What `version()` says. It begins as PostgreSQL's because drivers read the number in it.
fn version() -> String {
    format!("PostgreSQL 16.0 (Antipode {})", env!("CARGO_PKG_VERSION"))
}

/// The functions to register.
pub(super) fn all() -> Vec<ScalarUDF> {
    ALL.iter()
        .map(|(name, ty)| {
            ScalarUDF::from(SessionFunction {
                name,
                result: arrow_type(*ty),
                signature: match *name {
                    "current_schemas" => Signature::any(1, Volatility::Stable),
                    _ => Signature::nullary(Volatility::Stable),
                },
            })
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SessionFunction {
    name: &'static str,
    result: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} was not bound before execution", self.name)
    }
}
