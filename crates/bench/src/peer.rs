//! PostgreSQL, with a streaming standby.

use crate::args::Args;
use crate::side::{Endpoint, Result, Side};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A primary and a standby made with `pg_basebackup`.
pub struct Peer {
    bin: PathBuf,
    version: String,
    primary: Node,
    standby: Option<Node>,
    dir: tempfile::TempDir,
}

#[derive(Clone)]
struct Node {
    data: PathBuf,
    port: u16,
}

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 512MB
max_wal_size = 4GB
wal_keep_size = 8GB
max_connections = 200
";

impl Peer {
    /// The folder of PostgreSQL's programs: as given, as installed by `bench/peer/pg.sh`, or none.
    pub fn find(args: &Args) -> Option<PathBuf> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let usual = home.join(".cache/antipode-bench/postgres/bin");
        let bin = args.postgres.clone().unwrap_or(usual);
        // Without links: the user that the server runs as may not follow them through a home folder.
        bin.canonicalize().ok().filter(|bin| bin.join("postgres").is_file())
    }

    /// Starts the primary; the last one of two settings of a name holds.
    pub fn start(args: &Args, bin: &Path, settings: &str) -> Result<Peer> {
        let dir = args.folder()?;
        let said = Command::new(bin.join("postgres")).arg("--version").output();
        let said = said.map_err(|e| e.to_string())?;
        let version = String::from_utf8_lossy(&said.stdout).trim().to_string();
        let primary = Node { data: dir.path().join("primary"), port: testkit::free_port() };
        let peer = Peer { bin: bin.into(), version, primary, standby: None, dir };
        peer.own()?;
        let data = &peer.primary.data;
        peer.tool(
            "initdb",
            [OsStr::new("-D"), data.as_os_str(), "-U".as_ref(), "bench".as_ref()]
                .into_iter()
                .chain(["--auth=trust", "--no-locale", "-E", "UTF8"].map(OsStr::new)),
        )?;
        let file = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        text.push_str(SETTINGS);
        text.push_str(settings);
        std::fs::write(&file, text).map_err(|e| e.to_string())?;
        peer.control(&peer.primary, "start")?;
        Ok(peer)
    }

    /// Gives the folder to the user that the server runs as: PostgreSQL refuses to be root.
    fn own(&self) -> Result<()> {
        if !is_root() {
            return Ok(());
        }
        let done = Command::new("chown").arg(user()).arg(self.dir.path()).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("cannot give {} to user {}", self.dir.path().display(), user())),
        }
    }

    fn tool<'a>(&self, name: &str, arguments: impl Iterator<Item = &'a OsStr>) -> Result<()> {
        let program = self.bin.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let user = user();
            let group = id(&["-g", &user]).unwrap_or_default();
            command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // A server that inherits a pipe would keep it open for ever: its output goes to a file.
        let out = self.dir.path().join("tool.log");
        let file = std::fs::File::create(&out).map_err(|e| e.to_string())?;
        let copy = file.try_clone().map_err(|e| e.to_string())?;
        let status = command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .stdin(std::process::Stdio::null())
            .stdout(file)
            .stderr(copy)
            .status()
            .map_err(|e| format!("cannot run {name}: {e}"))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{name}: {}", std::fs::read_to_string(&out).unwrap_or_default().trim()))
    }

    fn control(&self, node: &Node, verb: &str) -> Result<()> {
        let log = node.data.with_extension("log");
        let port = format!("-p {}", node.port);
        let mut arguments: Vec<&OsStr> =
            vec!["-D".as_ref(), node.data.as_ref(), "-w".as_ref(), "-t".as_ref(), "120".as_ref()];
        match verb {
            "start" => arguments.extend([
                OsStr::new("-l"),
                log.as_ref(),
                "-o".as_ref(),
                port.as_ref(),
                verb.as_ref(),
            ]),
            "promote" => arguments.push(verb.as_ref()),
            "shut down" => arguments.extend(["-m", "fast", "stop"].map(OsStr::new)),
            _ => arguments.extend(["-m", "immediate", verb].map(OsStr::new)),
        }
        self.tool("pg_ctl", arguments.into_iter())
    }

    fn other(&self) -> Result<&Node> {
        self.standby.as_ref().ok_or_else(|| "there is no standby".into())
    }

    /// Primary and standby have changed their roles.
    fn swap(&mut self) -> Result<()> {
        let standby = self.standby.as_mut().ok_or("there is no standby")?;
        std::mem::swap(&mut self.primary, standby);
        Ok(())
    }

    fn sql(&self, node: &Node, statements: &[&str]) -> Result<()> {
        let at = self.at(node);
        let here = tokio::runtime::Handle::current();
        let work = async {
            let client = at.connect().await?;
            for statement in statements {
                client.batch_execute(statement).await.map_err(|e| format!("{statement}: {e:?}"))?;
            }
            Ok(())
        };
        tokio::task::block_in_place(|| here.block_on(work))
    }

    fn follow(&self, node: &Node, source: &Node) -> Result<()> {
        std::fs::write(data_file(node, "standby.signal"), "").map_err(|e| e.to_string())?;
        let file = data_file(node, "postgresql.auto.conf");
        append(&file, &format!("primary_conninfo = '{}'\n", reached(source)))
    }

    /// A new primary keeps what its standby will need, and no more: `pg_rewind` copies all segments
    /// that there are, and wants to see the new timeline in the control file.
    fn keep_log_for_standby(&self) -> Result<()> {
        let slot = format!(
            "SELECT pg_create_physical_replication_slot('{SLOT}', true) WHERE NOT EXISTS \
             (SELECT FROM pg_replication_slots WHERE slot_name = '{SLOT}')"
        );
        let statements = [
            slot.as_str(),
            "ALTER SYSTEM SET wal_keep_size = 0",
            "ALTER SYSTEM SET wal_recycle = off",
            "SELECT pg_reload_conf()",
            "CHECKPOINT",
            "SELECT pg_switch_wal()",
            "CHECKPOINT",
        ];
        self.sql(&self.primary, &statements)
    }

    fn at(&self, node: &Node) -> Endpoint {
        Endpoint {
            port: node.port,
            user: "bench".into(),
            password: String::new(),
            database: "postgres".into(),
        }
    }
}

