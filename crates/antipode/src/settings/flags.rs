//! The flags of `antipode start`.

use clap::Args;
use std::path::PathBuf;

/// Flags of `start`. Each may also come from the environment (`ANTIPODE_CLUSTER_ID`) or from the
/// file (`cluster-id = 1`); a flag wins over the environment, the environment over the file.
#[derive(Args, Debug, Default)]
pub struct StartArgs {
    /// Number of this cluster, 0 to 127; clusters that replicate must differ in it
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub cluster_id: Option<String>,
    /// Name of this cluster [default: cluster-N]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Data folder, made if it is not there
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address for clients and other clusters; port 0 takes a free one [default: 127.0.0.1:5432]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where other clusters find this one, after a switchover [default: the address listened on]
    #[arg(long, value_name = "[https://]HOST:PORT")]
    pub advertise: Option<String>,
    /// The first user, who may do everything [default: root]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// That user's password, for the first start (better: ANTIPODE_PASSWORD or a file)
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<String>,
    /// PEM file with the server's certificate chain: offers TLS
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// PEM file with the authorities that may vouch for a source given as https://host
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<String>,
    /// Memory for everything [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Size of one log segment [default: 64MiB, less with little memory]
    #[arg(long, value_name = "SIZE")]
    pub segment_size: Option<String>,
    /// Log kept so that a former primary can come back by difference [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub retain_log: Option<String>,
    /// How long old row versions stay readable, as `10 min` [default: 10 min]
    #[arg(long, value_name = "TIME")]
    pub version_retention: Option<String>,
    /// Log kept for targets that are behind, before they are given up [default: 16GiB]
    #[arg(long, value_name = "SIZE")]
    pub slot_limit: Option<String>,
    /// How long a target may be away before it is given up, 0 for no limit [default: 7 days]
    #[arg(long, value_name = "TIME")]
    pub slot_retention: Option<String>,
    /// How often a standby compares itself with its source, 0 for never [default: 1 day]
    #[arg(long, value_name = "TIME")]
    pub verify_interval: Option<String>,
    /// How much it reads for that in a second [default: 16MiB]
    #[arg(long, value_name = "SIZE")]
    pub verify_pace: Option<String>,
    /// none: takes no links of other clusters; master; replica: follows all of dr-source [default: master]
    #[arg(long, value_name = "ROLE")]
    pub dr_role: Option<String>,
    /// What a replica follows (better: ANTIPODE_DR_SOURCE or the file, if it has a password)
    #[arg(long, value_name = "USER[:PASSWORD]@HOST[:PORT]")]
    pub dr_source: Option<String>,
    /// TOML file with any of these settings (also ANTIPODE_CONFIG)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Shut down when standard input ends, so that no server outlives the program that started it
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

impl StartArgs {
    /// What was given, by the setting's name.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("cluster-id", &self.cluster_id),
            ("name", &self.name),
            ("data", &self.data),
            ("listen", &self.listen),
            ("advertise", &self.advertise),
            ("user", &self.user),
            ("password", &self.password),
            ("password-file", &self.password_file),
            ("tls-cert", &self.tls_cert),
            ("tls-key", &self.tls_key),
            ("tls-ca", &self.tls_ca),
            ("memory-limit", &self.memory_limit),
            ("segment-size", &self.segment_size),
            ("retain-log", &self.retain_log),
            ("version-retention", &self.version_retention),
            ("slot-limit", &self.slot_limit),
            ("slot-retention", &self.slot_retention),
            ("verify-interval", &self.verify_interval),
            ("verify-pace", &self.verify_pace),
            ("dr-role", &self.dr_role),
            ("dr-source", &self.dr_source),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|v| (name, v)))
    }
}
