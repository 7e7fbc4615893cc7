//! What a run shows while it works: bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::embedded::Embedded;
use super::metrics::Snapshot;
use crate::load::intervals::{Interval, Metric};
use crate::load::setup::Stage;
use crate::load::{Observer, Progress, Watch};
use crate::report::summary::{decimal, duration};

/// How often a line is written while the load runs and nobody watches a terminal.
pub(super) const LINE_EVERY: Duration = Duration::from_secs(5);

/// Writes to standard error, which is not the result.
#[derive(Debug)]
pub(super) struct Screen {
    bar: ProgressBar,
    surface: Surface,
    /// Whoever else is told how a run is going.
    metrics: Option<watch::Sender<Snapshot>>,
}

/// What there is to write on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    /// Somebody watches: bars.
    Terminal,
    /// A file or a pipe: lines.
    Lines,
    /// Nobody wants to know.
    Nothing,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self::on(if terminal { Surface::Terminal } else { Surface::Lines })
    }

    /// One that shows nothing at all.
    pub(super) fn quiet() -> Self {
        Self::on(Surface::Nothing)
    }

    fn on(surface: Surface) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, surface, metrics: None }
    }

    /// Tells `metrics`, too, how a run is going.
    pub(super) fn publish_to(&mut self, metrics: watch::Sender<Snapshot>) {
        self.metrics = Some(metrics);
    }

    /// Starts a step of `total` units.
    pub(super) fn step(&mut self, what: &str, total: u64) {
        self.bar.finish_and_clear();
        match self.surface {
            Surface::Nothing => return,
            Surface::Lines => return line(what),
            Surface::Terminal => {}
        }
        let style = "{msg:24} {wide_bar:.cyan/dim} {percent:>3}% {elapsed:>4}";
        let style = ProgressStyle::with_template(style).expect("the template is well-formed");
        self.bar = ProgressBar::new(total).with_style(style).with_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Says something that stays.
    pub(super) fn say(&self, what: &str) {
        if self.surface != Surface::Nothing {
            self.bar.suspend(|| line(what));
        }
    }

    /// Leaves nothing behind.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// So many units of the step are done, and `what` is under way: on a terminal at once, elsewhere
    /// with a line if it is `due`.
    pub(super) fn at(&self, done: u64, what: &str, due: bool) {
        match self.surface {
            Surface::Terminal => {
                self.bar.set_position(done);
                self.bar.set_message(what.to_owned());
            }
            Surface::Lines if due => line(&format!("  {what}")),
            Surface::Lines | Surface::Nothing => {}
        }
    }

    /// A counter for the step under way that many threads may advance.
    pub(super) fn counter(&self) -> impl Fn(u64) + Sync + use<> {
        let bar = self.bar.clone();
        let done = AtomicU64::new(0);
        move |more| bar.set_position(done.fetch_add(more, Ordering::Relaxed) + more)
    }
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn line(what: &str) {
    eprintln!("{what}");
    // Nobody to tell if it fails.
    std::io::stderr().flush().ok();
}

/// Shows a run and looks after its server.
#[derive(Debug)]
pub(super) struct Show<'a> {
    pub(super) screen: &'a mut Screen,
    pub(super) server: Option<&'a mut Embedded>,
    stage: Option<Stage>,
    running: bool,
    line_next: Duration,
    /// What came of the interval that was over last.
    last: Option<Last>,
}

/// What an interval came to, for each second of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Last {
    due: f64,
    accepted: f64,
    deliveries: f64,
    response_p99_us: Option<u64>,
}

impl From<&Interval> for Last {
    fn from(of: &Interval) -> Self {
        let each = |count: u64| count as f64 / of.seconds();
        let response = of.of(Metric::Response);
        Self {
            due: each(of.due),
            accepted: each(of.accepted),
            deliveries: each(of.deliveries),
            response_p99_us: (response.count > 0).then_some(response.p99_us),
        }
    }
}

