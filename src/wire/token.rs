//! The token by which a device proves to the service that the service knows it, for a while.
//!
//! ```text
//! token = key id u8 | not after u64 | tag 32       not after: seconds since 1970, the last good one
//! tag   = HMAC-SHA-256 under the key of that id over
//!         "stentor token 1" | key id u8 | device 16 | not after u64
//! ```
//!
//! Several keys are good at a time and the latest signs, so that a new key cuts off nobody: tokens
//! under the one before it stay good until they expire or their key is dropped. Pure computation;
//! the time is an argument, and who may have a token is settled by whoever holds the keys. Called
//! by `server` to verify, by `load` and `cli` to issue.

use aws_lc_rs::hmac;
use thiserror::Error;

use super::frame::Token;
use crate::delivery::DeviceId;
use crate::limits::TOKEN_KEYS_MAX;

/// The device under which the service's operator speaks: counters and deletions.
pub const OPERATOR: DeviceId = DeviceId([0; 16]);

/// Bytes of a secret, in twice as many digits.
const SECRET_BYTES: usize = 32;

/// What a tag is over begins with this, so that the key signs nothing else by accident.
const LABEL: &[u8; 15] = b"stentor token 1";

/// A key of the service: who holds it can speak as any device.
#[derive(Clone)]
pub struct TokenKey {
    id: u8,
    key: hmac::Key,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl TokenKey {
    /// The first key of a service, number 0: 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self::with_id(0, secret)
    }

    /// A key that tokens name by `id`.
    #[must_use]
    pub fn with_id(id: u8, secret: &[u8; 32]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret), secret: *secret }
    }

    /// Its name in tokens.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The token of a device, good through the second `not_after` since 1970. About a microsecond.
    #[must_use]
    pub fn issue(&self, device: DeviceId, not_after: u64) -> Token {
        let tag = hmac::sign(&self.key, &signed(self.id, device, not_after));
        let tag = tag.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Token { key_id: self.id, not_after, tag }
    }

    /// A token that tests need not think about.
    #[cfg(test)]
    pub(crate) fn token(&self, device: DeviceId) -> Token {
        self.issue(device, u64::MAX)
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&self.secret, &other.secret);
        self.id == other.id && same.is_ok()
    }
}

impl Eq for TokenKey {}

/// Why a token opens no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// No key of that id, another device's, or not from here.
    #[error("token is not this device's")]
    Bad,
    /// It was good once.
    #[error("token has expired")]
    Expired,
}

/// The keys that are good, oldest first; the last signs. 1 to [`TOKEN_KEYS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKeys(Vec<TokenKey>);

impl From<TokenKey> for TokenKeys {
    fn from(key: TokenKey) -> Self {
        Self(vec![key])
    }
}

impl TokenKeys {
    /// From text: either 64 hexadecimal digits, which are key 0, or a line for each key, oldest
    /// first: its id in decimal, a blank, 64 hexadecimal digits. `None` for anything else, for an
    /// id that comes twice and for more than [`TOKEN_KEYS_MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|one| !one.is_empty()).collect();
        if let [digits] = lines[..]
            && let Some(secret) = secret(digits)
        {
            return Some(TokenKey::new(&secret).into());
        }
        let mut keys = Vec::new();
        for line in lines {
            let (id, digits) = line.split_once(' ')?;
            let key = TokenKey::with_id(id.parse().ok()?, &secret(digits.trim())?);
            if keys.len() == TOKEN_KEYS_MAX
                || keys.iter().any(|other: &TokenKey| other.id == key.id)
            {
                return None;
            }
            keys.push(key);
        }
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The text that [`Self::parse`] reads: secrets.
    #[must_use]
    pub fn to_text(&self) -> String {
        let line = |key: &TokenKey| format!("{} {}\n", key.id, hex::encode(key.secret));
        match &self.0[..] {
            [only] if only.id == 0 => format!("{}\n", hex::encode(only.secret)),
            keys => keys.iter().map(line).collect(),
        }
    }

    /// Adds a key that signs from now on and keeps `previous` of those before it, at most
    /// [`TOKEN_KEYS_MAX`] - 1: with none, every token issued so far is worthless.
    pub fn rotate(&mut self, secret: &[u8; 32], previous: usize) {
        let previous = previous.min(TOKEN_KEYS_MAX - 1).min(self.0.len());
        let mut id = self.signing().id.wrapping_add(1);
        self.0.drain(..self.0.len() - previous);
        while self.0.iter().any(|key| key.id == id) {
            id = id.wrapping_add(1);
        }
        self.0.push(TokenKey::with_id(id, secret));
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> &TokenKey {
        self.0.last().expect("there is always a key")
    }

    /// Whether any key is in both.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.0.iter().any(|key| other.0.contains(key))
    }

    /// Whether the token is the device's at `now`, in seconds since 1970; in time that does not
    /// depend on its tag. That it has expired is said of a token that was good.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, device: DeviceId, token: &Token, now: u64) -> Result<(), TokenError> {
        let key = self.0.iter().find(|key| key.id == token.key_id).ok_or(TokenError::Bad)?;
        let signed = signed(token.key_id, device, token.not_after);
        hmac::verify(&key.key, &signed, &token.tag)
            .map_err(|aws_lc_rs::error::Unspecified| TokenError::Bad)?;
        if now > token.not_after { Err(TokenError::Expired) } else { Ok(()) }
    }
}