impl Side for Peer {
    fn name(&self) -> String {
        self.version.clone()
    }

    fn endpoint(&self) -> Endpoint {
        self.at(&self.primary)
    }

    fn crash(&mut self) -> Result<()> {
        self.control(&self.primary, "stop")
    }

    fn restart(&mut self) -> Result<()> {
        self.control(&self.primary, "start")
    }

    fn stored(&self) -> PathBuf {
        self.primary.data.join("base")
    }

    fn add_standby(&mut self) -> Result<Endpoint> {
        let node = Node { data: self.dir.path().join("standby"), port: testkit::free_port() };
        let source = reached(&self.primary);
        self.tool(
            "pg_basebackup",
            [OsStr::new("-d"), source.as_ref(), "-D".as_ref(), node.data.as_ref()]
                .into_iter()
                .chain(["-R", "-X", "stream", "-c", "fast"].map(OsStr::new)),
        )?;
        self.control(&node, "start")?;
        let at = self.at(&node);
        self.standby = Some(node);
        Ok(at)
    }

    fn stop_standby(&mut self) -> Result<()> {
        self.standby.as_ref().map_or(Ok(()), |node| self.control(node, "stop"))
    }

    fn start_standby(&mut self) -> Result<()> {
        self.standby.as_ref().map_or(Ok(()), |node| self.control(node, "start"))
    }

    fn standby(&self) -> Result<Endpoint> {
        self.other().map(|node| self.at(node))
    }

    fn cut_link(&mut self) -> Result<()> {
        let unset = ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"];
        self.sql(self.other()?, &unset)?;
        // The receiver ends a moment after the file has been read.
        std::thread::sleep(std::time::Duration::from_secs(1));
        Ok(())
    }

    fn promote(&mut self) -> Result<()> {
        self.control(self.other()?, "promote")?;
        self.swap()?;
        self.keep_log_for_standby()
    }

    fn come_back(&mut self) -> Result<()> {
        let (old, source) = (self.other()?, reached(&self.primary));
        let data = old.data.as_os_str();
        self.tool(
            "pg_rewind",
            [OsStr::new("-D"), data, "-R".as_ref(), "--source-server".as_ref(), source.as_ref()]
                .into_iter(),
        )?;
        let file = data_file(old, "postgresql.auto.conf");
        append(&file, &format!("primary_slot_name = '{SLOT}'\n"))?;
        self.control(old, "start")
    }

    fn hand_over(&mut self) -> Result<()> {
        self.sql(&self.primary, &["CHECKPOINT"])?;
        self.control(&self.primary, "shut down")?;
        self.control(self.other()?, "promote")?;
        self.swap()?;
        let old = self.other()?;
        self.follow(old, &self.primary)?;
        self.control(old, "start")
    }
}

const SLOT: &str = "standby";

fn data_file(node: &Node, name: &str) -> PathBuf {
    node.data.join(name)
}

fn append(file: &Path, text: &str) -> Result<()> {
    let mut whole = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    whole.push_str(text);
    std::fs::write(file, whole).map_err(|e| e.to_string())
}

/// How a standby reaches its primary.
fn reached(node: &Node) -> String {
    format!("host=127.0.0.1 port={} user=bench dbname=postgres", node.port)
}

impl Drop for Peer {
    fn drop(&mut self) {
        for node in self.standby.iter().chain([&self.primary]) {
            let _ = self.control(node, "stop");
        }
    }
}

fn is_root() -> bool {
    id(&["-u"]).is_some_and(|id| id == "0")
}

/// What `id` says.
fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The user that PostgreSQL runs as when this program is run by root.
fn user() -> String {
    std::env::var("ANTIPODE_BENCH_USER").unwrap_or_else(|_| "nobody".into())
}
