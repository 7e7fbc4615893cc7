//! What facts about a machine mean for measuring on it, and what to change.
//!
//! Pure: every rule is a test.

use serde::Serialize;

use super::facts::{Facts, Place};
use crate::limits::{
    CLOCK_READ_NS_WEAK, DESCRIPTORS_SPARED, FLOOR_RECEIVERS, LATENESS_P99_US_MAX,
    LOOPBACK_MTU_WEAK, MEMORY_BYTES_WEAK, SOCKET_BUFFER_BYTES, STEAL_SHARE_WARN, TIMER_P99_US_WEAK,
    TRACKED_SHARE_WEAK,
};

/// What a fact means for results of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// Nothing to change.
    Ok,
    /// Results are honest, and worse or noisier than they could be.
    Weak,
    /// No honest run is possible.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) fact: String,
    /// What that means.
    pub(super) verdict: Grade,
    /// What to do about it; `None` if nothing.
    pub(super) change: Option<String>,
}

impl Grade {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Weak => "weak",
            Self::Bad => "bad",
        }
    }
}

/// Everything that facts say, in the order in which it matters.
pub(super) fn of(facts: &Facts) -> Vec<Finding> {
    let parts = [timing(facts), sockets(facts), cores(facts), memory(facts), places(facts)];
    parts.into_iter().flatten().collect()
}

fn ok(name: &'static str, fact: impl Into<String>) -> Finding {
    Finding { name, fact: fact.into(), verdict: Grade::Ok, change: None }
}

/// Weak if `is_weak`, with what to change.
fn weak_if(is_weak: bool, change: impl Into<String>, finding: Finding) -> Finding {
    if is_weak {
        Finding { verdict: Grade::Weak, change: Some(change.into()), ..finding }
    } else {
        finding
    }
}

fn unknown(name: &'static str) -> Finding {
    ok(name, "not told by the kernel")
}

const QUIET: &str = "stop what else runs here; give a virtual machine cores of its own";

fn timing(facts: &Facts) -> Vec<Finding> {
    let timer = facts.timer_us.map_or_else(
        || bad("timer", "cannot be tried: no socket on the loopback address", "ip link set lo up"),
        |[p50, p99, max]| {
            let fact = format!("wakes {p50} us late (median), {p99} us (p99), {max} us at most");
            if p99 > LATENESS_P99_US_MAX {
                bad("timer", fact, QUIET)
            } else {
                weak_if(p99 > TIMER_P99_US_WEAK, QUIET, ok("timer", fact))
            }
        },
    );
    let source = facts.clock_source.as_deref().unwrap_or("not told by the kernel");
    let clock = ok("clock", format!("{source}, {} ns a reading", facts.clock_read_ns));
    let change = "boot with clocksource=tsc, if the processor's is invariant";
    let steal = facts.steal_share.map_or_else(
        || unknown("steal"),
        |share| {
            let fact = format!("{:.1}% of the last second went to other guests", share * 100.0);
            let change = "a host that is not shared, or cores of its own for this machine";
            weak_if(share > STEAL_SHARE_WARN, change, ok("steal", fact))
        },
    );
    vec![timer, weak_if(facts.clock_read_ns > CLOCK_READ_NS_WEAK, change, clock), steal]
}

fn bad(name: &'static str, fact: impl Into<String>, change: impl Into<String>) -> Finding {
    Finding { name, fact: fact.into(), verdict: Grade::Bad, change: Some(change.into()) }
}

fn sockets(facts: &Facts) -> Vec<Finding> {
    let mut found = match &facts.sockets {
        Err(why) => vec![bad("sockets", why.clone(), "ip link set lo up")],
        Ok(probe) => {
            let granted = probe.buffer_bytes;
            let wanted = SOCKET_BUFFER_BYTES;
            let fact = format!("{granted} bytes granted of {wanted} wanted");
            let change = format!("sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}");
            let trains = |name, works, kernel: &str| {
                let fact = if works { "works" } else { "does not work" };
                let change = format!("Linux {kernel} or newer");
                weak_if(!works, change, ok(name, fact))
            };
            vec![
                weak_if(granted < wanted, change, ok("UDP buffers", fact)),
                trains("GSO", probe.sends_trains, "4.18"),
                trains("GRO", probe.receives_trains, "5.0"),
            ]
        }
    };
    found.push(facts.receive_drops.map_or_else(
        || unknown("UDP drops"),
        |drops| {
            let fact = format!("{drops} receives dropped on the whole machine in the last second");
            weak_if(drops > 0, "find whose: ss -uamp shows drops as d", ok("UDP drops", fact))
        },
    ));
    let mtu = facts.loopback_mtu.map_or_else(
        || unknown("loopback MTU"),
        |mtu| {
            let ok = ok("loopback MTU", format!("{mtu} bytes"));
            weak_if(mtu < LOOPBACK_MTU_WEAK, "ip link set lo mtu 65536", ok)
        },
    );
    found.push(mtu);
    found.extend([descriptors(facts), ports(facts)]);
    found.extend(facts.tracked_flows.map(|(now, most)| {
        let fact = format!("the firewall follows {now} flows of at most {most}");
        let change = format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(4));
        let full = now as f64 > most as f64 * TRACKED_SHARE_WEAK;
        weak_if(full, change, ok("conntrack", fact))
    }));
    found
}

