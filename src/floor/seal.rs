//! What sealing one packet costs, by cipher and size.
//!
//! With the library that TLS uses here, one key, and everything in the nearest cache: no socket
//! and no memory is in it.

use std::time::Duration;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    Tag, UnboundKey,
};

use super::spread::Spread;
use crate::clock;
use crate::limits::FLOOR_ROUNDS;
use crate::process;

/// Sizes that are sealed: a small message's packet and a full one's.
const SIZES: [usize; 2] = [400, 1_400];

/// Packets between two looks at the clock.
const PACKETS_PER_LOOK: u32 = 256;

/// Sealing with one cipher at one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sealing {
    /// The cipher's name, as RFC 5116 and RFC 8439 have it.
    pub cipher: &'static str,
    /// Bytes of plaintext of each packet.
    pub bytes: usize,
    /// Processor time for one packet, in nanoseconds.
    pub ns_per_packet: Spread,
}

/// Seals packets for `budget` in all: with each of TLS 1.3's ciphers, of 400 and of 1,400 bytes.
#[must_use]
pub fn seal(budget: Duration) -> Vec<Sealing> {
    let ciphers: [(&'static str, &'static Algorithm); 3] = [
        ("AES-128-GCM", &AES_128_GCM),
        ("AES-256-GCM", &AES_256_GCM),
        ("ChaCha20-Poly1305", &CHACHA20_POLY1305),
    ];
    let works = ciphers.iter().flat_map(|&cipher| SIZES.map(|bytes| (cipher, bytes)));
    let kinds = u32::try_from(ciphers.len() * SIZES.len()).expect("there are six");
    let part = budget / (FLOOR_ROUNDS * kinds);
    works
        .map(|((cipher, algorithm), bytes)| {
            let mut sealer = Sealer::new(algorithm, bytes);
            sealer.round(part / 4);
            let rounds = (0..FLOOR_ROUNDS).map(|_| sealer.round(part)).collect::<Vec<_>>();
            Sealing { cipher, bytes, ns_per_packet: Spread::of(rounds).unwrap_or_default() }
        })
        .collect()
}

struct Sealer {
    key: LessSafeKey,
    packet: Vec<u8>,
    number: u64,
}

impl Sealer {
    fn new(algorithm: &'static Algorithm, bytes: usize) -> Self {
        let key = vec![7; algorithm.key_len()];
        let key = UnboundKey::new(algorithm, &key).expect("the key is as long as the cipher asks");
        Self { key: LessSafeKey::new(key), packet: vec![0; bytes], number: 0 }
    }

    /// Nanoseconds for one packet.
    fn round(&mut self, length: Duration) -> f64 {
        let (until, started) = (clock::now() + length, process::thread_cpu());
        let mut packets = 0_u64;
        loop {
            for _ in 0..PACKETS_PER_LOOK {
                std::hint::black_box(&self.seal());
            }
            packets += u64::from(PACKETS_PER_LOOK);
            if clock::now() >= until {
                let taken = process::thread_cpu().saturating_sub(started);
                return taken.as_secs_f64() * 1e9 / packets as f64;
            }
        }
    }

    fn seal(&mut self) -> Tag {
        self.number += 1;
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.number.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let header = Aad::from(self.number.to_be_bytes());
        self.key
            .seal_in_place_separate_tag(nonce, header, &mut self.packet)
            .expect("a packet is shorter than any cipher's bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cipher_is_timed_at_each_size() {
        let found = seal(Duration::ZERO);
        let named: Vec<_> = found.iter().map(|one| (one.cipher, one.bytes)).collect();
        assert_eq!(named.len(), 6);
        assert_eq!(named[0], ("AES-128-GCM", 400));
        assert_eq!(named[5], ("ChaCha20-Poly1305", 1_400));
        assert!(found.iter().all(|one| one.ns_per_packet.min > 0.0));
    }

    #[test]
    fn what_is_timed_is_sealing() {
        let mut sealer = Sealer::new(&AES_128_GCM, 400);
        let first = sealer.seal();
        assert_ne!(sealer.packet, [0; 400], "the packet is encrypted");
        let once = sealer.packet.clone();
        let second = sealer.seal();
        assert_ne!(sealer.packet, once, "and again, under another nonce");
        assert_ne!(first.as_ref(), second.as_ref());
    }
}
