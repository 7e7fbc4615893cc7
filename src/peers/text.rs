//! Text protocols, as NATS and Redis speak them: lines, and bodies of an announced length.
//!
//! Cuts what a connection yields, however it was split, and copies no body: only a line that spans
//! two reads is put together, up to a bound. What lines mean is the grammar's. Called by `fleet`
//! for every byte that a peer sends.

use super::fault::Fault;
use crate::limits::PEER_LINE_BYTES_MAX;

/// What a peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// A published body of so many bytes begins.
    Body(usize),
    /// Some more of it.
    Part(&'a [u8]),
    /// It is complete.
    End,
    /// The greeting is understood: a member is subscribed, a publisher may publish.
    Ready,
    /// It wants an answer.
    Ping,
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Line,
    /// A body of so many bytes, and an end of line.
    Body(usize),
}

/// What a peer's lines mean, and what it is told.
pub(super) trait Grammar: Default {
    /// Whether the server speaks first, one line in the clear, before TLS begins.
    const GREETS_IN_THE_CLEAR: bool;

    /// What a member says to receive from now on.
    fn subscribe() -> &'static [u8];
    /// What the publisher says first.
    fn introduce() -> &'static [u8];
    /// What precedes a body of so many bytes; a line end follows it.
    fn publish(bytes: usize) -> String;
    /// The answer to [`Told::Ping`].
    fn pong() -> &'static [u8];

    /// A line without its end. Returns what follows, and what it says by itself.
    fn line<'a>(&mut self, line: &[u8]) -> Result<(Next, Option<Told<'a>>), Fault>;
}

/// One connection's place in what it is told.
#[derive(Debug, Default)]
pub(super) struct Text<G> {
    grammar: G,
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    /// Bytes of a body still to come.
    body: usize,
    /// Bytes of the line end after it.
    end: usize,
}

impl<G: Grammar> Text<G> {
    /// Hears the next bytes.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        mut hear: impl FnMut(Told<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while !bytes.is_empty() {
            bytes = match (self.body, self.end) {
                (0, 0) => self.take_line(bytes, &mut hear)?,
                (0, _) => self.take_end(bytes, &mut hear)?,
                (left, _) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    self.body -= part.len();
                    hear(Told::Part(part))?;
                    rest
                }
            };
        }
        Ok(())
    }

    fn take_line<'b>(
        &mut self,
        bytes: &'b [u8],
        hear: &mut impl FnMut(Told<'_>) -> Result<(), Fault>,
    ) -> Result<&'b [u8], Fault> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + part.len() > PEER_LINE_BYTES_MAX {
            return Err(Fault::Malformed(format!("a line of over {PEER_LINE_BYTES_MAX} bytes")));
        }
        let Some(end) = end else {
            self.line.extend_from_slice(part);
            return Ok(&[]);
        };
        let (next, told) = if self.line.is_empty() {
            self.grammar.line(without_return(part))?
        } else {
            self.line.extend_from_slice(part);
            let said = self.grammar.line(without_return(&self.line))?;
            self.line.clear();
            said
        };
        if let Next::Body(length) = next {
            (self.body, self.end) = (length, 2);
            hear(Told::Body(length))?;
        }
        told.map_or(Ok(()), hear)?;
        Ok(&bytes[end + 1..])
    }

    fn take_end<'b>(
        &mut self,
        bytes: &'b [u8],
        hear: &mut impl FnMut(Told<'_>) -> Result<(), Fault>,
    ) -> Result<&'b [u8], Fault> {
        let expected = &b"\r\n"[2 - self.end..];
        let count = expected.len().min(bytes.len());
        if bytes[..count] != expected[..count] {
            return Err(Fault::Malformed("a body that does not end where it said".into()));
        }
        self.end -= count;
        if self.end == 0 {
            hear(Told::End)?;
        }
        Ok(&bytes[count..])
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A decimal length that a body may have.
pub(super) fn length(digits: &[u8]) -> Option<usize> {
    let number: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= crate::limits::MESSAGE_BYTES_MAX).then_some(number)
}

/// A line that means nothing here, for people to read.
pub(super) fn not_understood(line: &[u8]) -> Fault {
    let shown = &line[..line.len().min(80)];
    Fault::Malformed(format!("{:?}", String::from_utf8_lossy(shown)))
}

/// What is told of `input`, split in every way in two and once byte by byte, which must not
/// matter: bodies, and everything else by name.
#[cfg(test)]
pub(super) fn told<G: Grammar>(input: &[u8]) -> Result<Vec<String>, Fault> {
    let parse = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut text = Text::<G>::default();
        let mut said = Vec::new();
        let mut body = Vec::new();
        let mut announced = 0;
        for piece in pieces {
            text.take(piece, |told| {
                match told {
                    Told::Body(length) => (announced, body) = (length, Vec::new()),
                    Told::Part(bytes) => body.extend_from_slice(bytes),
                    Told::End => {
                        assert_eq!(body.len(), announced);
                        said.push(String::from_utf8_lossy(&body).into_owned());
                    }
                    other => said.push(format!("{other:?}")),
                }
                Ok(())
            })?;
        }
        Ok(said)
    };
    let whole = parse(&mut std::iter::once(input));
    assert_eq!(parse(&mut input.chunks(1)), whole, "byte by byte");
    for cut in 0..=input.len() {
        let (first, second) = input.split_at(cut);
        assert_eq!(parse(&mut [first, second].into_iter()), whole, "cut at {cut}");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::super::nats::Nats;
    use super::*;

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut text = Text::<Nats>::default();
        let mut given = 0;
        let fault = loop {
            match text.take(&[b'x'; 1000], |_| Ok(())) {
                Ok(()) => given += 1000,
                Err(fault) => break fault,
            }
        };
        assert!(given <= PEER_LINE_BYTES_MAX, "{given}");
        assert!(fault.to_string().contains("a line of over"), "{fault}");
    }
}
