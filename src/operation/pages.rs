//! The pages of a server, as of the moment at which they are asked for.

use tokio::sync::watch;

use super::health::{Health, Status};
use super::http::Page;
use super::metrics::{Build, MEDIA_TYPE, page};
use crate::server::Monitor;

/// Every page of a server whose status is `status`: `/healthz` and `/metrics`.
pub fn of_server(
    build: Build,
    status: watch::Receiver<Status>,
) -> impl Fn(&str) -> Option<Page> + Clone + Send + Sync + 'static {
    move |path: &str| {
        let status = status.borrow();
        match path {
            "/healthz" => {
                let page = Page::text(format!("{}\n", status.health.word()));
                Some(Page { available: status.health == Health::Ready, ..page })
            }
            "/metrics" => {
                let monitor = status.monitor.as_ref();
                let total = monitor.map(Monitor::total);
                let shards: Vec<_> =
                    monitor.into_iter().flat_map(|monitor| monitor.shards()).collect();
                let body = page(build, status.health, total.as_ref(), &shards);
                Some(Page { available: true, media_type: MEDIA_TYPE, body })
            }
            _ => None,
        }
    }
}
