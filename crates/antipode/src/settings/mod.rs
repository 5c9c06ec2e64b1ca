//! What a node is told: flags, environment variables and a TOML file give the same settings.
//!
//! ```text
//!  --cluster-id 1          ┐ first
//!  ANTIPODE_CLUSTER_ID=1   │ second   ─► Layers ─► Settings, or every mistake in a line of its own
//!  cluster-id = 1 (file)   │ third
//!  default                 ┘ last
//! ```
//!
//! Every value arrives as text with the place it came from, is read by one function, and a value
//! that cannot be used is told with that place. All mistakes are told at once.

mod flags;
mod layers;
mod read;

pub use flags::StartArgs;

use crate::start::ADMIN_DATABASE;
use base::ClusterId;
use dr::ClusterRole;
use layers::Layers;
use std::path::PathBuf;
use std::time::Duration;

/// The names of all settings, as in the TOML file; `--name` and `ANTIPODE_NAME` follow from them.
pub const NAMES: [&str; 21] = [
    "cluster-id",
    "name",
    "data",
    "listen",
    "advertise",
    "user",
    "password",
    "password-file",
    "tls-cert",
    "tls-key",
    "tls-ca",
    "memory-limit",
    "segment-size",
    "retain-log",
    "version-retention",
    "slot-limit",
    "slot-retention",
    "verify-interval",
    "verify-pace",
    "dr-role",
    "dr-source",
];

/// A certificate and its private key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The settings of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which cluster this node belongs to. Written into the data folder at the first start.
    pub cluster_id: ClusterId,
    /// What people call the cluster. Default: `cluster-<id>`.
    pub name: String,
    /// The data folder.
    pub data: PathBuf,
    /// Where clients and other clusters connect. Default `127.0.0.1:5432`; port 0 takes a free one.
    pub listen: String,
    /// Where other clusters find this one: host (`https://` in front asks for TLS) and port.
    /// Default: the address listened on, unless that is "any".
    pub advertise: Option<(String, u16)>,
    /// The first user. Default `root`.
    pub user: String,
    /// That user's password; used at the first start only (later: `ALTER USER`).
    pub password: Option<String>,
    /// Offer TLS.
    pub tls: Option<TlsFiles>,
    /// PEM file with the authorities that may vouch for a source given as `https://host`.
    pub tls_ca: Option<PathBuf>,
    /// Bytes for everything: row versions not yet in chunks, cached pages, queries, the program
    /// itself. Default 1 GiB.
    pub memory_limit: u64,
    /// Bytes of one log segment. Default 64 MiB, less with little memory.
    pub segment_bytes: u64,
    /// Bytes of log kept, beyond what restarts and standbys need, for coming back by difference.
    /// Default 1 GiB.
    pub retain_log_bytes: u64,
    /// How long old row versions stay readable, unless a database says it itself. Default 10 min.
    pub version_retention: Duration,
    /// Bytes of log beyond which targets that are behind are given up. Default 16 GiB.
    pub slot_limit_bytes: u64,
    /// A target that is away for longer is given up; never if `None`. Default 7 days.
    pub slot_retention: Option<Duration>,
    /// How often a standby compares itself with its source; never if `None`. Default 1 day.
    pub verify_interval: Option<Duration>,
    /// How many bytes it reads for that in a second. Default 16 MiB.
    pub verify_pace: u64,
    /// The part it plays between clusters. Default: other clusters may follow its databases.
    pub dr_role: ClusterRole,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// 0 stands for never.
fn some(time: Duration) -> Option<Duration> {
    (time > Duration::ZERO).then_some(time)
}

impl Settings {
    /// Settings from flags, the process's environment and the file that they name.
    pub fn load(args: &StartArgs) -> Result<Settings, Vec<String>> {
        let env = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Settings::from_layers(Layers::gather(args, env))
    }

