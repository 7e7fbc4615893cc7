//! What the kernel says of the machine as a whole: who else takes its time, how it is set up.
//!
//! Reads text under /proc and /sys, or under whatever stands for them in a test. What cannot be read
//! is absent.

use std::fs;
use std::path::{Path, PathBuf};

/// A machine's books.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// Processor time of all cores since the machine started, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Of every kind, idle included.
    pub total: u64,
    /// What another guest of the same host had instead of this machine.
    pub steal: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What programs could have without anything being swapped.
    pub available: u64,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self::under(Path::new("/"))
    }

    /// One whose `proc` and `sys` are in a folder.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Processor time so far.
    #[must_use]
    pub fn cpu_times(&self) -> Option<CpuTimes> {
        let stat = self.read("proc/stat")?;
        let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> =
            all.split_ascii_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
        // Guests' time, the last two, is counted as user time already (proc(5)).
        Some(CpuTimes { total: ticks.iter().take(8).sum(), steal: *ticks.get(7)? })
    }

    /// Receives of UDP that found the socket's buffer full, on the whole machine, over either
    /// version of IP.
    #[must_use]
    pub fn udp_receive_drops(&self) -> Option<u64> {
        let four = self.read("proc/net/snmp")?;
        let mut udp = four.lines().filter_map(|line| line.strip_prefix("Udp:"));
        let (names, values) = (udp.next()?, udp.next()?);
        let at = names.split_ascii_whitespace().position(|name| name == "RcvbufErrors")?;
        let four: u64 = values.split_ascii_whitespace().nth(at)?.parse().ok()?;
        let six = self.read("proc/net/snmp6").unwrap_or_default();
        let six = six.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
        Some(four + six.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
    }

    /// How the first core's frequency is governed; `None` where the host decides.
    #[must_use]
    pub fn governor(&self) -> Option<String> {
        self.word("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    }

    /// Whether two threads share a core.
    #[must_use]
    pub fn has_smt(&self) -> Option<bool> {
        self.word("sys/devices/system/cpu/smt/active").map(|active| active == "1")
    }

    /// What time is read from.
    #[must_use]
    pub fn clock_source(&self) -> Option<String> {
        self.word("sys/devices/system/clocksource/clocksource0/current_clocksource")
    }

    /// Which memory gets huge pages unasked: `always`, `madvise` or `never`.
    #[must_use]
    pub fn huge_pages(&self) -> Option<String> {
        let all = self.read("sys/kernel/mm/transparent_hugepage/enabled")?;
        let chosen = all.split_ascii_whitespace().find_map(|word| word.strip_prefix('['));
        Some(chosen?.trim_end_matches(']').to_owned())
    }

    /// Largest packet of the loopback interface, in bytes.
    #[must_use]
    pub fn loopback_mtu(&self) -> Option<u64> {
        self.number("sys/class/net/lo/mtu")
    }

    /// How many ports a socket may get that asks for any.
    #[must_use]
    pub fn free_ports(&self) -> Option<u64> {
        let range = self.read("proc/sys/net/ipv4/ip_local_port_range")?;
        let mut ends = range.split_ascii_whitespace().map(str::parse::<u64>);
        let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
        Some((last + 1).saturating_sub(first))
    }

    /// Flows that the firewall follows, and at most; `None` where it follows none.
    #[must_use]
    pub fn tracked_flows(&self) -> Option<(u64, u64)> {
        let at = |name: &str| self.number(&format!("proc/sys/net/netfilter/nf_conntrack_{name}"));
        Some((at("count")?, at("max")?))
    }

    /// Memory, now.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        let info = self.read("proc/meminfo")?;
        let of = |field| super::status_bytes(&info, field);
        Some(Memory { total: of("MemTotal:"), available: of("MemAvailable:") })
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn word(&self, path: &str) -> Option<String> {
        self.read(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.word(path)?.parse().ok()
    }
}

impl CpuTimes {
    /// Of the time from `before` to this, the share that was stolen; `None` if no time has passed.
    #[must_use]
    pub fn steal_share_since(&self, before: &Self) -> Option<f64> {
        let passed = self.total.saturating_sub(before.total);
        let stolen = self.steal.saturating_sub(before.steal);
        (passed > 0).then(|| stolen as f64 / passed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of files.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::under(root.path());
        (root, machine)
    }

    #[test]
    fn steal_is_a_share_of_all_time_and_guests_are_not_counted_twice() {
        let (_root, machine) =
            machine(&[("proc/stat", "cpu  100 0 50 800 10 5 5 30 60 0\ncpu0 1 2 3\n")]);
        let now = machine.cpu_times().unwrap();
        assert_eq!(now, CpuTimes { total: 1_000, steal: 30 });
        let before = CpuTimes { total: 900, steal: 25 };
        assert_eq!(now.steal_share_since(&before), Some(0.05));
        assert_eq!(now.steal_share_since(&now), None);
    }

    #[test]
    fn drops_of_both_versions_of_ip_are_added() {
        let four = "Ip: A B\nIp: 1 2\nUdp: InDatagrams NoPorts RcvbufErrors SndbufErrors\n\
                    Udp: 1 2 33 4\nUdpLite: RcvbufErrors\nUdpLite: 9\n";
        let (_root, both) =
            machine(&[("proc/net/snmp", four), ("proc/net/snmp6", "Udp6RcvbufErrors   \t7\n")]);
        assert_eq!(both.udp_receive_drops(), Some(40));
        let (_root, one) = machine(&[("proc/net/snmp", four)]);
        assert_eq!(one.udp_receive_drops(), Some(33));
    }

    #[test]
    fn how_a_machine_is_set_up_is_read_as_the_kernel_writes_it() {
        let (_root, machine) = machine(&[
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/smt/active", "1\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("sys/class/net/lo/mtu", "65536\n"),
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("proc/sys/net/netfilter/nf_conntrack_count", "12\n"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
            ("proc/meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\n"),
        ]);
        assert_eq!(machine.governor().as_deref(), Some("powersave"));
        assert_eq!(machine.has_smt(), Some(true));
        assert_eq!(machine.clock_source().as_deref(), Some("tsc"));
        assert_eq!(machine.huge_pages().as_deref(), Some("madvise"));
        assert_eq!(machine.loopback_mtu(), Some(65_536));
        assert_eq!(machine.free_ports(), Some(28_232));
        assert_eq!(machine.tracked_flows(), Some((12, 65_536)));
        let memory = Memory { total: 2 << 20, available: 1 << 20 };
        assert_eq!(machine.memory(), Some(memory));
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let (_root, machine) =
            machine(&[("proc/stat", "cpu  1 2\n"), ("proc/net/snmp", "Udp: A\n")]);
        assert_eq!((machine.cpu_times(), machine.udp_receive_drops()), (None, None));
        assert_eq!((machine.governor(), machine.tracked_flows()), (None, None));
        assert_eq!((machine.memory(), machine.free_ports()), (None, None));
    }

    #[test]
    fn this_machine_has_had_time_and_memory() {
        let here = Machine::here();
        assert!(here.cpu_times().unwrap().total > 0);
        assert!(here.memory().unwrap().available > 0);
    }
}
