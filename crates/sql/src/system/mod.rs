//! System views.