    fn from_layers(mut layers: Layers) -> Result<Settings, Vec<String>> {
        let cluster_id = layers.required("cluster-id", "0 to 127, another one for each region");
        let cluster_id = cluster_id.and_then(|g| layers.read(g, read::cluster_id));
        let data = layers.required("data", "the folder for this node's data").map(|g| g.text);
        let name = layers.optional("name", read::name);
        let listen = layers.optional("listen", read::listen);
        let advertise = layers.optional("advertise", read::advertise);
        let user = layers.optional("user", read::name);
        let password = layers.password();
        let tls = layers.pair("tls-cert", "tls-key");
        let tls_ca = layers.optional("tls-ca", |t| Ok(PathBuf::from(t)));
        let memory_limit = layers.optional("memory-limit", |t| read::bytes(t, 256 << 20));
        let segment_bytes = layers.optional("segment-size", |t| read::bytes(t, 1 << 20));
        let retain_log_bytes = layers.optional("retain-log", |t| read::bytes(t, 0));
        let version_retention = layers.optional("version-retention", read::time);
        let slot_limit_bytes = layers.optional("slot-limit", |t| read::bytes(t, 64 << 20));
        let slot_retention = layers.optional("slot-retention", read::time);
        let verify_interval = layers.optional("verify-interval", read::time);
        let verify_pace = layers.optional("verify-pace", |t| read::bytes(t, 1 << 10));
        let dr_role = dr_role(&mut layers);
        let (Some(cluster_id), Some(data), true) = (cluster_id, data, layers.mistakes.is_empty())
        else {
            return Err(layers.mistakes);
        };
        let memory_limit = memory_limit.unwrap_or(1 << 30);
        Ok(Settings {
            cluster_id,
            name: name.unwrap_or_else(|| format!("cluster-{cluster_id}")),
            data: PathBuf::from(data),
            listen: listen.unwrap_or_else(|| "127.0.0.1:5432".into()),
            advertise,
            user: user.unwrap_or_else(|| "root".into()),
            password,
            tls: tls.map(|(cert, key)| TlsFiles { cert: cert.into(), key: key.into() }),
            tls_ca,
            memory_limit,
            // A start reads a segment at a time.
            segment_bytes: segment_bytes.unwrap_or((memory_limit / 16).min(64 << 20)),
            retain_log_bytes: retain_log_bytes.unwrap_or(1 << 30),
            version_retention: version_retention.unwrap_or(Duration::from_secs(600)),
            slot_limit_bytes: slot_limit_bytes.unwrap_or(16 << 30),
            slot_retention: some(slot_retention.unwrap_or(7 * DAY)),
            verify_interval: some(verify_interval.unwrap_or(DAY)),
            verify_pace: verify_pace.unwrap_or(16 << 20),
            dr_role,
        })
    }
}

/// The role, with the source that goes with it.
fn dr_role(layers: &mut Layers) -> ClusterRole {
    let (given, source) = (layers.given("dr-role"), layers.given("dr-source"));
    let role = layers.optional("dr-role", read::dr_role);
    if given.is_some() && role.is_none() {
        // What is wrong is told already.
        return ClusterRole::Master;
    }
    match (role.unwrap_or(read::Role::Master), source) {
        (read::Role::Replica, Some(given)) => match read::dr_source(&given.text) {
            Ok(source) => {
                return ClusterRole::Replica { source, except: vec![ADMIN_DATABASE.to_owned()] };
            }
            // Not its text: there may be a password in it.
            Err(why) => layers.mistakes.push(format!("{} {why}", given.origin)),
        },
        (read::Role::Replica, None) => {
            layers.required("dr-source", "what a replica follows: user:password@host:port");
        }
        (role, Some(given)) => layers.mistakes.push(format!(
            "{} is given but dr-role is {}: only a replica has a source",
            given.origin,
            if role == read::Role::None { "none" } else { "master" }
        )),
        (read::Role::None, None) => return ClusterRole::None,
        (read::Role::Master, None) => {}
    }
    ClusterRole::Master
}

#[cfg(test)]
mod tests;
