//! `antipode status`: what there is, what is protected, what lags.

use crate::client::{self, Target};
use crate::start::ADMIN_DATABASE;
use crate::views::{self, Database, Link, Role, Storage, Usage};
use crate::words;
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;
use std::process::ExitCode;

/// A standby that is further behind than this does not count as protection.
const LAG_MS_MAX: u64 = 60_000;

/// Flags of `status`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub struct StatusArgs {
    #[command(flatten)]
    target: Target,
    /// One JSON document instead of tables
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Everything that a node tells.
struct Status {
    cluster: String,
    role: Role,
    databases: Vec<Database>,
    links: Vec<Link>,
    engine: Vec<Usage>,
    storage: Vec<Storage>,
}

/// Runs the command.
pub fn command(args: &StatusArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let status = match runtime {
        Ok(runtime) => runtime.block_on(fetch(&args.target)),
        Err(e) => Err(e.to_string()),
    };
    match status {
        Ok(status) => {
            if args.json {
                println!("{:#}", status.json());
            } else {
                status.print();
            }
            if status.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(e) => {
            eprintln!("antipode: {}:{}: {e}", args.target.host, args.target.port);
            ExitCode::FAILURE
        }
    }
}

async fn fetch(target: &Target) -> Result<Status, String> {
    let tell = |e: tokio_postgres::Error| client::explain(&e);
    let client = target.connect(ADMIN_DATABASE).await.map_err(tell)?;
    let mut databases = views::databases(&client).await.map_err(tell)?;
    databases.retain(|d| d.name != ADMIN_DATABASE);
    let cluster = client::ask(&client, "SHOW cluster_name").await;
    Ok(Status {
        cluster: cluster.ok().and_then(|a| a.single().map(str::to_string)).unwrap_or_default(),
        role: views::role(&client).await.map_err(tell)?,
        databases,
        links: views::links(&client).await.map_err(tell)?,
        engine: views::engine(&client).await.map_err(tell)?,
        storage: views::storage(&client).await.map_err(tell)?,
    })
}

impl Status {
    /// Why a database is not protected: it has no living copy that is nearly up to date elsewhere.
    fn why_unprotected(&self, database: &Database) -> Option<String> {
        let links: Vec<&Link> = self.links.iter().filter(|l| l.database == database.name).collect();
        if links.is_empty() {
            return Some("no standby".into());
        }
        if links.iter().any(|l| is_well(l)) {
            return None;
        }
        let why = links.iter().map(|l| match (&l.error, l.lag_ms) {
            (Some(error), _) => error.clone(),
            (None, Some(ms)) if ms > LAG_MS_MAX => format!("{} s behind", ms / 1000),
            _ => format!("the link is {}", l.state),
        });
        Some(why.collect::<Vec<_>>().join("; "))
    }

    fn unprotected(&self) -> Vec<(String, String)> {
        // Whoever makes a branch has the data elsewhere.
        let each = self.databases.iter().filter(|d| d.branch_of.is_none());
        each.filter_map(|d| Some((d.name.clone(), self.why_unprotected(d)?))).collect()
    }

    /// Everything is protected, and a replica has what its source has.
    fn is_well(&self) -> bool {
        let attached = self.role.role != "replica" || self.role.error.is_none();
        attached && self.unprotected().is_empty()
    }

    /// The role in words, where it is not the usual one.
    fn role_text(&self) -> Option<String> {
        let role = &self.role;
        let source = role.source.as_deref().unwrap_or_default();
        match (role.role.as_str(), role.configured.as_str(), &role.error) {
            ("replica", _, None) => Some(format!("replica of {source}")),
            ("replica", _, Some(error)) => Some(format!("replica of {source}: {error}")),
            (_, "replica", _) => Some(format!("promoted; was a replica of {source}")),
            ("none", ..) => Some("takes no links of other clusters".to_owned()),
            _ => None,
        }
    }

    fn print(&self) {
        if !self.cluster.is_empty() {
            println!("cluster {}", self.cluster);
        }
        if let Some(role) = self.role_text() {
            println!("role: {role}");
        }
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED).set_header([
            "database",
            "role",
            "partitions",
            "size",
            "writes",
            "protected",
        ]);
        for d in &self.databases {
            let protected = match (self.why_unprotected(d), &d.branch_of) {
                (None, _) => "yes".into(),
                (Some(_), Some(of)) => format!("a branch of {of}"),
                (Some(why), None) => format!("NO: {why}"),
            };
            let writes = match &d.gate {
                _ if d.role != "primary" => "no".into(),
                Some(gate) => format!("refused: {gate}"),
                None => "yes".into(),
            };
            let partitions = d.partitions.to_string();
            table.add_row([
                &d.name,
                &d.role,
                &partitions,
                &words::bytes(d.bytes),
                &writes,
                &protected,
            ]);
        }
        println!("{table}");
        if !self.links.is_empty() {
            println!("{}", self.link_table());
        }
    }

    fn link_table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED).set_header([
            "database",
            "here",
            "peer",
            "state",
            "rows behind",
            "bytes",
            "ms",
            "error",
        ]);
        let number = |n: Option<u64>| n.map_or("?".into(), words::count);
        for l in &self.links {
            let here = if l.is_target { "standby" } else { "source" };
            let error = l.error.as_deref().unwrap_or_default();
            let bytes = l.lag_bytes.map_or("?".into(), words::bytes);
            let (rows, ms) = (number(l.lag_rows), number(l.lag_ms));
            table.add_row([&l.database, here, &l.peer, &l.state, &rows, &bytes, &ms, error]);
        }
        table
    }

    fn json(&self) -> serde_json::Value {
        let databases = self.databases.iter().map(|d| {
            let why = self.why_unprotected(d);
            json!({
                "database": d.name, "role": d.role, "partitions": d.partitions, "bytes": d.bytes,
                "readonly_reason": d.gate, "branch_of": d.branch_of, "protected": why.is_none(), "why_unprotected": why,
                "storage": self.storage.iter().find(|s| s.database == d.name).map(storage),
            })
        });
        let links = self.links.iter().map(|l| {
            json!({
                "database": l.database, "role": if l.is_target { "target" } else { "source" },
                "peer": l.peer, "state": l.state, "lag_rows": l.lag_rows,
                "lag_bytes": l.lag_bytes, "lag_ms": l.lag_ms, "shipped_bytes": l.shipped_bytes,
                "error": l.error,
            })
        });
        json!({
            "cluster": self.cluster,
            "protected": self.is_well(),
            "role": self.role.role,
            "configured_role": self.role.configured,
            "role_error": self.role.error.as_ref().filter(|_| self.role.role == "replica"),
            "databases": databases.collect::<Vec<_>>(),
            "links": links.collect::<Vec<_>>(),
            "engine": self.engine.iter().map(usage).collect::<Vec<_>>(),
        })
    }
}

