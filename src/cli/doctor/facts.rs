//! What a machine is like, gathered in about a second.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;
use crate::load::Client;
use crate::load::run::test_pacer;
use crate::net::{self, Driver, Fingerprint, KeyExchange, Probe, Trust};
use crate::process::{self, Machine, Memory};
use crate::report::folder;

/// Over how long steal is looked at.
const LOOKING: Duration = Duration::from_secs(1);

/// Times that a sync is timed, and the bytes before each: a small entry of a log.
const SYNCS: usize = 20;
const SYNC_BYTES: usize = 4_096;

/// Reads of the clock that are timed together.
const CLOCK_READS: u32 = 10_000;

/// Names under which a browser is found that draws reports in tests.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Everything that is looked at. What cannot be found out is absent.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Lateness of the pacer at its worst rate: median, p99 and most, in microseconds.
    pub(super) timer_us: Option<[u64; 3]>,
    pub(super) clock_source: Option<String>,
    pub(super) clock_read_ns: u64,
    pub(super) sockets: Result<Probe, String>,
    /// Now, and at most.
    pub(super) descriptors: Option<(u64, u64)>,
    pub(super) free_ports: Option<u64>,
    pub(super) tracked_flows: Option<(u64, u64)>,
    pub(super) loopback_mtu: Option<u64>,
    pub(super) cores: usize,
    pub(super) smt: Option<bool>,
    pub(super) governor: Option<String>,
    pub(super) steal_share: Option<f64>,
    /// Of the whole machine, while it was looked at.
    pub(super) receive_drops: Option<u64>,
    pub(super) huge_pages: Option<String>,
    pub(super) memory: Option<Memory>,
    pub(super) temporary: Place,
    pub(super) results: Place,
    pub(super) browser: Option<PathBuf>,
    pub(super) floor: Option<Floor>,
}

/// Where something is written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) file_system: Option<String>,
    /// Median of the time to write a little and sync it, in microseconds; or why it cannot be.
    pub(super) sync_us: Result<u64, String>,
}

/// The first figure of the floor that was measured here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Floor {
    pub(super) members: u32,
    pub(super) bytes: u64,
    pub(super) cpu_us_per_delivery: f64,
    pub(super) measured_utc: String,
}

impl Facts {
    /// Of a machine, with its results in a folder that need not be there yet.
    pub(super) fn gather(machine: &Machine, results: &Path) -> Self {
        let (cpu, drops) = (machine.cpu_times(), machine.udp_receive_drops());
        let until = clock::now() + LOOKING;
        let timer_us = timer();
        let sockets = net::probe().map_err(|error| error.to_string());
        let clock_read_ns = clock_read_ns();
        let (temporary, results_place) = (place(&std::env::temp_dir()), place(results));
        // Time is only stolen from who wants it.
        while clock::now() < until {
            std::hint::spin_loop();
        }
        let more = |after: Option<u64>| Some(after?.saturating_sub(drops?));
        let steal = cpu.zip(machine.cpu_times());
        Self {
            timer_us,
            clock_source: machine.clock_source(),
            clock_read_ns,
            sockets,
            descriptors: process::descriptor_limits(),
            free_ports: machine.free_ports(),
            tracked_flows: machine.tracked_flows(),
            loopback_mtu: machine.loopback_mtu(),
            cores: process::cores(),
            smt: machine.has_smt(),
            governor: machine.governor(),
            steal_share: steal.and_then(|(before, after)| after.steal_share_since(&before)),
            receive_drops: more(machine.udp_receive_drops()),
            huge_pages: machine.huge_pages(),
            memory: machine.memory(),
            temporary,
            results: results_place,
            browser: browser(),
            floor: floor(results),
        }
    }
}

/// How late this thread wakes, waiting as a worker does.
fn timer() -> Option<[u64; 3]> {
    process::wake_precisely();
    let trust = Trust {
        fingerprint: Fingerprint::parse(&"0".repeat(64))?,
        key_exchange: KeyExchange::X25519,
        resumption: false,
    };
    let mut client = Client::new(Driver::client(Ipv4Addr::LOCALHOST.into(), 1, trust).ok()?);
    let paces = test_pacer(&mut client);
    let worst = paces.iter().max_by_key(|pace| pace.lateness.quantile_us(0.99))?;
    let of = &worst.lateness;
    Some([of.quantile_us(0.5), of.quantile_us(0.99), of.max_us()])
}

fn clock_read_ns() -> u64 {
    let start = clock::now();
    for _ in 0..CLOCK_READS {
        std::hint::black_box(clock::now());
    }
    let each = clock::now().saturating_duration_since(start) / CLOCK_READS;
    u64::try_from(each.as_nanos()).unwrap_or(u64::MAX)
}

/// A folder, or the nearest above it that is there.
fn place(path: &Path) -> Place {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find(|path| path.is_dir()).unwrap_or(&whole);
    Place {
        path: path.to_owned(),
        file_system: process::file_system(there),
        sync_us: sync_us(there).map_err(|error| error.to_string()),
    }
}

fn sync_us(folder: &Path) -> std::io::Result<u64> {
    let path = folder.join(format!(".stentor-doctor-{}", std::process::id()));
    let timed = File::create_new(&path).and_then(|mut file| {
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let start = clock::now();
            file.write_all(&[0; SYNC_BYTES])?;
            file.sync_data()?;
            times.push(clock::now().saturating_duration_since(start));
        }
        times.sort_unstable();
        Ok(u64::try_from(times[SYNCS / 2].as_micros()).unwrap_or(u64::MAX))
    });
    // What is left behind says whose it is.
    fs::remove_file(&path).ok();
    timed
}

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let all = std::env::split_paths(&folders).collect::<Vec<_>>();
    let mut candidates = BROWSERS.iter().flat_map(|name| all.iter().map(move |at| at.join(name)));
    candidates.find(|path| path.is_file())
}

fn floor(results: &Path) -> Option<Floor> {
    let record = folder::read_host(results)?;
    let first = record.f3.first()?;
    Some(Floor {
        members: first.members,
        bytes: first.bytes,
        cpu_us_per_delivery: first.cpu_us_per_delivery.median,
        measured_utc: record.measured_utc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_files_is_looked_at_with_what_is_tried_on_this_one() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        put("proc/stat", "cpu  1 0 1 1 0 0 0 0 0 0\n");
        let results = root.path().join("not/there/yet");
        let facts = Facts::gather(&Machine::under(root.path()), &results);
        assert_eq!(facts.governor.as_deref(), Some("powersave"));
        assert_eq!((facts.steal_share, facts.receive_drops), (None, None));
        assert!(facts.timer_us.is_some() && facts.sockets.is_ok() && facts.clock_read_ns > 0);
        assert!(facts.results.sync_us.is_ok(), "{:?}", facts.results);
        assert_eq!(facts.floor, None);
        let left = fs::read_dir(root.path()).unwrap().count();
        assert_eq!(left, 2, "nothing is left behind");
    }
}
