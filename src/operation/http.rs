//! Pages over HTTP/1.1, whatever they are of, bounded in everything that a client brings.
//!
//! A connection is one request and one answer within [`HTTP_REQUEST_MAX`]; a request's head is at
//! most [`HTTP_HEAD_BYTES_MAX`] and its body is not read. Of more than [`HTTP_CONNECTIONS_MAX`]
//! connections the oldest is dropped: who is slow makes room for who is not. Runs on the caller's
//! runtime, which no shard shares.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::limits::{HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_REQUEST_MAX};

/// How long nobody is accepted after the system had no descriptor for somebody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The pages cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("cannot listen on TCP {address}: {source}; choose another port or stop what uses it")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The media type of what only people read.
const TEXT: &str = "text/plain; charset=utf-8";

/// What is answered to who asks for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 200 if true; 503 if not: it is there, and says that what it is of is not.
    pub available: bool,
    /// What `body` is.
    pub media_type: &'static str,
    /// The page.
    pub body: String,
}

impl Page {
    /// A page for people.
    #[must_use]
    pub fn text(body: String) -> Self {
        Self { available: true, media_type: TEXT, body }
    }
}

/// Where the pages are.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    /// How long a connection may take. Default [`HTTP_REQUEST_MAX`].
    pub(super) patience: Duration,
}

impl Endpoint {
    /// Listens; nobody is answered before [`Self::serve`].
    ///
    /// # Errors
    /// [`Error::Bind`] when the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, patience: HTTP_REQUEST_MAX })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped, with what `pages` has for a path at that moment.
    pub async fn serve<P>(self, pages: P) -> Infallible
    where
        P: Fn(&str) -> Option<Page> + Clone + Send + Sync + 'static,
    {
        let mut open: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            open.retain(|connection| !connection.is_finished());
            if open.len() >= HTTP_CONNECTIONS_MAX
                && let Some(oldest) = open.pop_front()
            {
                oldest.abort();
            }
            let task =
                tokio::spawn(tokio::time::timeout(self.patience, converse(stream, pages.clone())));
            open.push_back(task.abort_handle());
        }
    }
}

/// One request and its answer. What becomes of either is the client's concern.
async fn converse<P>(stream: TcpStream, pages: P)
where
    P: Fn(&str) -> Option<Page> + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, &pages);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    drop(connection.await);
}

fn answer<B>(request: &Request<B>, pages: impl Fn(&str) -> Option<Page>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("it is a header's value"));
        return refused;
    }
    match pages(request.uri().path()) {
        Some(Page { available, media_type, body }) => {
            let code = if available { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            with_type(code, media_type, body)
        }
        None => text(StatusCode::NOT_FOUND, "nothing is here; /metrics is\n"),
    }
}

fn text(code: StatusCode, body: &str) -> Response<Full<Bytes>> {
    with_type(code, TEXT, body.to_owned())
}

fn with_type(code: StatusCode, media_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    let mut set = |name: HeaderName, value: &str| {
        response.headers_mut().insert(name, value.parse().expect("it is a header's value"));
    };
    set(CONTENT_TYPE, media_type);
    set(CACHE_CONTROL, "no-store");
    response
}
