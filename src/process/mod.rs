//! What the kernel says of this process and machine: the only reader of /proc, the only pinner.
//!
//! Also ties this process's life to its parent's. Called at the edges of a measurement, never
//! inside a hot loop. What cannot be read is zero or absent: a figure that is missing, never a
//! reason to stop.

mod machine;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

pub use machine::{CpuTimes, Machine, Memory};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};

/// Processor time and memory of one process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Microseconds in user mode, all threads.
    pub cpu_user_us: u64,
    /// Microseconds in the kernel, all threads.
    pub cpu_system_us: u64,
    /// Resident bytes now.
    pub rss_bytes: u64,
    /// Resident bytes at most so far.
    pub rss_peak_bytes: u64,
}

impl Usage {
    /// Of this process.
    #[must_use]
    pub fn own() -> Self {
        let (cpu_user_us, cpu_system_us) = getrusage(UsageWho::RUSAGE_SELF)
            .map_or((0, 0), |usage| (micros(usage.user_time()), micros(usage.system_time())));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu_user_us,
            cpu_system_us,
            rss_bytes: status_bytes(&status, "VmRSS:"),
            rss_peak_bytes: status_bytes(&status, "VmHWM:"),
        }
    }

    /// Of any process, by the kernel's books: processor time in steps of a clock tick, rounded
    /// down for each of the two kinds. `None` when there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let (user, system) = stat_ticks(&stat)?;
        let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Some(Self {
            cpu_user_us: user * tick_us,
            cpu_system_us: system * tick_us,
            rss_bytes: status_bytes(&status, "VmRSS:"),
            rss_peak_bytes: status_bytes(&status, "VmHWM:"),
        })
    }

    /// Processor time of either kind.
    #[must_use]
    pub fn cpu_us(&self) -> u64 {
        self.cpu_user_us + self.cpu_system_us
    }
}

/// Processor time of the calling thread alone, in user mode and in the kernel, to the nanosecond.
/// `getrusage` gives the same as of the last tick or sleep: too coarse for milliseconds.
#[must_use]
pub fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Processor time of all threads of this process, to the nanosecond.
#[must_use]
pub fn process_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Cores that this process may run on.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps the calling thread on one core; false where the system does not let it.
pub fn pin_to_core(core: usize) -> bool {
    pin_to_cores(core..core + 1)
}

/// Keeps the calling thread, and the threads it starts from now on, on some cores; false where
/// the system does not let it.
pub fn pin_to_cores(cores: Range<usize>) -> bool {
    pin_to(cores)
}

fn pin_to(mut cores: impl Iterator<Item = usize>) -> bool {
    let mut set = CpuSet::new();
    cores.all(|core| set.set(core).is_ok()) && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
}

/// Keeps the calling thread, and the threads it starts from now on, on some of the cores that it may
/// run on by now, counted from 0; false where there are not so many, or the system does not let it.
pub fn pin_to_own_cores(range: Range<usize>) -> bool {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return false };
    let own = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
    let chosen: Vec<usize> = own.skip(range.start).take(range.len()).collect();
    chosen.len() == range.len() && pin_to(chosen.into_iter())
}

/// How many descriptors this process may open: now, and at most if it asks.
#[must_use]
pub fn descriptor_limits() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// Lets this process, and those it starts from now on, open as many descriptors as the system
/// allows it: how many that is.
#[must_use]
pub fn raise_descriptor_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// Bytes that went over the loopback interface so far, with the headers of every packet.
#[must_use]
pub fn loopback_bytes() -> u64 {
    interface_bytes(&fs::read_to_string("/proc/net/dev").unwrap_or_default(), "lo")
}

/// Makes the calling thread give way to others that want its core.
pub fn step_back() -> bool {
    rustix::process::nice(10).is_ok()
}

/// Lets the calling thread wake as close to its deadline as the kernel can, instead of up to 50
/// microseconds late.
pub fn wake_precisely() -> bool {
    nix::sys::prctl::set_timerslack(1).is_ok()
}

/// From now on this process, and those it starts, get memory in the smallest pages, so that its
/// resident size says what it holds; false where the system does not let it. Costs lookups of
/// addresses: not for who is to be fast.
pub fn without_huge_pages() -> bool {
    nix::sys::prctl::set_thp_disable(true).is_ok()
}

/// From now on the death of the process that started this one is a SIGTERM to this one; false if
/// that parent, which was process `parent`, is dead already. The kernel watches the parent's
/// *thread*: who starts a process from a thread that ends, ends it.
pub fn end_with_parent(parent: u32) -> bool {
    // Asked for first, looked at second: a parent that dies between the two is still noticed.
    let asked = set_pdeathsig(Signal::SIGTERM).is_ok();
    let alive = u32::try_from(getppid().as_raw()).is_ok_and(|found| found == parent);
    asked && alive
}

