//! Sealed packets of fixed form: the least that a member can be sent.
//!
//! Data: member, packet number, offset (8 bytes each), ciphertext, tag. Acknowledgement: member,
//! packet number, ciphertext of the number that it answers, tag: 40 bytes. No two packets of a key
//! have one nonce: it is the direction and the packet number. Nothing here knows a socket.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::limits::MTU_BYTES;

const WORD: usize = size_of::<u64>();

/// Bytes of an authentication tag.
pub(super) const TAG_BYTES: usize = 16;

const HEADER_BYTES: usize = 3 * WORD;

/// Bytes of a data packet that are not payload.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// Most bytes of a message that one packet carries.
pub(super) const PAYLOAD_BYTES_MAX: usize = MTU_BYTES as usize - OVERHEAD_BYTES;

/// Bytes of an acknowledgement.
pub(super) const ACK_BYTES: usize = 3 * WORD + TAG_BYTES;

/// Bytes that the library keeps for a key outside [`Key`]: its `EVP_AEAD_CTX`.
pub(super) const KEY_HEAP_BYTES: usize = 584;

/// Bytes that a key is made of.
pub(super) type Secret = [u8; 16];

/// A member's key. The cipher is the one that the service's TLS prefers.
#[derive(Debug)]
pub(super) struct Key(LessSafeKey);

/// A data packet that was authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// Its place in the member's packets.
    pub(super) number: u64,
    /// Where in the message its payload belongs.
    pub(super) offset: u64,
    /// How many bytes of payload there were.
    pub(super) bytes: usize,
}

impl Key {
    pub(super) fn new(secret: &Secret) -> Self {
        let unbound = UnboundKey::new(&AES_128_GCM, secret).expect("a key of 16 bytes is one");
        Self(LessSafeKey::new(unbound))
    }

    /// Writes a data packet to the front of `out` and returns its length.
    pub(super) fn seal_data(
        &self,
        member: u32,
        number: u64,
        offset: usize,
        payload: &[u8],
        out: &mut [u8],
    ) -> usize {
        let length = OVERHEAD_BYTES + payload.len();
        let (header, sealed) = out[..length].split_at_mut(HEADER_BYTES);
        put(header, [u64::from(member), number, offset as u64]);
        let (ciphertext, tag) = sealed.split_at_mut(payload.len());
        self.seal(nonce(Direction::Data, number), header, payload, ciphertext, tag);
        length
    }

    /// Opens a data packet into `out`; `None` if it is not one that this key sealed.
    pub(super) fn open_data(&self, packet: &[u8], out: &mut [u8]) -> Option<Data> {
        let (header, sealed) = packet.split_at_checked(HEADER_BYTES)?;
        let bytes = sealed.len().checked_sub(TAG_BYTES)?;
        let (ciphertext, tag) = sealed.split_at(bytes);
        let out = out.get_mut(..bytes)?;
        let (number, offset) = (word(header, 1)?, word(header, 2)?);
        let nonce = nonce(Direction::Data, number);
        self.0.open_separate_gather(nonce, Aad::from(header), ciphertext, tag, out).ok()?;
        Some(Data { number, offset, bytes })
    }

    /// The acknowledgement of every packet up to `acknowledged`.
    pub(super) fn seal_ack(&self, member: u32, number: u64, acknowledged: u64) -> [u8; ACK_BYTES] {
        let mut packet = [0; ACK_BYTES];
        let (header, sealed) = packet.split_at_mut(2 * WORD);
        put(header, [u64::from(member), number]);
        let (ciphertext, tag) = sealed.split_at_mut(WORD);
        let payload = acknowledged.to_be_bytes();
        self.seal(nonce(Direction::Ack, number), header, &payload, ciphertext, tag);
        packet
    }

    /// The number up to which an acknowledgement answers; `None` if this key did not seal it.
    pub(super) fn open_ack(&self, packet: &[u8]) -> Option<u64> {
        let packet: &[u8; ACK_BYTES] = packet.try_into().ok()?;
        let (header, sealed) = packet.split_at(2 * WORD);
        let (ciphertext, tag) = sealed.split_at(WORD);
        let nonce = nonce(Direction::Ack, word(header, 1)?);
        let mut out = [0; WORD];
        self.0.open_separate_gather(nonce, Aad::from(header), ciphertext, tag, &mut out).ok()?;
        Some(u64::from_be_bytes(out))
    }

    fn seal(&self, nonce: Nonce, header: &[u8], plain: &[u8], out: &mut [u8], tag: &mut [u8]) {
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(header), plain, out, &[], tag)
            .expect("the parts of a packet have the lengths of its form");
    }
}

/// The member that a packet of either direction names.
pub(super) fn member_of(packet: &[u8]) -> Option<u32> {
    u32::try_from(word(packet, 0)?).ok()
}

#[derive(Clone, Copy)]
enum Direction {
    Data = 0,
    Ack = 1,
}

fn nonce(direction: Direction, number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[0] = direction as u8;
    bytes[NONCE_LEN - WORD..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn put<const N: usize>(header: &mut [u8], words: [u64; N]) {
    for (place, word) in header.chunks_exact_mut(WORD).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

fn word(packet: &[u8], index: usize) -> Option<u64> {
    let bytes = packet.get(index * WORD..(index + 1) * WORD)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_for_a_member_opens_with_its_key_and_no_other() {
        let [own, other] = [1, 2].map(|byte| Key::new(&[byte; 16]));
        let payload: Vec<u8> = (0..251).cycle().take(PAYLOAD_BYTES_MAX).collect();
        let mut packet = vec![0; usize::from(MTU_BYTES)];
        let length = own.seal_data(7, 42, 1_412, &payload, &mut packet);
        assert_eq!(length, packet.len(), "a full packet is as long as the path takes");
        assert_eq!(member_of(&packet), Some(7));
        let mut opened = vec![0; PAYLOAD_BYTES_MAX];
        let expected = Data { number: 42, offset: 1_412, bytes: PAYLOAD_BYTES_MAX };
        assert_eq!(own.open_data(&packet, &mut opened), Some(expected));
        assert_eq!(opened, payload);
        assert_eq!(other.open_data(&packet, &mut opened), None);
        packet[3] ^= 1;
        assert_eq!(own.open_data(&packet, &mut opened), None, "the header is authenticated");
    }

    #[test]
    fn an_acknowledgement_is_40_bytes_and_says_how_far() {
        let key = Key::new(&[3; 16]);
        let packet = key.seal_ack(9, 1, 77);
        assert_eq!(packet.len(), 40);
        assert_eq!(member_of(&packet), Some(9));
        assert_eq!(key.open_ack(&packet), Some(77));
        assert_eq!(key.open_ack(&packet[..39]), None);
        assert_eq!(key.open_data(&packet, &mut [0; 64]), None, "directions are apart");
    }
}
