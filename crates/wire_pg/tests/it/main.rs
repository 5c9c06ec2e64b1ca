//! A real engine behind a real socket, with tokio-postgres and raw bytes as clients.

#![allow(clippy::disallowed_methods, reason = "a real server in real time")]

mod activity;
mod copy;
mod extended;
mod load;
mod login;
mod raw;
mod roles;
mod scripts;
mod server;
mod simple;
mod transactions;
mod types;
