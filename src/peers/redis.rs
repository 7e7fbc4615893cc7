//! What a Redis server says to subscribers of one channel and to who publishes on it.
//!
//! RESP, <https://redis.io/docs/latest/develop/reference/protocol-spec/>: a message is an array, or
//! in RESP3 a push, of the word `message`, the channel and the body. Called by `text`.

use super::fault::Fault;
use super::text::{Grammar, Next, Told, length, not_understood};

/// Elements of the longest array that is heard here.
const ELEMENTS_MAX: u8 = 3;

/// The place within an array.
#[derive(Debug, Default)]
pub(super) struct Redis {
    /// Elements of the array still to come.
    left: u8,
    /// The word whose length line has come.
    word: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// Its first word has not come.
    #[default]
    Unknown,
    Message,
    Subscribed,
}

impl Grammar for Redis {
    const GREETS_IN_THE_CLEAR: bool = false;

    fn subscribe() -> &'static [u8] {
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\ng\r\n"
    }

    fn introduce() -> &'static [u8] {
        b"*1\r\n$4\r\nPING\r\n"
    }

    fn publish(bytes: usize) -> String {
        format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\ng\r\n${bytes}\r\n")
    }

    fn pong() -> &'static [u8] {
        b""
    }

    fn line<'a>(&mut self, line: &[u8]) -> Result<(Next, Option<Told<'a>>), Fault> {
        if self.word {
            self.word = false;
            self.kind = match (self.kind, line) {
                (Kind::Unknown, b"message") => Kind::Message,
                (Kind::Unknown, b"subscribe") => Kind::Subscribed,
                (Kind::Unknown, _) => return Err(not_understood(line)),
                (known, _) => known,
            };
            return Ok((Next::Line, self.element()));
        }
        let (first, rest) = line.split_first().ok_or_else(|| not_understood(line))?;
        match (first, self.left) {
            (b'*' | b'>', 0) => {
                let elements = length(rest).and_then(|count| u8::try_from(count).ok());
                let known = elements.filter(|count| (1..=ELEMENTS_MAX).contains(count));
                self.left = known.ok_or_else(|| not_understood(line))?;
                self.kind = Kind::Unknown;
                Ok((Next::Line, None))
            }
            // How many got a message is what the members are asked.
            (b':', 0) => Ok((Next::Line, None)),
            (b'+', 0) => Ok((Next::Line, Some(Told::Ready))),
            (b'-', 0) => Err(Fault::Refused(String::from_utf8_lossy(rest).into_owned())),
            (b'$', 1) if self.kind == Kind::Message => {
                let bytes = length(rest).ok_or_else(|| not_understood(line))?;
                self.left = 0;
                Ok((Next::Body(bytes), None))
            }
            (b'$', 1..) => {
                self.word = true;
                Ok((Next::Line, None))
            }
            (b':', 1..) => Ok((Next::Line, self.element())),
            _ => Err(not_understood(line)),
        }
    }
}

impl Redis {
    /// One element of an array is over.
    fn element<'a>(&mut self) -> Option<Told<'a>> {
        self.left -= 1;
        (self.left == 0 && self.kind == Kind::Subscribed).then_some(Told::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::told;
    use super::*;

    const SUBSCRIBED: &str = "*3\r\n$9\r\nsubscribe\r\n$1\r\ng\r\n:1\r\n";

    fn message(body: &str) -> String {
        format!("*3\r\n$7\r\nmessage\r\n$1\r\ng\r\n${}\r\n{body}\r\n", body.len())
    }

    fn check(input: &str, expected: &[&str]) {
        assert_eq!(told::<Redis>(input.as_bytes()).unwrap(), expected, "{input:?}");
    }

    #[test]
    fn messages_are_heard_wherever_the_stream_is_cut() {
        let all = [SUBSCRIBED, &message("hello"), &message(""), &message("*3\r\n$1\r\n")].concat();
        check(&all, &["Ready", "hello", "", "*3\r\n$1\r\n"]);
        check(&message("pushed").replacen('*', ">", 1), &["pushed"]);
    }

    #[test]
    fn a_publisher_hears_that_it_may_and_how_many_got_it() {
        check("+PONG\r\n:1000\r\n:1000\r\n", &["Ready"]);
    }

    #[test]
    fn nonsense_and_refusals_are_faults() {
        let fault = |input: &str| told::<Redis>(input.as_bytes()).unwrap_err();
        assert_eq!(fault("-ERR no\r\n"), Fault::Refused("ERR no".into()));
        for input in [
            "\r\n",
            "*4\r\n",
            "*0\r\n",
            "*-1\r\n",
            "$3\r\n",
            "*3\r\n*3\r\n",
            "*3\r\n$4\r\ngone\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\ng\r\n$-1\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\ng\r\n$16777217\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\ng\r\n$1\r\nab\r\n",
        ] {
            assert!(matches!(fault(input), Fault::Malformed(_)), "{input:?}");
        }
    }
}