fn signed(id: u8, device: DeviceId, not_after: u64) -> [u8; LABEL.len() + 1 + 16 + 8] {
    let mut bytes = [0; LABEL.len() + 1 + 16 + 8];
    let (label, rest) = bytes.split_at_mut(LABEL.len());
    label.copy_from_slice(LABEL);
    rest[0] = id;
    rest[1..17].copy_from_slice(&device.0);
    rest[17..].copy_from_slice(&not_after.to_be_bytes());
    bytes
}

fn secret(digits: &str) -> Option<[u8; SECRET_BYTES]> {
    let mut secret = [0; SECRET_BYTES];
    hex::decode_to_slice(digits, &mut secret).ok()?;
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([7; 16]);

    fn keys(numbers: &[u8]) -> TokenKeys {
        TokenKeys(numbers.iter().map(|id| TokenKey::with_id(*id, &[*id; 32])).collect())
    }

    #[test]
    fn a_token_is_good_for_its_device_and_its_key_only() {
        let (keys, other) = (keys(&[0]), TokenKeys::from(TokenKey::new(&[2; 32])));
        let token = keys.signing().issue(DEVICE, 100);
        assert_eq!(keys.verify(DEVICE, &token, 0), Ok(()));
        assert_eq!(keys.verify(DeviceId([8; 16]), &token, 0), Err(TokenError::Bad));
        assert_eq!(other.verify(DEVICE, &token, 0), Err(TokenError::Bad));
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let keys = keys(&[0, 1]);
        let token = keys.signing().issue(DEVICE, 100);
        for place in 0..Token::BYTES {
            for bit in 0..8 {
                let mut bytes = token.to_bytes();
                bytes[place] ^= 1 << bit;
                let outcome = keys.verify(DEVICE, &Token::from_bytes(bytes), 0);
                assert_eq!(outcome, Err(TokenError::Bad), "byte {place}");
            }
        }
    }

    #[test]
    fn a_token_is_good_through_its_last_second_and_expired_from_the_next() {
        let keys = keys(&[0]);
        let token = keys.signing().issue(DEVICE, 100);
        assert_eq!(keys.verify(DEVICE, &token, 100), Ok(()));
        assert_eq!(keys.verify(DEVICE, &token, 101), Err(TokenError::Expired));
        let forged = Token { not_after: u64::MAX, ..token };
        assert_eq!(keys.verify(DEVICE, &forged, 101), Err(TokenError::Bad));
        let other = DeviceId([8; 16]);
        assert_eq!(keys.verify(other, &token, 101), Err(TokenError::Bad), "it never was good");
    }

    #[test]
    fn a_new_key_signs_and_the_ones_before_it_stay_good_until_they_are_dropped() {
        let mut keys = keys(&[0]);
        let old = keys.signing().issue(DEVICE, 100);
        keys.rotate(&[1; 32], TOKEN_KEYS_MAX);
        let new = keys.signing().issue(DEVICE, 100);
        assert_eq!((new.key_id, keys.verify(DEVICE, &new, 0)), (1, Ok(())));
        assert_eq!(keys.verify(DEVICE, &old, 0), Ok(()));
        keys.rotate(&[2; 32], 1);
        assert_eq!(keys.verify(DEVICE, &new, 0), Ok(()));
        assert_eq!(keys.verify(DEVICE, &old, 0), Err(TokenError::Bad));
    }

    #[test]
    fn keys_are_bounded_and_their_ids_distinct_however_often_they_rotate() {
        let mut keys = keys(&[0]);
        for round in 0..600_u16 {
            keys.rotate(&[round.to_be_bytes()[1]; 32], TOKEN_KEYS_MAX);
            assert!(keys.0.len() <= TOKEN_KEYS_MAX);
            assert!(TokenKeys::parse(&keys.to_text()).is_some(), "an id comes twice");
        }
        assert_eq!(keys.0.len(), TOKEN_KEYS_MAX);
    }

    #[test]
    fn keys_read_back_from_their_text_and_nothing_else_is_taken_for_them() {
        let digits = hex::encode([3; 32]);
        let one = TokenKeys::parse(&format!(" {digits}\n")).unwrap();
        assert_eq!(one, TokenKey::new(&[3; 32]).into());
        for keys in [keys(&[0]), keys(&[5]), keys(&[4, 255, 0])] {
            assert_eq!(TokenKeys::parse(&keys.to_text()), Some(keys));
        }
        let nine = (0..9).map(|id| format!("{id} {digits}\n")).collect();
        for text in [
            String::new(),
            digits[1..].to_owned(),
            format!("{digits}\n{digits}"),
            format!("1 {digits}\n1 {digits}"),
            format!("256 {digits}"),
            format!("1{digits}"),
            nine,
        ] {
            assert_eq!(TokenKeys::parse(&text), None, "{text}");
        }
    }
}