/// Model name of the processor, as the kernel gives it.
#[must_use]
pub fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Release of the running kernel.
#[must_use]
pub fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.is_empty() { "unknown".to_owned() } else { release.trim().to_owned() }
}

/// Type of the file system that an absolute path is on, such as `ext4`.
#[must_use]
pub fn file_system(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    file_system_of(&mounts, &path.canonicalize().ok()?).map(str::to_owned)
}

fn micros(time: TimeVal) -> u64 {
    u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0)
}

fn status_bytes(status: &str, field: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = value.and_then(|value| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Ticks in user mode and in the kernel. The program's name may hold blanks and parentheses, so
/// fields count from its last parenthesis (proc(5), fields 14 and 15).
fn stat_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut tick = || fields.next()?.parse().ok();
    Some((tick()?, tick()?))
}

/// Bytes that an interface has received: on loopback also what it sent.
fn interface_bytes(table: &str, interface: &str) -> u64 {
    let own = |line: &str| {
        let counters = line.trim().strip_prefix(interface)?.strip_prefix(':')?;
        counters.split_ascii_whitespace().next()?.parse().ok()
    };
    table.lines().find_map(own).unwrap_or(0)
}

/// The innermost mount that `path` is within, and of several there the last: it hides the others.
fn file_system_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounted = |line: &'a str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    };
    let around = mounts.lines().filter_map(mounted).filter(|(at, _)| path.starts_with(at));
    around.max_by_key(|(at, _)| at.components().count()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let usage = Usage::own();
        assert!(usage.rss_bytes > 1 << 20);
        assert!(usage.rss_peak_bytes >= usage.rss_bytes);
    }

    #[test]
    fn a_thread_that_computes_uses_time_however_short() {
        let before = thread_cpu();
        std::hint::black_box((0..1_000_u64).map(std::hint::black_box).sum::<u64>());
        assert!(thread_cpu() > before);
    }

    #[test]
    fn a_thread_is_kept_on_the_cores_that_it_was_given_counted_from_its_own_first() {
        let kept = std::thread::spawn(|| {
            let all = cores();
            assert!(!pin_to_own_cores(all..all + 1), "there are {all}");
            // Of the last alone there is a first, whatever its number is, and no second.
            assert!(pin_to_own_cores(all - 1..all));
            assert_eq!(cores(), 1);
            assert!(pin_to_own_cores(0..1) && !pin_to_own_cores(1..2));
        });
        kept.join().unwrap();
    }

    #[test]
    fn any_process_is_observed_until_it_is_gone() {
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.rss_bytes > 1 << 20);
        assert_eq!(Usage::of(u32::MAX), None);
    }

    #[test]
    fn a_program_may_be_named_with_blanks_and_parentheses() {
        let stat = "7 (a ) S (b) S 1 7 7 0 -1 4 1 2 3 4 55 66 0 0 20 0 1 0";
        assert_eq!(stat_ticks(stat), Some((55, 66)));
        assert_eq!(stat_ticks("7 (cut) S 1 2"), None);
        assert_eq!(stat_ticks(""), None);
    }

    #[test]
    fn an_interface_is_found_by_its_whole_name() {
        let table = "face |bytes\n  lo1: 5 1\n    lo: 1234 9 0\n";
        assert_eq!(interface_bytes(table, "lo"), 1234);
        assert_eq!(interface_bytes(table, "eth0"), 0);
    }

    #[test]
    fn a_path_is_on_the_innermost_file_system_around_it() {
        let mounts = "/dev/a / ext4 rw 0 0\nb /tmp xfs rw 0 0\nc /tmp tmpfs rw 0 0\nd /tmp/x btrfs";
        let check =
            |path, kind| assert_eq!(file_system_of(mounts, Path::new(path)), kind, "{path}");
        check("/tmp/stentor", Some("tmpfs"));
        check("/tmp/x/stentor", Some("btrfs"));
        check("/tmpo", Some("ext4"));
        assert_eq!(file_system_of("", Path::new("/tmp")), None);
        assert_eq!(file_system(Path::new("/proc/self")).as_deref(), Some("proc"));
    }

    #[test]
    fn a_status_field_is_read_in_bytes_and_an_absent_one_is_zero() {
        assert_eq!(status_bytes("VmHWM:\t  12 kB\nVmRSS:\t   3 kB\n", "VmRSS:"), 3_072);
        assert_eq!(status_bytes("", "VmRSS:"), 0);
    }
}
