//! A walk over borrowed bytes that cannot step outside them.
//!
//! Fixed-width integers and arrays, and the variable-size vectors of RFC 9420 §2.1.2. It never
//! allocates and never panics. Called by `peek` and `decode`.

use super::malformed::Malformed;

/// The bytes end before the field does.
pub(super) const TRUNCATED: &str = "truncated";
/// RFC 9420 §2.1.2: the two top bits of a vector's length are 11.
pub(super) const VECTOR_PREFIX: &str = "vector length with the invalid prefix 11";
/// RFC 9420 §2.1.2: the length takes more bytes than it needs.
pub(super) const VECTOR_NOT_MINIMAL: &str = "vector length is not minimally encoded";
/// The vector claims more bytes than there are.
pub(super) const VECTOR_TOO_LONG: &str = "vector is longer than what is left";
/// There should be nothing here.
pub(super) const TRAILING: &str = "bytes after the end";

/// What is left to read, and the offset at which it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    end: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    /// Bytes from the start of the outermost reader to what is read next.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// Bytes not read yet.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The complaint `what` about the next byte.
    #[inline]
    pub(super) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { offset: self.offset(), what }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.malformed(TRUNCATED));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.malformed(TRUNCATED));
        };
        self.rest = rest;
        Ok(head)
    }

    /// An `opaque field<V>`: its content, without its length.
    #[inline]
    pub(super) fn vector(&mut self) -> Result<&'a [u8], Malformed> {
        let start = *self;
        let length = self.vector_length(start)?;
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return Err(start.malformed(VECTOR_TOO_LONG));
        };
        self.rest = rest;
        Ok(head)
    }

    /// What has been read since this reader was copied from `later`.
    #[inline]
    pub(super) fn upto(&self, later: &Self) -> &'a [u8] {
        &self.rest[..self.rest.len() - later.rest.len()]
    }

    /// A vector whose content is read next; offsets stay those of the outermost reader.
    #[inline]
    pub(super) fn nested(&mut self) -> Result<Self, Malformed> {
        let content = self.vector()?;
        Ok(Self { rest: content, end: self.offset() })
    }

    /// Refuses anything after what was read.
    #[inline]
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed(TRAILING)) }
    }

    #[inline]
    fn vector_length(&mut self, start: Self) -> Result<usize, Malformed> {
        let first = self.u8()?;
        let (length, minimum) = match first >> 6 {
            0 => return Ok(usize::from(first)),
            1 => (u32::from_be_bytes([0, 0, first & 0x3f, self.u8()?]), 1 << 6),
            2 => {
                let [second, third, fourth] = self.array()?;
                (u32::from_be_bytes([first & 0x3f, second, third, fourth]), 1 << 14)
            }
            _ => return Err(start.malformed(VECTOR_PREFIX)),
        };
        if length < minimum {
            return Err(start.malformed(VECTOR_NOT_MINIMAL));
        }
        // A length that does not fit memory is longer than what is left, too.
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<usize, &'static str>) {
        let got = Reader::new(bytes).vector();
        assert_eq!(got.map(<[u8]>::len).map_err(|error| error.what), expected, "{bytes:02x?}");
    }

    #[test]
    fn a_vector_length_has_one_encoding() {
        let of = |header: &[u8], length: usize| [header, &vec![7; length]].concat();
        check(&of(&[0], 0), Ok(0));
        check(&of(&[63], 63), Ok(63));
        check(&of(&[0x40, 63], 63), Err(VECTOR_NOT_MINIMAL));
        check(&of(&[0x40, 64], 64), Ok(64));
        check(&of(&[0x7f, 0xff], 16383), Ok(16383));
        check(&of(&[0x80, 0, 0x3f, 0xff], 16383), Err(VECTOR_NOT_MINIMAL));
        check(&of(&[0x80, 0, 0x40, 0], 16384), Ok(16384));
        check(&of(&[0xc0, 0, 0, 0, 0, 0, 0, 1], 1), Err(VECTOR_PREFIX));
    }

    #[test]
    fn a_vector_never_reaches_past_the_end() {
        check(&[], Err(TRUNCATED));
        check(&[1], Err(VECTOR_TOO_LONG));
        check(&[0x40], Err(TRUNCATED));
        check(&[0xbf, 0xff, 0xff, 0xff], Err(VECTOR_TOO_LONG));
    }

    #[test]
    fn a_mistake_in_a_vector_is_reported_where_the_vector_starts() {
        let mut reader = Reader::new(&[1, 9, 5, 9]);
        reader.vector().unwrap();
        assert_eq!(reader.vector(), Err(Malformed { offset: 2, what: VECTOR_TOO_LONG }));
    }
}
