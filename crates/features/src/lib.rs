//! No code: one set of dependency features for every selection of this workspace's packages.
//!
//! Cargo unifies features over the packages it is asked to build. `cargo test -p antipode-sql` and
//! `cargo test --workspace` would otherwise ask small crates far below DataFusion (`bitflags`,
//! `chrono`, `rustix` …) for different features, and DataFusion, which takes minutes, would be
//! compiled once for each selection. The `sql` room depends on this crate, so every selection that
//! has DataFusion in it has these features too.
//!
//! To see whether a feature is missing here, compare
//! `cargo tree -e normal,build,dev --prefix none -f '{p}|{f}' -p antipode-sql` with the same of
//! `--workspace`: no line of the first may be absent from the second.
