//! `stentor serve`: runs the delivery service until it is told to stop.
//!
//! Prepares the state folder, opens the metrics page if there is to be one, starts the shards, says
//! on standard output where they listen, then waits: for a signal, which drains and ends it, or for a
//! shard to fail. A signal before that ends it at once. Touches no message.
//! Called by `cli::main`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::anyhow;
use anyhow::bail;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::state::{Folder, default_folder, read_identity};
use super::{durability, read_text, warning_of_small_buffers, with_causes};
use crate::delivery::Durability;
use crate::limits::{SETTINGS_BYTES_MAX, SHARDS_MAX};
use crate::operation::{Build, Endpoint, Health, Status, of_server};
use crate::process;
use crate::server::{Config, Recovered, Server, Settings};
use crate::units::written_bytes;

/// Arguments of `stentor serve`. What is given here overrides the file of settings.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// A file of settings in TOML; `--print-config` prints one with all there are, explained.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print a file of settings that says what the others given here say, with the range, default
    /// and cost of every setting; and stop.
    #[arg(long)]
    print_config: bool,

    /// The UDP address of the first shard; each further one listens one port higher. Port 0 takes
    /// any free ports. Default: 127.0.0.1:4433.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Shards, each a thread with a socket of its own, 1 to 64. More than cores gain nothing.
    /// Default: 1.
    #[arg(long, value_name = "N", value_parser = shards())]
    shards: Option<u16>,

    /// The TCP address of /metrics and /healthz, told on standard output before anything else;
    /// without it there is none.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,

    /// The folder of keys and of what clients beside the server need to find it. Default:
    /// $XDG_STATE_HOME/stentor, else ~/.local/state/stentor. One server at a time.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,

    /// The folder of the shards' logs; without it every group lives in memory.
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,

    /// What a group's messages survive if whoever creates it does not say: none, or wal, which
    /// needs --log. Default: none.
    #[arg(long, value_name = "none|wal", value_parser = durability)]
    durability: Option<Durability>,

    /// The certificate to serve and its chain, in PEM; the state folder's own if absent.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Talk only to clients with a certificate that one of the authorities in this PEM file has
    /// signed for client authentication. They need a token all the same.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// The keys under which devices hold tokens: 64 hexadecimal digits, or a line for each key,
    /// oldest first, the id before the digits; the state folder's own if absent. Read again on
    /// SIGHUP.
    #[arg(long, value_name = "FILE")]
    token_key: Option<PathBuf>,

    /// Pin the first shard to this core, counted from 0, and each further one to the next. Without
    /// it the kernel places them.
    #[arg(long, value_name = "CORE")]
    first_core: Option<usize>,

    /// Say where it listens, and why it fails if it does, and nothing else.
    #[arg(long)]
    quiet: bool,

    /// Stop when the process of this number, the one that started this, ends; and remove the state
    /// folder whenever this stops.
    #[arg(long, value_name = "PID", hide = true, requires = "state")]
    exit_with_parent: Option<u32>,
}

fn shards() -> impl clap::builder::TypedValueParser<Value = u16> {
    let most = i64::try_from(SHARDS_MAX).expect("shards are few");
    clap::value_parser!(u16).range(1..=most)
}

/// Serves until told to stop. Exit code 0 after a drain; 1 and one line on standard error when it
/// cannot start, or a shard fails.
pub(crate) fn run(arguments: &Serve) -> ExitCode {
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&with_causes(&error));
            ExitCode::from(1)
        }
    }
}

/// One line on standard error; who closed it does not want to know.
fn tell(line: &str) {
    drop(writeln!(io::stderr().lock(), "stentor serve: {line}"));
}

fn serve(arguments: &Serve) -> anyhow::Result<()> {
    if arguments.exit_with_parent.is_some_and(|parent| !process::end_with_parent(parent)) {
        bail!("the process that started this one is gone");
    }
    let settings = settings(arguments)?;
    if arguments.print_config {
        let printed = io::stdout().lock().write_all(settings.to_file().as_bytes());
        return printed.context("cannot write to standard output");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for signals")?;
    let served = runtime.block_on(serve_until_told(arguments, settings));
    // A start that nobody waits for any more ends with the process.
    runtime.shutdown_background();
    served
}

async fn serve_until_told(arguments: &Serve, settings: Settings) -> anyhow::Result<()> {
    // Before anything runs that a signal would have to stop.
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let folder = Folder::open(&match &settings.service.state {
        Some(path) => path.clone(),
        None => default_folder()?,
    })?;
    let remark = if arguments.quiet { |_: &str| {} } else { tell };
    let served = serve_from(&folder, settings, &mut signals, remark).await;
    // Whoever started this one may have died: nobody else is left to remove the keys.
    let removed = if arguments.exit_with_parent.is_some() { folder.remove() } else { Ok(()) };
    served.and(removed)
}

/// The signals that mean something.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when one says to stop.
    async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn serve_from(
    folder: &Folder,
    settings: Settings,
    signals: &mut Signals,
    remark: fn(&str),
) -> anyhow::Result<()> {
    let (status, seen) = watch::channel(Status::default());
    // First of all, so that whoever asks is told that it recovers.
    if let Some(address) = settings.metrics.listen {
        let endpoint = Endpoint::bind(address).await?;
        say(format_args!("metrics on {}", endpoint.address()))?;
        tokio::spawn(endpoint.serve(of_server(BUILD, seen)));
    }
    let keys = settings.service.token_key.clone();
    let config = config(settings, folder)?;
    let mut server = tokio::select! {
        started = apart(move || Server::start(&config)) => started?,
        // Nothing was promised yet: there is nobody to drain, and the logs are as a crash leaves them.
        () = signals.told_to_stop() => return Ok(()),
    };
    folder.announce(server.fingerprint(), server.addresses())?;
    if let Some(warning) = warning_of_small_buffers(server.socket_buffer_bytes()) {
        remark(&warning);
    }
    status.send_replace(Status { health: Health::Ready, monitor: Some(server.monitor()) });
    say_recovered(&server)?;
    say_ready(&server)?;
    let failed = loop {
        match wait(&server, signals).await {
            Woken::ToStop => break false,
            Woken::ByFailure => break true,
            // What is wrong with a file now is said, and what was good before stays so.
            Woken::ToReload => match reload(&mut server, folder, keys.as_deref()) {
                Ok(()) => remark("token keys are read again"),
                Err(error) => tell(&with_causes(&error)),
            },
        }
    };
    let health = if failed { Health::Failed } else { Health::Draining };
    status.send_modify(|status| status.health = health);
    folder.retire().context("cannot take back the address")?;
    // A shard that failed says why when it is joined.
    let stopped = apart(move || server.stop()).await;
    match (failed, stopped) {
        (_, Err(error)) => Err(anyhow!(error).context("a shard failed")),
        (true, Ok(())) => Err(anyhow!("a shard ended unasked")),
        (false, Ok(())) => Ok(()),
    }
}

/// Waits for `work` on a thread of its own, so that this one answers who asks meanwhile.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("a failed assertion ends the process")
}

