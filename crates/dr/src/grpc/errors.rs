//! Errors over gRPC: the SQLSTATE, detail and hint travel as the status' details.

use base::{Error, Outcome, SqlState};
use prost::Message;
use tonic::{Code, Status};

#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(string, tag = "1")]
    state: String,
    #[prost(string, optional, tag = "2")]
    detail: Option<String>,
    #[prost(string, optional, tag = "3")]
    hint: Option<String>,
    #[prost(bool, tag = "4")]
    unknown: bool,
}

/// What a source can answer with; anything else arrives as [`SqlState::INTERNAL_ERROR`].
const STATES: [SqlState; 18] = [
    SqlState::CONNECTION_FAILURE,
    SqlState::PROTOCOL_VIOLATION,
    SqlState::FEATURE_NOT_SUPPORTED,
    SqlState::INVALID_PARAMETER_VALUE,
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::INVALID_PASSWORD,
    SqlState::INVALID_AUTHORIZATION,
    SqlState::INVALID_CATALOG_NAME,
    SqlState::INSUFFICIENT_PRIVILEGE,
    SqlState::UNDEFINED_OBJECT,
    SqlState::DUPLICATE_DATABASE,
    SqlState::OBJECT_IN_USE,
    SqlState::TRANSACTION_RESOLUTION_UNKNOWN,
    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
    SqlState::DISK_FULL,
    SqlState::ADMIN_SHUTDOWN,
    SqlState::IO_ERROR,
    SqlState::DATA_CORRUPTED,
];

/// An error as a status.
pub(super) fn status(e: Error) -> Status {
    let e = e.into_report();
    let code = match e.state {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION => Code::Unauthenticated,
        SqlState::INVALID_CATALOG_NAME => Code::NotFound,
        _ => Code::FailedPrecondition,
    };
    let details = Details {
        state: e.state.0.to_owned(),
        detail: e.detail,
        hint: e.hint,
        unknown: e.outcome == Outcome::Unknown,
    };
    Status::with_details(code, e.message, details.encode_to_vec().into())
}

/// A status as an error; one without details comes from the network.
pub(super) fn error(status: &Status) -> Error {
    let sent = Details::decode(status.details()).ok().filter(|d| !d.state.is_empty());
    let Some(sent) = sent else {
        if status.code() == Code::Unimplemented {
            return Error::unsupported("this by a source of an earlier version");
        }
        let message = format!("the link broke: {}", status.message());
        return Error::new(SqlState::CONNECTION_FAILURE, message);
    };
    let state = STATES.into_iter().find(|s| s.0 == sent.state);
    let mut e = Error::new(state.unwrap_or(SqlState::INTERNAL_ERROR), status.message());
    (e.detail, e.hint) = (sent.detail, sent.hint);
    if sent.unknown { e.outcome_unknown() } else { e }
}
