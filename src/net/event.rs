//! What the driver tells its owner about a connection.

use quinn_proto::{ConnectionError, Dir, StreamId};

/// Something happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its handshake is over.
    Connected,
    /// The peer opened a stream; [`Event::Readable`] follows at once.
    Opened(StreamId),
    /// A stream may have something to read.
    Readable(StreamId),
    /// A stream that took less than it was given may take more.
    Writable(StreamId),
    /// The peer grants more streams of a direction.
    Available(Dir),
    /// It is gone; the last event of a connection.
    Lost(Lost),
}

/// Why a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The peer closed it with an application's code.
    Closed {
        /// The code.
        code: u64,
        /// The reason, as text.
        reason: String,
    },
    /// Nothing came back for too long.
    TimedOut,
    /// The peer's certificate is not the pinned one.
    WrongCertificate,
    /// Anything else, as QUIC says it.
    Failed(String),
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed { code, reason } => {
                write!(f, "closed by the peer: {reason} (code {code})")
            }
            Self::TimedOut => f.write_str("no answer"),
            Self::WrongCertificate => {
                f.write_str("the server's certificate does not have the pinned fingerprint")
            }
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// The TLS alert `certificate_unknown`, as a QUIC crypto error (RFC 9001 §4.8): what rustls sends
/// for a certificate that our pin does not accept.
const PIN_REFUSED: [u64; 3] = [0x100 + 42, 0x100 + 46, 0x100 + 49];

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::Closed {
                code: close.error_code.into_inner(),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::TransportError(error)
                if PIN_REFUSED.contains(&u64::from(error.code)) =>
            {
                Self::WrongCertificate
            }
            other => Self::Failed(other.to_string()),
        }
    }
}