fn descriptors(facts: &Facts) -> Finding {
    let Some((now, most)) = facts.descriptors else { return unknown("descriptors") };
    let wanted = u64::from(FLOOR_RECEIVERS) + DESCRIPTORS_SPARED;
    let fact = format!("{now} may be open, {most} if asked for; `floor` opens {wanted}");
    let change = format!("ulimit -Hn {wanted}, as root; or LimitNOFILE={wanted} of the unit");
    weak_if(most < wanted, change, ok("descriptors", fact))
}

fn ports(facts: &Facts) -> Finding {
    let Some(ports) = facts.free_ports else { return unknown("ports") };
    let fact = format!("{ports} for sockets that take any");
    let change = "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"";
    weak_if(ports < u64::from(FLOOR_RECEIVERS), change, ok("ports", fact))
}

fn cores(facts: &Facts) -> Vec<Finding> {
    let (cores, plural) = (facts.cores, if facts.cores == 1 { "" } else { "s" });
    let fact = format!("{cores} core{plural} for this process");
    let change =
        "two or more, so that server and engine have one each; or --target another machine";
    let smt = match facts.smt {
        None => unknown("SMT"),
        Some(active) => {
            let fact = if active { "on: two threads share a core" } else { "off" };
            weak_if(active, "echo off > /sys/devices/system/cpu/smt/control", ok("SMT", fact))
        }
    };
    let governor = facts.governor.as_deref().map_or_else(
        || ok("governor", "not seen from here: the host decides"),
        |governor| {
            let change = "cpupower frequency-set -g performance";
            weak_if(governor != "performance", change, ok("governor", governor))
        },
    );
    vec![weak_if(cores < 2, change, ok("cores", fact)), smt, governor]
}

fn memory(facts: &Facts) -> Vec<Finding> {
    let memory = facts.memory.map_or_else(
        || unknown("memory"),
        |memory| {
            let (free, all) = (memory.available >> 20, memory.total >> 20);
            let change = "stop what else runs here, or take smaller scenarios";
            let fact = ok("memory", format!("{free} MiB available of {all}"));
            weak_if(memory.available < MEMORY_BYTES_WEAK, change, fact)
        },
    );
    let huge = facts.huge_pages.as_deref().map_or_else(
        || unknown("huge pages"),
        |given| {
            let change = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled: given unasked, \
                          they make memory for each member look larger than it is";
            weak_if(given == "always", change, ok("huge pages", given))
        },
    );
    vec![memory, huge]
}

fn places(facts: &Facts) -> Vec<Finding> {
    let temporary = written("TMPDIR", &facts.temporary, |name, why| {
        let change = "TMPDIR=/var/tmp: the log of durable groups is kept there";
        weak_if(true, change, ok(name, why))
    });
    let in_memory = matches!(facts.temporary.file_system.as_deref(), Some("tmpfs" | "ramfs"));
    let change = "TMPDIR=/var/tmp: in memory a sync costs nothing, so durable groups prove nothing";
    let results = written("results", &facts.results, |name, why| {
        bad(name, why, "another folder, with --results here and --out of the others")
    });
    let browser = facts.browser.as_ref().map_or_else(
        || {
            weak_if(
                true,
                "apt-get install chromium: only tests want it",
                ok("browser", "no Chromium"),
            )
        },
        |path| ok("browser", path.display().to_string()),
    );
    let floor = facts.floor.as_ref().map_or_else(
        || weak_if(true, "stentor floor", ok("floor", "not measured here")),
        |of| {
            ok(
                "floor",
                format!(
                    "{:.2} us CPU for {} B to each of {} members, measured {}",
                    of.cpu_us_per_delivery, of.bytes, of.members, of.measured_utc
                ),
            )
        },
    );
    vec![weak_if(in_memory, change, temporary), results, browser, floor]
}

