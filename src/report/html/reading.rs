//! How to read a report, for who did not make it.

use maud::html;

use super::page::Section;
use crate::limits::{LATENESS_P99_US_MAX, LITTLE_ERROR_MAX, NOT_ISSUED_SHARE_MAX};
use crate::report::chart::Unit;

pub(super) fn section() -> Section {
    let body = html! {
        dl.reading {
            dt { "Response, service, lateness" }
            dd {
                "Response runs from the instant that an operation was due, as fixed before the run, to its acceptance: it is what a user waits. "
                "Service runs from when the operation was really sent. Lateness is the difference that the load generator itself made, "
                "and operations that had to wait for their sender's epoch are charged to the response too."
            }
            dt { "Coordinated omission" }
            dd {
                "A generator that waits for a slow answer before it sends again asks less just when the service is slow, and its quantiles look well. "
                "Here the schedule never waits: what is due while the service pauses is sent as soon as it can be, and charged for all of the pause. "
                "Compare service with response to see how much such a generator would have hidden."
            }
            dt { "Fan-out" }
            dd {
                "From the instant that a message was due to when members have it: the first, each one, 99% of them, the last. "
                "A group is as fast as its last member."
            }
            dt { "Verdict" }
            dd {
                "Valid: the figures describe the service. "
                "Invalid: they describe something else. Among the reasons are a p99 of lateness above "
                (Unit::Micros.tick(LATENESS_P99_US_MAX as f64)) " and a tenth of the response's, more than "
                (Unit::Share.tick(NOT_ISSUED_SHARE_MAX)) " of the operations never sent, and books that do not balance: "
                "operations in flight, each followed until it is answered, must agree with their rate times mean response (Little's law) within "
                (Unit::Share.tick(LITTLE_ERROR_MAX)) ". "
                "Violated: the service broke its contract to a member, and no figure repairs that."
            }
            dt { "Quantiles" }
            dd {
                "p99 is the value that 99 of 100 do not exceed. Quantiles cannot be averaged: the mean of two p99 is the p99 of nothing. "
                "So whole histograms are kept and merged, and each quantile here is read from one of them, to three digits. "
                "The longest value is that of a single operation."
            }
            dt { "What loopback hides" }
            dd {
                "Server and members often share one machine, as the command above tells. Then there is no network: no distance, no loss, no lines of different speeds; "
                "and both sides compete for the same cores and caches. Figures of such a run compare builds and settings on that machine. "
                "They promise no latency over a real network."
            }
            dt { "Exit codes" }
            dd {
                "0: valid. 1: nothing was measured. 2: invalid. 3: violated. 99: valid, and a threshold failed."
            }
        }
    };
    Section { id: "reading", title: "How to read this", body }
}