/// The settings of the file, if one is given, and of the arguments.
fn settings(arguments: &Serve) -> anyhow::Result<Settings> {
    let mut settings = match &arguments.config {
        None => Settings::default(),
        Some(path) => {
            let text = read_text(path, SETTINGS_BYTES_MAX)
                .with_context(|| format!("cannot read the settings {}", path.display()))?;
            Settings::parse(&text, &path.display().to_string())
                .map_err(|mistake| anyhow!(mistake.one_line()))?
        }
    };
    let set = &mut settings.service;
    let keep = |given: &Option<PathBuf>, kept: &mut Option<PathBuf>| {
        if let Some(path) = given {
            *kept = Some(path.clone());
        }
    };
    keep(&arguments.state, &mut set.state);
    keep(&arguments.cert, &mut set.certificate);
    keep(&arguments.key, &mut set.certificate_key);
    keep(&arguments.token_key, &mut set.token_key);
    keep(&arguments.client_ca, &mut set.client_authorities);
    set.listen = arguments.listen.unwrap_or(set.listen);
    set.shards = arguments.shards.unwrap_or(set.shards);
    set.first_core = arguments.first_core.or(set.first_core);
    settings.metrics.listen = arguments.metrics.or(settings.metrics.listen);
    keep(&arguments.log, &mut settings.log.folder);
    settings.log.durability = arguments.durability.unwrap_or(settings.log.durability);
    if settings.log.durability == Durability::Wal && settings.log.folder.is_none() {
        bail!("groups are to be durable, and there is no folder for the log: name one with --log");
    }
    Ok(settings)
}

fn config(settings: Settings, folder: &Folder) -> anyhow::Result<Config> {
    let set = &settings.service;
    let identity = match (&set.certificate, &set.certificate_key) {
        (Some(certificate), Some(key)) => read_identity(certificate, key)?,
        (None, None) => folder.identity()?,
        _ => bail!("one of service.certificate and service.certificate_key is set; set both"),
    };
    let identity = match &set.client_authorities {
        None => identity,
        Some(path) => {
            let name = || path.display().to_string();
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", name()))?;
            identity.with_client_authorities(&pem).with_context(name)?
        }
    };
    let token_keys = folder.token_keys(set.token_key.as_deref())?;
    Ok(Config { settings, identity: Arc::new(identity), token_keys })
}

/// The line on standard output that says what was read back, if there was anything.
fn say_recovered(server: &Server) -> anyhow::Result<()> {
    let Recovered { records, bytes, torn_bytes, groups } = server.recovered();
    if records == 0 && torn_bytes == 0 {
        return Ok(());
    }
    let bytes = written_bytes(bytes);
    say(format_args!(
        "recovered {groups} groups from {records} entries, {bytes}; {torn_bytes} torn bytes cut off"
    ))
}

/// The line on standard output that whoever waits for it may connect at.
fn say_ready(server: &Server) -> anyhow::Result<()> {
    let (first, shards) = (server.addresses()[0], server.addresses().len());
    let plural = if shards == 1 { "" } else { "s" };
    let fingerprint = server.fingerprint();
    say(format_args!("listening on {first} ({shards} shard{plural}), fingerprint {fingerprint}"))
}

fn say(line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Which program the metrics are of.
pub(super) const BUILD: Build =
    Build { version: env!("CARGO_PKG_VERSION"), commit: env!("STENTOR_GIT_COMMIT") };

/// How often shards are looked at: a dead one is noticed this late.
const LOOKING: Duration = Duration::from_millis(200);

/// Why waiting has ended.
enum Woken {
    ToStop,
    ToReload,
    ByFailure,
}

/// Returns when a signal comes, or when a shard has ended.
async fn wait(server: &Server, signals: &mut Signals) -> Woken {
    let mut looks = tokio::time::interval(LOOKING);
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => return Woken::ToStop,
            _ = signals.terminate.recv() => return Woken::ToStop,
            _ = signals.hang_up.recv() => return Woken::ToReload,
            _ = looks.tick() => if !server.is_running() {
                return Woken::ByFailure;
            },
        }
    }
}

/// Reads the token keys again and gives them to every shard.
fn reload(server: &mut Server, folder: &Folder, keys: Option<&Path>) -> anyhow::Result<()> {
    let keys = folder.token_keys(keys)?;
    Ok(server.set_token_keys(&keys)?)
}
