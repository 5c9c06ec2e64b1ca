//! `antipode start`: puts the rooms together and serves until told to stop.
//!
//! ```text
//!  Settings ─► bind ─► Engine::open ─► Links ─► Front ─► listener ─► "listening on HOST:PORT"
//!                                                          │ SIGTERM, SIGINT, end of the parent
//!  exit 0 ◄─ Engine::shutdown ◄─ Links ◄─ sessions end ◄───┘
//! ```
//!
//! The port is bound first, so that a port in use is told before the data folder is touched, but
//! nobody is answered before everything is open. A crash at any step loses nothing that was
//! acknowledged: the engine's own log sees to that, a clean shutdown only makes the next start
//! quicker.

mod listener;
mod stop;
mod tls;
mod wire;

use crate::allocator;
use crate::settings::{Settings, StartArgs};
use base::{Error, NodeId, Result};
use dr::Links;
use dr::grpc::GrpcSettings;
use listener::Listener;
use meta::{Bootstrap, Durability};
use rustls::ServerConfig;
use session::{Front, FrontSettings};
use sql::RuntimeSettings;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stop::Stop;
use txn::{Engine, EngineSettings};

/// The database that every node lets its users connect to, for statements about other databases.
pub const ADMIN_DATABASE: &str = "antipode";

/// Sessions get so long to end their statements when the server stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Runs the command.
pub fn command(args: &StartArgs) -> ExitCode {
    let prepared = match prepare(args) {
        Ok(prepared) => prepared,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("antipode: {mistake}");
            }
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("antipode: cannot start threads: {e}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(prepared, args.exit_with_parent));
    runtime.shutdown_timeout(Duration::from_secs(2));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let more = [&e.detail, &e.hint];
            let more: Vec<&str> = more.into_iter().flatten().map(String::as_str).collect();
            eprintln!("antipode: {}", [&[e.message.as_str()], &more[..]].concat().join("; "));
            ExitCode::FAILURE
        }
    }
}

/// What the settings name, read and checked.
struct Prepared {
    settings: Settings,
    tls: Option<Arc<ServerConfig>>,
    authorities: Option<Vec<u8>>,
}

fn prepare(args: &StartArgs) -> std::result::Result<Prepared, Vec<String>> {
    let settings = Settings::load(args)?;
    if settings.password.is_none() && !settings.data.join("meta").exists() {
        let data = settings.data.display();
        return Err(vec![format!(
            "{data} is new and needs a password for user {}: give ANTIPODE_PASSWORD, \
             --password-file or --password",
            settings.user
        )]);
    }
    let tls = settings.tls.as_ref().map(tls::config).transpose().map_err(|e| vec![e])?;
    let authorities = settings.tls_ca.as_deref().map(tls::authorities).transpose();
    let authorities = authorities.map_err(|e| vec![e])?;
    Ok(Prepared { settings, tls, authorities })
}

async fn run(prepared: Prepared, with_parent: bool) -> Result<()> {
    let Prepared { settings, tls, authorities } = prepared;
    tokio::spawn(allocator::watch(settings.memory_limit));
    let mut stop = Stop::listen(with_parent)?;
    let listener = Listener::bind(&settings.listen, tls).await?;
    let started = Instant::now();
    let opening = open(&settings, listener.address(), authorities);
    let (engine, links) = tokio::select! {
        biased;
        // Giving up in the middle is as good as a crash: the next start replays what is there.
        reason = stop.wait() => {
            tracing::info!("stopping while opening: {reason}");
            return Ok(());
        }
        opened = opening => opened?,
    };
    let runtime = sql::Runtime::new(&query_settings(&settings))?;
    let front = Front::new(engine.clone(), links.clone(), runtime, FrontSettings::default());
    let address = listener.address();
    let serving = listener.serve(front.clone(), &links);
    tracing::info!(
        cluster = settings.cluster_id.0,
        name = settings.name,
        databases = engine.databases().len(),
        opened_ms = started.elapsed().as_millis() as u64,
        "ready on {address}"
    );
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());

    let reason = stop.wait().await;
    tracing::info!("stopping: {reason}");
    serving.close();
    front.stop();
    drain(&front).await;
    links.stop_all().await;
    serving.end();
    engine.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// Everything below SQL.
