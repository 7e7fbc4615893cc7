//! The token by which a device proves to the service that the service knows it.
//!
//! HMAC-SHA-256 over the device id under the service's key. Pure computation; who may have a token
//! is settled by whoever holds the key. Called by `server` to verify, by `load` to issue.

use aws_lc_rs::hmac;

use super::frame::Token;
use crate::delivery::DeviceId;

/// The device under which the service's operator speaks: counters and deletions.
pub const OPERATOR: DeviceId = DeviceId([0; 16]);

/// The service's key: who holds it can speak as any device.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl TokenKey {
    /// A key of 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// From 64 hexadecimal digits, surrounding blanks allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut secret = [0; 32];
        hex::decode_to_slice(text.trim(), &mut secret).ok()?;
        Some(Self::new(&secret))
    }

    /// The token of a device. About a microsecond.
    #[must_use]
    pub fn token(&self, device: DeviceId) -> Token {
        let tag = hmac::sign(&self.0, &device.0);
        Token(tag.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Whether the token is the device's, in time that does not depend on it.
    #[must_use]
    pub fn verify(&self, device: DeviceId, token: &Token) -> bool {
        hmac::verify(&self.0, &device.0, &token.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_device_and_its_key_only() {
        let (key, other) = (TokenKey::new(&[1; 32]), TokenKey::new(&[2; 32]));
        let token = key.token(DeviceId([7; 16]));
        assert!(key.verify(DeviceId([7; 16]), &token));
        assert!(!key.verify(DeviceId([8; 16]), &token));
        assert!(!other.verify(DeviceId([7; 16]), &token));
        let mut forged = token;
        forged.0[31] ^= 1;
        assert!(!key.verify(DeviceId([7; 16]), &forged));
    }

    #[test]
    fn a_key_reads_back_from_its_digits() {
        let digits = hex::encode([3; 32]);
        let key = TokenKey::parse(&format!(" {digits}\n")).unwrap();
        assert_eq!(key.token(OPERATOR), TokenKey::new(&[3; 32]).token(OPERATOR));
        assert!(TokenKey::parse(&digits[1..]).is_none());
    }
}
