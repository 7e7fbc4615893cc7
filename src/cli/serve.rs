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
use super::{warning_of_small_buffers, with_causes};
use crate::delivery::Policy;
use crate::limits::SHARDS_MAX;
use crate::process;
use crate::server::{Config, Defence, Server};

/// Arguments of `stentor serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The UDP address of the first shard; each further one listens one port higher. Port 0 takes
    /// any free ports.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4433")]
    listen: SocketAddr,

    /// Shards, each a thread with a socket of its own, 1 to 64. More than cores gain nothing.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = shards())]
    shards: u16,

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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for signals")?;
    runtime.block_on(serve_until_told(arguments))
}

async fn serve_until_told(arguments: &Serve) -> anyhow::Result<()> {
    // Before anything runs that a signal would have to stop.
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let folder = Folder::open(&match &arguments.state {
        Some(path) => path.clone(),
        None => default_folder()?,
    })?;
    let served = serve_from(&folder, arguments, &mut signals).await;
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
}

async fn serve_from(
    folder: &Folder,
    arguments: &Serve,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut server = Server::start(&config(arguments, folder)?)?;
    folder.announce(server.fingerprint(), server.addresses())?;
    if let Some(warning) = warning_of_small_buffers(server.socket_buffer_bytes()) {
        tell(&warning);
    }
    say_ready(&server).context("cannot write to standard output")?;
    let failed = loop {
        match wait(&server, signals).await {
            Woken::ToStop => break false,
            Woken::ByFailure => break true,
            // What is wrong with a file now is said, and what was good before stays so.
            Woken::ToReload => match reload(&mut server, folder, arguments) {
                Ok(()) => tell("token keys are read again"),
                Err(error) => tell(&with_causes(&error)),
            },
        }
    };
    folder.retire().context("cannot take back the address")?;
    // A shard that failed says why when it is joined.
    let stopped = server.stop();
    match (failed, stopped) {
        (_, Err(error)) => Err(anyhow!(error).context("a shard failed")),
        (true, Ok(())) => Err(anyhow!("a shard ended unasked")),
        (false, Ok(())) => Ok(()),
    }
}

fn config(arguments: &Serve, folder: &Folder) -> anyhow::Result<Config> {
    let identity = match (&arguments.cert, &arguments.key) {
        (Some(certificate), Some(key)) => read_identity(certificate, key)?,
        _ => folder.identity()?,
    };
    let identity = match &arguments.client_ca {
        None => identity,
        Some(path) => {
            let name = || path.display().to_string();
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", name()))?;
            identity.with_client_authorities(&pem).with_context(name)?
        }
    };
    Ok(Config {
        listen: arguments.listen,
        shards: arguments.shards,
        identity: Arc::new(identity),
        token_keys: folder.token_keys(arguments.token_key.as_deref())?,
        defence: Defence::default(),
        policy: Policy::default(),
        first_core: arguments.first_core,
    })
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
fn reload(server: &mut Server, folder: &Folder, arguments: &Serve) -> anyhow::Result<()> {
    let keys = folder.token_keys(arguments.token_key.as_deref())?;
    Ok(server.set_token_keys(&keys)?)
}
