//! How much a command that makes runs shows while they go on, and to whom.
//!
//! One set of arguments for all of them. Called by `run`, `sweep`, `find_max` and `contend`.

use std::net::SocketAddr;

use clap::Args;

use super::metrics::expose;
use super::progress::Screen;

/// What is shown beside the result.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Shown {
    /// Print nothing but the result.
    #[arg(long)]
    quiet: bool,
    /// The TCP address of a page of metrics of the run that goes on, /metrics, while it does.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Shown {
    /// What shows how it is going. It is there before anything is made that a mistake would leave behind.
    ///
    /// # Errors
    /// When the page's address cannot be had.
    pub(super) fn screen(&self) -> anyhow::Result<Screen> {
        let mut screen = if self.quiet { Screen::quiet() } else { Screen::new() };
        if let Some(address) = self.metrics {
            let (at, sender) = expose(address)?;
            screen.say(&format!("metrics on {at}"));
            screen.publish_to(sender);
        }
        Ok(screen)
    }

    /// Who is told of what spoils a result without ending it: nobody, if it is to be quiet.
    pub(super) fn teller(&self, tell: fn(&str)) -> Option<fn(&str)> {
        (!self.quiet).then_some(tell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_quiet_is_told_nothing_and_an_address_that_is_taken_is_an_error() {
        assert!(Shown::default().teller(|_| ()).is_some());
        let address = "127.0.0.1:0".parse().ok();
        let quiet = Shown { quiet: true, metrics: address };
        assert!(quiet.teller(|_| ()).is_none());
        let _screen = quiet.screen().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = taken.local_addr().ok();
        assert!(Shown { quiet: true, metrics }.screen().is_err());
    }
}
