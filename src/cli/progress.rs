//! What a run shows while it works: bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::embedded::Embedded;
use crate::load::setup::Stage;
use crate::load::{Observer, Progress, Watch};

/// How often a line is written while the load runs and nobody watches a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Writes to standard error, which is not the result.
#[derive(Debug)]
pub(super) struct Screen {
    bar: ProgressBar,
    terminal: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()), terminal }
    }

    /// Starts a step of `total` units.
    pub(super) fn step(&mut self, what: &str, total: u64) {
        self.bar.finish_and_clear();
        if !self.terminal {
            return line(what);
        }
        let style = "{msg:24} {wide_bar:.cyan/dim} {percent:>3}% {elapsed:>4}";
        let style = ProgressStyle::with_template(style).expect("the template is well-formed");
        self.bar = ProgressBar::new(total).with_style(style).with_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Says something that stays.
    pub(super) fn say(&self, what: &str) {
        self.bar.suspend(|| line(what));
    }

    /// Leaves nothing behind.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
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
}

impl<'a> Show<'a> {
    pub(super) fn new(screen: &'a mut Screen, server: Option<&'a mut Embedded>) -> Self {
        Self { screen, server, stage: None, running: false, line_next: LINE_EVERY }
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
        let text = format!(
            "{:.0} s: {} due, {} in flight, {} deliveries, {} violations",
            elapsed.as_secs_f64(),
            progress.due,
            progress.in_flight,
            progress.deliveries,
            progress.violations
        );
        if self.screen.terminal {
            let millis = u64::try_from(elapsed.min(offered).as_millis()).unwrap_or(u64::MAX);
            self.screen.bar.set_position(millis);
            self.screen.bar.set_message(text);
        } else if elapsed >= self.line_next {
            self.line_next += LINE_EVERY;
            line(&text);
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