/// A place that is written to, or what its caller makes of why it cannot be.
fn written(
    name: &'static str,
    place: &Place,
    otherwise: impl FnOnce(&'static str, String) -> Finding,
) -> Finding {
    let kind = place.file_system.as_deref().unwrap_or("unknown file system");
    let path = place.path.display();
    match &place.sync_us {
        Ok(us) => ok(name, format!("{path}: {kind}, {us} us to write 4 KiB and sync")),
        Err(why) => otherwise(name, format!("{path}: {kind}, {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Floor;
    use super::*;
    use crate::net::Probe;
    use crate::process::Memory;

    /// A machine that nothing is wrong with.
    fn good() -> Facts {
        let place = |path: &str| Place {
            path: path.into(),
            file_system: Some("ext4".to_owned()),
            sync_us: Ok(900),
        };
        Facts {
            timer_us: Some([2, 9, 40]),
            clock_source: Some("tsc".to_owned()),
            clock_read_ns: 25,
            sockets: Ok(Probe {
                buffer_bytes: SOCKET_BUFFER_BYTES,
                sends_trains: true,
                receives_trains: true,
            }),
            descriptors: Some((1_024, 1 << 20)),
            free_ports: Some(28_232),
            tracked_flows: None,
            loopback_mtu: Some(65_536),
            cores: 2,
            smt: Some(false),
            governor: Some("performance".to_owned()),
            steal_share: Some(0.0),
            receive_drops: Some(0),
            huge_pages: Some("madvise".to_owned()),
            memory: Some(Memory { total: 8 << 30, available: 6 << 30 }),
            temporary: place("/tmp"),
            results: place("results"),
            browser: Some("/usr/bin/chromium".into()),
            floor: Some(Floor {
                members: 1_000,
                bytes: 350,
                cpu_us_per_delivery: 2.5,
                measured_utc: "2026-01-31T23:59:59Z".to_owned(),
            }),
        }
    }

    /// One change makes one finding differ, and that is what it says to do.
    fn check(change: impl FnOnce(&mut Facts), name: &str, verdict: Grade, says: &str) {
        let mut facts = good();
        change(&mut facts);
        let found = of(&facts);
        let worse: Vec<_> = found.iter().filter(|one| one.verdict != Grade::Ok).collect();
        assert_eq!(worse.len(), 1, "{worse:?}");
        assert_eq!((worse[0].name, worse[0].verdict), (name, verdict), "{worse:?}");
        let change = worse[0].change.as_deref().unwrap();
        assert!(change.contains(says), "{change}");
    }

    #[test]
    fn a_machine_that_nothing_is_wrong_with_has_nothing_to_change() {
        for one in of(&good()) {
            assert_eq!((one.verdict, one.change.as_deref()), (Grade::Ok, None), "{one:?}");
        }
    }

    #[test]
    fn every_weakness_is_named_with_what_to_do_about_it() {
        use Grade::Weak;
        let probe = |facts: &mut Facts, change: fn(&mut Probe)| {
            facts.sockets.iter_mut().for_each(change);
        };
        check(|f| f.timer_us = Some([900, 1_001, 3_000]), "timer", Weak, "cores of its own");
        check(|f| f.clock_read_ns = 1_500, "clock", Weak, "clocksource=tsc");
        check(|f| f.steal_share = Some(0.02), "steal", Weak, "not shared");
        check(
            |f| probe(f, |p| p.buffer_bytes = 212_992),
            "UDP buffers",
            Weak,
            "sysctl -w net.core.rmem_max=",
        );
        check(|f| probe(f, |p| p.receives_trains = false), "GRO", Weak, "Linux 5.0");
        check(|f| f.receive_drops = Some(1), "UDP drops", Weak, "ss -uamp");
        check(|f| f.loopback_mtu = Some(1_200), "loopback MTU", Weak, "ip link set lo mtu 65536");
        check(|f| f.descriptors = Some((256, 256)), "descriptors", Weak, "ulimit -Hn");
        check(|f| f.free_ports = Some(100), "ports", Weak, "ip_local_port_range");
        check(|f| f.tracked_flows = Some((95, 100)), "conntrack", Weak, "nf_conntrack_max=400");
        check(|f| f.cores = 1, "cores", Weak, "two or more");
        check(|f| f.smt = Some(true), "SMT", Weak, "smt/control");
        check(|f| f.governor = Some("powersave".into()), "governor", Weak, "-g performance");
        check(|f| f.huge_pages = Some("always".into()), "huge pages", Weak, "echo madvise");
        check(
            |f| f.memory = Some(Memory { total: 1 << 30, available: 1 << 20 }),
            "memory",
            Weak,
            "smaller",
        );
        check(
            |f| f.temporary.file_system = Some("tmpfs".into()),
            "TMPDIR",
            Weak,
            "TMPDIR=/var/tmp",
        );
        check(|f| f.temporary.sync_us = Err("denied".into()), "TMPDIR", Weak, "TMPDIR=/var/tmp");
        check(|f| f.browser = None, "browser", Weak, "apt-get install chromium");
        check(|f| f.floor = None, "floor", Weak, "stentor floor");
    }

    #[test]
    fn what_makes_every_run_a_lie_or_impossible_is_bad() {
        use Grade::Bad;
        check(
            |f| f.timer_us = Some([1, LATENESS_P99_US_MAX + 1, 1 << 20]),
            "timer",
            Bad,
            "stop what else runs",
        );
        check(|f| f.results.sync_us = Err("read-only".into()), "results", Bad, "--results");
        check(|f| f.sockets = Err("no".into()), "sockets", Bad, "ip link set lo up");
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_no_fault() {
        let mut facts = good();
        (facts.clock_source, facts.smt, facts.governor, facts.huge_pages) =
            (None, None, None, None);
        (facts.descriptors, facts.free_ports, facts.loopback_mtu) = (None, None, None);
        (facts.memory, facts.steal_share, facts.receive_drops) = (None, None, None);
        assert!(of(&facts).iter().all(|one| one.verdict == Grade::Ok));
    }
}
