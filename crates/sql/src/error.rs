//! DataFusion's and Arrow's errors in PostgreSQL's words.

use ::arrow::error::ArrowError;
use base::{Error, SqlState};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// Wraps one of our errors so that it passes through DataFusion unharmed.
pub fn wrap(e: Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

/// What a user is told about a DataFusion error.
pub fn datafusion(e: DataFusionError) -> Error {
    match e {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::internal(other.to_string()),
        },
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(e) => datafusion(e),
            Err(shared) => borrowed(&shared),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            datafusion(*inner)
        }
        DataFusionError::Collection(mut all) if !all.is_empty() => datafusion(all.swap_remove(0)),
        DataFusionError::ArrowError(inner, _) => arrow(&inner),
        DataFusionError::SchemaError(inner, _) => schema(&inner),
        other => borrowed(&other),
    }
}

fn borrowed(e: &DataFusionError) -> Error {
    match e {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(inner.to_string()),
        },
        DataFusionError::Shared(inner) => borrowed(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            borrowed(inner)
        }
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::Plan(message) => plan(message),
        DataFusionError::NotImplemented(message) => {
            Error::new(SqlState::FEATURE_NOT_SUPPORTED, tidy(message))
        }
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(SqlState::OUT_OF_MEMORY, format!("out of query memory: {}", tidy(message)))
                .hint("raise the query memory setting or make the query smaller")
        }
        DataFusionError::Execution(message) => execution(message),
        DataFusionError::SQL(inner, _) => Error::new(SqlState::SYNTAX_ERROR, inner.to_string()),
        other => by_words(&other.strip_backtrace())
            .unwrap_or_else(|| Error::internal(tidy(&other.strip_backtrace()))),
    }
}

/// What a user is told about an Arrow error.
pub fn arrow(e: &ArrowError) -> Error {
    match e {
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => {
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
                .detail(tidy(message))
        }
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => borrowed(inner),
            None => match inner.downcast_ref::<Error>() {
                Some(ours) => ours.clone(),
                None => Error::internal(inner.to_string()),
            },
        },
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::InvalidArgumentError(message) => execution(message),
        other => Error::internal(other.to_string()),
    }
}

fn schema(e: &SchemaError) -> Error {
    match e {
        SchemaError::FieldNotFound { field, .. } => {
            let name = field.flat_name().replace('"', "");
            if let Some((table, _)) = name.rsplit_once('.')
                && let SchemaError::FieldNotFound { valid_fields, .. } = e
                && !valid_fields
                    .iter()
                    .any(|c| c.relation.as_ref().is_some_and(|r| r.table() == table))
                && !valid_fields.is_empty()
            {
                return Error::new(
                    SqlState::UNDEFINED_TABLE,
                    format!("missing FROM-clause entry for table \"{table}\""),
                );
            }
            Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
        }
        SchemaError::AmbiguousReference { field } => {
            let name = field.name();
            Error::new(
                SqlState::AMBIGUOUS_COLUMN,
                format!("column reference \"{name}\" is ambiguous"),
            )
        }
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ),
        other => Error::new(SqlState::SYNTAX_ERROR, tidy(&other.to_string())),
    }
}

fn plan(message: &str) -> Error {
    let message = tidy(message);
    if let Some(found) = by_words(&message) {
        return found;
    }
    let state = if message.contains("GROUP BY") || message.contains("aggregate") {
        SqlState::GROUPING_ERROR
    } else if message.contains("coerce")
        || message.contains("Cannot infer common")
        || message.contains("type")
    {
        SqlState::DATATYPE_MISMATCH
    } else {
        SqlState::SYNTAX_ERROR
    };
    Error::new(state, message)
}

fn execution(message: &str) -> Error {
    let message = tidy(message);
    by_words(&message).unwrap_or_else(|| Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

/// Finds the SQLSTATE by the words of messages that carry no kind of their own.
fn by_words(message: &str) -> Option<Error> {
    let lower = message.to_ascii_lowercase();
    let has = |s: &str| lower.contains(s);
    let state = if has("invalid function") || has("no function matches") {
        return Some(undefined_function(message));
    } else if has("divide by zero") || has("division by zero") {
        return Some(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
    } else if has("overflow")
        || has("out of range")
        || has("can't cast value")
        || has("too large to store")
    {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if has("cannot cast string") || has("cannot cast value") {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else if has("invalid input syntax for type")
        || has("error parsing timestamp")
        || has("cannot parse") && (has("date") || has("time"))
    {
        SqlState::INVALID_DATETIME_FORMAT
    } else if has("more than one row") {
        return Some(Error::new(
            SqlState::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        ));
    } else if has("not found") && has("table") {
        SqlState::UNDEFINED_TABLE
    } else if has("placeholder") && has("type") {
        return Some(
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "could not determine data type of a parameter",
            )
            .hint("write a cast, as in $1::int"),
        );
    } else {
        return None;
    };
    Some(Error::new(state, message))
}

fn undefined_function(message: &str) -> Error {
    let name = message.split('\'').nth(1).unwrap_or("");
    if name.is_empty() {
        Error::new(SqlState::UNDEFINED_FUNCTION, message)
    } else {
        let name = name.split('(').next().unwrap_or(name);
        Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function {name} does not exist, or not with these arguments"),
        )
        .detail(message)
    }
}

/// Drops the prefixes that name DataFusion's layers.
fn tidy(message: &str) -> String {
    let mut m = message.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "Compute error: ",
        "Optimizer rule ",
    ] {
        m = m.strip_prefix(prefix).unwrap_or(m);
    }
    m.lines().next().unwrap_or(m).to_owned()
}
