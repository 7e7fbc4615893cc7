//! `stentor serve`: runs the delivery service until it is told to stop.
//!
//! Prepares the state folder, starts the shards, says on standard output where they listen, then
//! waits: for a signal, which drains and ends it, or for a shard to fail. Touches no message.
//! Called by `cli::main`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::anyhow;
use anyhow::bail;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::state::{Folder, default_folder, read_identity};
use super::{read_text, warning_of_small_buffers, with_causes};
use crate::limits::{SETTINGS_BYTES_MAX, SHARDS_MAX};
use crate::process;
use crate::server::{Config, Server, Settings};

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

    /// The TCP address of /metrics and /healthz; without it there is none.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,

    /// The folder of keys and of what clients beside the server need to find it. Default:
    /// $XDG_STATE_HOME/stentor, else ~/.local/state/stentor. One server at a time.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,

    /// The certificate to serve and its chain, in PEM; the state folder's own if absent.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The key under which devices hold tokens, 64 hexadecimal digits; the state folder's own if
    /// absent.
    #[arg(long, value_name = "FILE")]
    token_key: Option<PathBuf>,

    /// Pin the first shard to this core, counted from 0, and each further one to the next. Without
    /// it the kernel places them.
    #[arg(long, value_name = "CORE")]
    first_core: Option<usize>,

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
    runtime.block_on(serve_until_told(arguments, settings))
}

async fn serve_until_told(arguments: &Serve, settings: Settings) -> anyhow::Result<()> {
    // Before anything runs that a signal would have to stop.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let folder = Folder::open(&match &settings.service.state {
        Some(path) => path.clone(),
        None => default_folder()?,
    })?;
    let served = serve_from(&folder, settings, &mut interrupt, &mut terminate).await;
    // Whoever started this one may have died: nobody else is left to remove the keys.
    let removed = if arguments.exit_with_parent.is_some() { folder.remove() } else { Ok(()) };
    served.and(removed)
}

async fn serve_from(
    folder: &Folder,
    settings: Settings,
    interrupt: &mut Signal,
    terminate: &mut Signal,
) -> anyhow::Result<()> {
    let server = Server::start(&config(settings, folder)?)?;
    folder.announce(server.fingerprint(), server.addresses())?;
    if let Some(warning) = warning_of_small_buffers(server.socket_buffer_bytes()) {
        tell(&warning);
    }
    say_ready(&server).context("cannot write to standard output")?;
    let failed = wait(&server, interrupt, terminate).await;
    folder.retire().context("cannot take back the address")?;
    // A shard that failed says why when it is joined.
    let stopped = server.stop();
    match (failed, stopped) {
        (_, Err(error)) => Err(anyhow!(error).context("a shard failed")),
        (true, Ok(())) => Err(anyhow!("a shard ended unasked")),
        (false, Ok(())) => Ok(()),
    }
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
    set.listen = arguments.listen.unwrap_or(set.listen);
    set.shards = arguments.shards.unwrap_or(set.shards);
    set.first_core = arguments.first_core.or(set.first_core);
    settings.metrics.listen = arguments.metrics.or(settings.metrics.listen);
    Ok(settings)
}

fn config(settings: Settings, folder: &Folder) -> anyhow::Result<Config> {
    let set = &settings.service;
    let identity = match (&set.certificate, &set.certificate_key) {
        (Some(certificate), Some(key)) => read_identity(certificate, key)?,
        (None, None) => folder.identity()?,
        _ => bail!("one of service.certificate and service.certificate_key is set; set both"),
    };
    let token_key = folder.token_key(set.token_key.as_deref())?;
    Ok(Config { settings, identity: Arc::new(identity), token_key })
}

/// The one line on standard output: whoever waits for it may connect now.
fn say_ready(server: &Server) -> io::Result<()> {
    let (first, shards) = (server.addresses()[0], server.addresses().len());
    let plural = if shards == 1 { "" } else { "s" };
    let fingerprint = server.fingerprint();
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {first} ({shards} shard{plural}), fingerprint {fingerprint}")?;
    out.flush()
}

/// How often shards are looked at: a dead one is noticed this late.
const LOOKING: Duration = Duration::from_millis(200);

/// Returns when told to stop, or when a shard has ended; true for the latter.
async fn wait(server: &Server, interrupt: &mut Signal, terminate: &mut Signal) -> bool {
    let mut looks = tokio::time::interval(LOOKING);
    loop {
        tokio::select! {
            _ = interrupt.recv() => return false,
            _ = terminate.recv() => return false,
            _ = looks.tick() => if !server.is_running() {
                return true;
            },
        }
    }
}