async fn open(
    settings: &Settings,
    address: SocketAddr,
    authorities: Option<Vec<u8>>,
) -> Result<(Arc<Engine>, Arc<Links>)> {
    let engine = Engine::open(env::real::env(), engine_settings(settings)).await?;
    make_admin_database(&engine).await?;
    let own = (!address.ip().is_unspecified()).then(|| (address.ip().to_string(), address.port()));
    let advertise = settings.advertise.clone().or(own);
    let grpc = GrpcSettings { ca_pem: authorities, advertise };
    let links = Links::open_grpc_as(engine.clone(), grpc, settings.dr_role.clone()).await?;
    if let Some(promoted) = links.role().promoted {
        tracing::info!("promoted (database {promoted} is a primary here): dr-role is of no effect");
    }
    Ok((engine, links))
}

/// A place to connect to before there is any other database.
async fn make_admin_database(engine: &Arc<Engine>) -> Result<()> {
    if engine.database(ADMIN_DATABASE).is_err() {
        engine.create_database(ADMIN_DATABASE, 1, Durability::Sync).await?;
    }
    Ok(())
}

fn engine_settings(settings: &Settings) -> EngineSettings {
    let bootstrap = Bootstrap {
        cluster_id: settings.cluster_id,
        name: settings.name.clone(),
        node: NodeId(1),
        superuser: settings.user.clone(),
        password: settings.password.clone().unwrap_or_default(),
    };
    let mut engine = EngineSettings::new(settings.data.clone(), bootstrap);
    let memory = Shares::of(settings.memory_limit);
    engine.delta_bytes = memory.delta;
    engine.delta_limit = memory.delta_limit;
    engine.pending_limit = memory.pending;
    engine.row_limit = memory.rows;
    engine.transaction_limit = memory.pending;
    engine.cache_bytes = memory.cache;
    engine.log_index_bytes = memory.log_index;
    engine.log.max_queue_bytes = memory.log_queue;
    engine.state.row_group_bytes = memory.row_group;
    engine.log_retention_bytes = settings.retain_log_bytes;
    engine.version_retention = settings.version_retention;
    engine.slot_bytes_max = settings.slot_limit_bytes;
    engine.slot_age_max = settings.slot_retention;
    engine.verify_interval = settings.verify_interval;
    engine.verify_pace = settings.verify_pace;
    engine.log.segment_bytes = settings.segment_bytes;
    engine
}

/// What the program itself takes: code, threads, connections, buffers of the log, and what spills and
/// merges hold.
const OWN_BYTES: u64 = 96 << 20;

/// What everything may take of the memory.
struct Shares {
    delta: usize,
    delta_limit: usize,
    pending: usize,
    /// Both together.
    rows: usize,
    cache: usize,
    queries: usize,
    log_index: usize,
    log_queue: usize,
    row_group: usize,
}

impl Shares {
    fn of(memory: u64) -> Shares {
        let rows_and_pages = memory - OWN_BYTES.min(memory / 8 * 3);
        let share = |n: u64| (rows_and_pages / 32 * n) as usize;
        Shares {
            // Of the program's own part: what waits for the log's writer.
            log_queue: (memory as usize / 64).clamp(1 << 20, 16 << 20),
            // A merge holds a row group of each layer, decoded.
            row_group: (memory as usize / 256).clamp(256 << 10, 4 << 20),
            delta: share(4),
            delta_limit: share(8),
            pending: share(12),
            rows: share(17),
            cache: share(7),
            queries: share(7),
            log_index: share(1),
        }
    }
}

fn query_settings(settings: &Settings) -> RuntimeSettings {
    let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    RuntimeSettings {
        memory_bytes: Shares::of(settings.memory_limit).queries,
        target_partitions: cores,
        ..RuntimeSettings::default()
    }
}

async fn drain(front: &Arc<Front>) {
    let end = Instant::now() + DRAIN_LIMIT;
    while front.connections() > 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if front.connections() > 0 {
        tracing::warn!(sessions = front.connections(), "not all sessions ended in time");
    }
}

/// An error of the operating system while starting.
fn cannot(what: impl std::fmt::Display, e: &std::io::Error) -> Error {
    Error::io(format!("cannot {what}"), e)
}
