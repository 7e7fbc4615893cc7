//! What a NATS server says to its clients, as far as members and a publisher hear it.
//!
//! The client protocol of <https://docs.nats.io/reference/reference-protocols/nats-protocol>: one
//! subject, one subscription for each member, acknowledgements off. Called by `text`.

use super::fault::Fault;
use super::text::{Grammar, Next, Told, length, not_understood};

/// Nothing is remembered from line to line.
#[derive(Debug, Default)]
pub(super) struct Nats;

impl Grammar for Nats {
    const GREETS_IN_THE_CLEAR: bool = true;

    fn subscribe() -> &'static [u8] {
        b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true}\r\nSUB g 1\r\nPING\r\n"
    }

    fn introduce() -> &'static [u8] {
        b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true}\r\nPING\r\n"
    }

    fn publish(bytes: usize) -> String {
        format!("PUB g {bytes}\r\n")
    }

    fn pong() -> &'static [u8] {
        b"PONG\r\n"
    }

    fn line<'a>(&mut self, line: &[u8]) -> Result<(Next, Option<Told<'a>>), Fault> {
        // Subject, subscription, then perhaps where to reply, then the length.
        if let Some(fields) = line.strip_prefix(b"MSG ") {
            let size = fields.rsplit(|byte| *byte == b' ').next();
            return match size.and_then(length) {
                Some(bytes) => Ok((Next::Body(bytes), None)),
                None => Err(not_understood(line)),
            };
        }
        match line {
            b"PING" => Ok((Next::Line, Some(Told::Ping))),
            b"PONG" => Ok((Next::Line, Some(Told::Ready))),
            b"+OK" => Ok((Next::Line, None)),
            _ if line.starts_with(b"INFO ") => Ok((Next::Line, None)),
            _ if line.starts_with(b"-ERR") => {
                Err(Fault::Refused(String::from_utf8_lossy(&line[4..]).trim().to_owned()))
            }
            _ => Err(not_understood(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::told;
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        assert_eq!(told::<Nats>(input.as_bytes()).unwrap(), expected, "{input:?}");
    }

    #[test]
    fn messages_are_heard_wherever_the_stream_is_cut() {
        check(
            "MSG g 1 5\r\nhello\r\nMSG g 1 0\r\n\r\nMSG g 1 r 3\r\na\r\n\r\n",
            &["hello", "", "a\r\n"],
        );
        check(
            "INFO {\"a\":1}\r\n+OK\r\nPONG\r\nMSG g 1 4\r\nPING\r\nPING\r\n",
            &["Ready", "PING", "Ping"],
        );
    }

    #[test]
    fn nonsense_and_refusals_are_faults() {
        let fault = |input: &str| told::<Nats>(input.as_bytes()).unwrap_err();
        assert_eq!(fault("-ERR 'no'\r\n"), Fault::Refused("'no'".into()));
        for input in ["MSG g 1 x\r\n", "MSG g 1 99999999999999999999\r\n", "MSG g 1 16777217\r\n"] {
            assert!(matches!(fault(input), Fault::Malformed(_)), "{input}");
        }
        assert!(fault("MSG g 1 2\r\nabc\r\n").to_string().contains("does not end where it said"));
        assert!(matches!(fault("HTTP/1.1 400\r\n"), Fault::Malformed(_)));
    }
}