fn usage(u: &Usage) -> serde_json::Value {
    json!({
        "kind": u.kind, "medium": u.medium, "bytes": u.bytes, "limit_bytes": u.limit_bytes,
        "hits": u.hits, "misses": u.misses,
    })
}

fn storage(s: &Storage) -> serde_json::Value {
    json!({
        "delta_bytes": s.delta_bytes, "run_bytes": s.run_bytes, "base_bytes": s.base_bytes,
        "deepest_runs": s.deepest_runs, "write_amplification": s.write_amplification,
        "layers_per_get": s.layers_per_get, "layers_per_scan": s.layers_per_scan,
    })
}

fn is_well(link: &Link) -> bool {
    matches!(link.state.as_str(), "streaming" | "connected")
        && link.error.is_none()
        && link.lag_ms.is_none_or(|ms| ms <= LAG_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(state: &str, lag_ms: Option<u64>) -> Link {
        Link { database: "d".into(), state: state.into(), lag_ms, ..Link::default() }
    }

    fn status(links: Vec<Link>) -> Status {
        let database = Database { name: "d".into(), role: "primary".into(), ..Database::default() };
        Status {
            cluster: "east".into(),
            role: Role { role: "master".into(), configured: "master".into(), ..Role::default() },
            databases: vec![database],
            links,
            engine: vec![Usage { kind: "delta".into(), bytes: Some(3), ..Usage::default() }],
            storage: vec![Storage { database: "d".into(), ..Storage::default() }],
        }
    }

    #[test]
    fn only_a_living_link_protects() {
        let why = |links| status(links).unprotected().pop().map(|(_, why)| why);
        assert_eq!(why(vec![link("streaming", Some(12))]), None);
        assert_eq!(why(vec![]).as_deref(), Some("no standby"));
        assert_eq!(why(vec![link("paused", Some(1))]).as_deref(), Some("the link is paused"));
        assert_eq!(why(vec![link("streaming", Some(90_000))]).as_deref(), Some("90 s behind"));
        let two = vec![link("paused", None), link("streaming", Some(1))];
        assert_eq!(why(two), None);
    }

    #[test]
    fn a_branch_needs_no_standby() {
        let mut status = status(vec![]);
        status.databases[0].branch_of = Some("bank".into());
        assert!(status.unprotected().is_empty());
        assert_eq!(status.json()["databases"][0]["branch_of"], json!("bank"));
    }

    #[test]
    fn a_replica_that_cannot_reach_its_source_is_not_well() {
        let mut status = status(vec![link("streaming", Some(1))]);
        assert!(status.is_well() && status.role_text().is_none());
        let source = Some("east:5432".to_owned());
        status.role = Role { role: "replica".into(), source, ..Role::default() };
        assert!(status.is_well());
        status.role.error = Some("cannot reach the source".into());
        assert!(!status.is_well());
        let told = status.role_text().unwrap();
        assert_eq!(told, "replica of east:5432: cannot reach the source");
        assert_eq!(status.json()["protected"], json!(false));
        (status.role.role, status.role.configured) = ("master".into(), "replica".into());
        assert!(status.is_well(), "promoted");
        assert_eq!(status.role_text().unwrap(), "promoted; was a replica of east:5432");
    }

    #[test]
    fn json_says_whether_all_is_protected() {
        assert_eq!(status(vec![]).json()["protected"], json!(false));
        let json = status(vec![link("streaming", None)]).json();
        assert_eq!(json["protected"], json!(true));
        assert_eq!(json["engine"][0]["bytes"], json!(3));
        assert_eq!(json["databases"][0]["storage"]["layers_per_get"], json!(null));
    }
}