/// How a run is going, in a line: achieved against offered of the last interval, and how fast.
fn text(progress: &Progress, last: Option<Last>) -> String {
    let (elapsed, offered) = (progress.elapsed.as_secs_f64(), progress.offered.as_secs_f64());
    let rates = last.map_or_else(
        || format!("{} due, {} deliveries", progress.due, progress.deliveries),
        |last| {
            let p99 = last.response_p99_us.map_or_else(|| "-".to_owned(), duration);
            format!(
                "{}/s of {}/s due, p99 {p99}, {} deliveries/s",
                decimal(last.accepted),
                decimal(last.due),
                decimal(last.deliveries)
            )
        },
    );
    format!(
        "{elapsed:.0} of {offered:.0} s: {rates}, {} in flight, {} violations",
        progress.in_flight, progress.violations
    )
}

impl<'a> Show<'a> {
    pub(super) fn new(screen: &'a mut Screen, server: Option<&'a mut Embedded>) -> Self {
        Self { screen, server, stage: None, running: false, line_next: LINE_EVERY, last: None }
    }
}

impl Observer for Show<'_> {
    fn progress(&mut self, progress: Progress) {
        let Progress { elapsed, offered, .. } = progress;
        if !self.running {
            self.running = true;
            let seconds = offered.as_secs_f64();
            let millis = u64::try_from(offered.as_millis()).unwrap_or(u64::MAX);
            self.screen.step(&format!("loading for {seconds:.1} s"), millis);
        }
        if let Some(metrics) = &self.screen.metrics {
            metrics.send_modify(|snapshot| snapshot.show(progress));
        }
        if self.screen.surface == Surface::Terminal {
            let millis = u64::try_from(elapsed.min(offered).as_millis()).unwrap_or(u64::MAX);
            self.screen.bar.set_position(millis);
            self.screen.bar.set_message(text(&progress, self.last));
        } else if elapsed >= self.line_next {
            self.line_next += LINE_EVERY;
            if self.screen.surface == Surface::Lines {
                line(&text(&progress, self.last));
            }
        }
    }

    fn interval(&mut self, interval: &Interval) {
        self.last = Some(Last::from(interval));
        if let Some(metrics) = &self.screen.metrics {
            metrics.send_modify(|snapshot| snapshot.add(interval));
        }
    }

    fn server_ended(&mut self) -> Option<String> {
        self.server.as_mut().and_then(|server| server.ended())
    }
}

impl Watch for Show<'_> {
    fn stage(&mut self, stage: Stage, done: u32, total: u32) {
        if self.stage != Some(stage) {
            self.stage = Some(stage);
            let what = match stage {
                Stage::Connecting => format!("connecting {total} sessions"),
                Stage::Creating => format!("creating {total} groups"),
                Stage::Publishing => format!("publishing KeyPackages of {total} joiners"),
                Stage::Attaching => format!("attaching {total} members"),
            };
            self.screen.step(&what, u64::from(total));
        }
        self.screen.bar.set_position(u64::from(done));
    }

    fn verifying(&mut self, messages: u64) {
        self.screen.step(&format!("verifying {messages} deliveries with OpenMLS"), messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_was_achieved_against_what_was_offered_and_how_fast() {
        let progress = Progress {
            elapsed: Duration::from_secs(12),
            offered: Duration::from_secs(60),
            due: 24_000,
            in_flight: 3,
            deliveries: 2_400_000,
            violations: 1,
        };
        let first = "12 of 60 s: 24000 due, 2400000 deliveries, 3 in flight, 1 violations";
        assert_eq!(text(&progress, None), first);
        let last = Last {
            due: 2_000.0,
            accepted: 1_990.0,
            deliveries: 199_000.0,
            response_p99_us: Some(1_234),
        };
        let then = "12 of 60 s: 1990/s of 2000/s due, p99 1.23 ms, 199000 deliveries/s, 3 in flight, \
                    1 violations";
        assert_eq!(text(&progress, Some(last)), then);
        let nothing = text(&progress, Some(Last { response_p99_us: None, ..last }));
        assert!(nothing.contains("p99 -,"), "{nothing}");
    }
}
