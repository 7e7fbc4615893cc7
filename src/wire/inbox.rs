//! Stream chunks in, whole frames out.
//!
//! A frame that lies within one chunk is a slice of it: it shares, and keeps alive, that chunk's
//! buffer. Only a frame that spans chunks is copied, into a buffer that grows with the bytes that
//! arrived and never with the length that the frame claims. It never looks into a frame. Called by
//! `server` and by the client side, one inbox per stream.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// Bytes of the length field of a frame.
const LENGTH_BYTES: usize = 4;

/// Why a stream cannot be read on: whatever follows is not at a frame's start. The same answer
/// comes again until the inbox is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InboxError {
    /// A frame claims more bytes than this stream may send at once.
    #[error("frame of {length} bytes is over its bound")]
    TooLarge {
        /// What the frame claims, bytes after the length field.
        length: usize,
    },
    /// A frame of no bytes: not even a type.
    #[error("empty frame")]
    Empty,
}

/// One stream's bytes between arrival and parsing. Holds at most one frame in the making and what
/// was pushed since the last frame was taken; take every frame after each push.
#[derive(Debug)]
pub struct Inbox {
    frame_bytes_max: usize,
    /// The start of a frame that spans chunks, with its length field.
    partial: BytesMut,
    /// What follows `partial`: the rest of the last chunk.
    chunk: Bytes,
}

impl Inbox {
    /// An empty inbox that takes frames of up to `frame_bytes_max` bytes after the length field.
    #[must_use]
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, partial: BytesMut::new(), chunk: Bytes::new() }
    }

    /// Changes the bound for every frame not yet taken: raised once a session is authenticated.
    pub fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Bytes held: those of a frame in the making and of frames not yet taken.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.partial.len() + self.chunk.len()
    }

    /// What the frame in the making will hold when it is whole, with its length field; 0 if there
    /// is none, or its length is not there yet or over the bound. Call it when
    /// [`Self::next_frame`] has no more.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        let length = frame_length(&self.partial);
        let length = length.and_then(|length| self.checked(length).ok());
        length.map_or(0, |length| LENGTH_BYTES + length)
    }

    /// Adds what the stream yielded next.
    pub fn push(&mut self, chunk: Bytes) {
        if !self.chunk.is_empty() {
            self.partial.extend_from_slice(&self.chunk);
        }
        self.chunk = chunk;
    }

    /// The next whole frame, without its length field; `None` until more is pushed.
    ///
    /// # Errors
    /// When the next frame is empty or over the bound, as soon as its length field is there.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, InboxError> {
        if self.partial.is_empty()
            && let Some(length) = frame_length(&self.chunk)
        {
            let length = self.checked(length)?;
            if self.chunk.len() - LENGTH_BYTES >= length {
                self.chunk.advance(LENGTH_BYTES);
                return Ok(Some(self.chunk.split_to(length)));
            }
        }
        self.complete(LENGTH_BYTES);
        let Some(length) = frame_length(&self.partial) else {
            return Ok(None);
        };
        let whole = LENGTH_BYTES + self.checked(length)?;
        self.complete(whole);
        if self.partial.len() < whole {
            return Ok(None);
        }
        // A buffer that held just this frame goes with it: nothing is left to reuse.
        let mut frame = if self.partial.len() == whole {
            std::mem::take(&mut self.partial)
        } else {
            self.partial.split_to(whole)
        };
        frame.advance(LENGTH_BYTES);
        Ok(Some(frame.freeze()))
    }

    /// Moves bytes from `chunk` until `partial` has `bytes` of them, or `chunk` has none.
    fn complete(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.partial.len()).min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(missing));
    }

    fn checked(&self, length: usize) -> Result<usize, InboxError> {
        match length {
            0 => Err(InboxError::Empty),
            _ if length > self.frame_bytes_max => Err(InboxError::TooLarge { length }),
            _ => Ok(length),
        }
    }
}

/// What the length field at the start of `bytes` claims; `None` before all of it is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let field = bytes.first_chunk::<LENGTH_BYTES>()?;
    Some(usize::try_from(u32::from_be_bytes(*field)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 24;

    #[test]
    fn a_frame_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from(vec![0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9]);
        let range = chunk.as_ptr_range();
        let mut inbox = Inbox::new(MAX);
        inbox.push(chunk);
        for expected in [&[7, 8][..], &[9]] {
            let frame = inbox.next_frame().unwrap().unwrap();
            assert_eq!(frame, expected);
            assert!(range.contains(&frame.as_ptr()));
        }
        assert_eq!(inbox.next_frame(), Ok(None));
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut inbox = Inbox::new(MAX);
        inbox.push(Bytes::from_static(&[1, 0, 0, 0]));
        assert_eq!(inbox.next_frame(), Ok(None));
        assert!(inbox.partial.capacity() <= 64, "{}", inbox.partial.capacity());
        for arrived in (4..100_000).step_by(1000) {
            inbox.push(Bytes::from(vec![0; 1000]));
            assert_eq!(inbox.next_frame(), Ok(None));
            let capacity = inbox.partial.capacity();
            assert!(capacity <= 2 * (arrived + 1000), "{capacity} for {arrived}");
        }
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_by_its_length_alone() {
        let mut inbox = Inbox::new(255);
        inbox.push(Bytes::from_static(&[0, 0, 1]));
        assert_eq!(inbox.next_frame(), Ok(None));
        inbox.push(Bytes::from_static(&[0]));
        assert_eq!(inbox.next_frame(), Err(InboxError::TooLarge { length: 256 }));
        assert_eq!(inbox.next_frame(), Err(InboxError::TooLarge { length: 256 }));
        inbox.set_frame_bytes_max(256);
        assert_eq!(inbox.next_frame(), Ok(None));
    }

    #[test]
    fn a_frame_in_the_making_says_what_it_will_hold() {
        let mut inbox = Inbox::new(300);
        assert_eq!(inbox.partial_bytes(), 0);
        for (chunk, expected) in [(&[0, 0][..], 0), (&[1, 0], 260), (&[7; 255], 260), (&[7], 0)] {
            inbox.push(Bytes::from_static(&[0; 0]));
            inbox.push(Bytes::copy_from_slice(chunk));
            let whole = inbox.next_frame().unwrap().is_some();
            assert_eq!((whole, inbox.partial_bytes()), (chunk.len() == 1, expected));
        }
        let mut inbox = Inbox::new(10);
        inbox.push(Bytes::from_static(&[0, 0, 1, 0]));
        assert!(inbox.next_frame().is_err());
        assert_eq!(inbox.partial_bytes(), 0);
    }

    #[test]
    fn an_empty_frame_is_refused() {
        let mut inbox = Inbox::new(MAX);
        inbox.push(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1, 5]));
        assert_eq!(inbox.next_frame(), Err(InboxError::Empty));
        assert_eq!(inbox.next_frame(), Err(InboxError::Empty));
    }
}
