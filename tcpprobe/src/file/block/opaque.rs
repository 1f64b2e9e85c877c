//! Ids that stand for kernel pointers.
//!
//! A stored trace must not tell where the kernel keeps its objects, yet records of one socket or skb must still
//! join. Each run has a secret key, and a pointer is replaced by its encryption: a Feistel network (Luby and Rackoff,
//! 1988) of four rounds over the 48 bits in which kernel addresses differ, SipHash-1-3 as its round function. It is
//! a bijection, so two pointers never share an id and no table is needed; without the key it cannot be turned back.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Pointers of the kernel's half of a 48-bit address space have these bits set.
const KERNEL_HALF: u64 = 0xffff << 48;
/// NULL and small offsets to it, and error codes (`MAX_ERRNO`, `include/linux/err.h`), are no addresses: they stay.
const NOT_ADDRESS: u64 = 4096;

/// The secret of a run.
#[derive(Clone, Copy)]
pub struct PointerKey([u64; 2]);

impl std::fmt::Debug for PointerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PointerKey(secret)")
    }
}

impl PointerKey {
    /// From 16 random bytes that must never reach a reader.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        let word = |at: usize| secret.iter().skip(at).take(8).fold(0, |word, &byte| word << 8 | u64::from(byte));
        PointerKey([word(0), word(8)])
    }

    /// One that is random, and the same as long as this process lives: of traces that have no run, and may be read more than once.
    #[must_use]
    pub fn of_this_process() -> Self {
        static KEY: OnceLock<PointerKey> = OnceLock::new();
        // What the standard library keys its tables with comes from the system's random numbers.
        let word = || RandomState::new().hash_one(0_u64);
        *KEY.get_or_init(|| PointerKey([word(), word()]))
    }

    /// The id of `pointer`: below 2^48 for addresses of a 48-bit kernel half, above for any other, never 0 for an
    /// address; NULL and error codes stay as they are.
    #[must_use]
    pub fn id(&self, pointer: u64) -> u64 {
        if pointer.wrapping_add(NOT_ADDRESS) < 2 * NOT_ADDRESS {
            return pointer;
        }
        let narrow = pointer & KERNEL_HALF == KERNEL_HALF;
        let half = if narrow { 24 } else { 32 };
        let mut id = pointer & !(if narrow { KERNEL_HALF } else { 0 });
        // Walk the cycle until the id is one that nothing else can have.
        loop {
            id = self.permute(id, half);
            let taken = if narrow { id < NOT_ADDRESS } else { id >> 48 == 0 || id >> 48 == 0xffff };
            if !taken {
                return id;
            }
        }
    }

    fn permute(&self, block: u64, half: u32) -> u64 {
        let mask = (1u64 << half) - 1;
        let (mut left, mut right) = (block >> half, block & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (self.hash(right | round << 32 | u64::from(half) << 40) & mask));
        }
        left << half | right
    }

    /// SipHash-1-3 of one word (Aumasson and Bernstein, 2012).
    fn hash(&self, word: u64) -> u64 {
        let [k0, k1] = self.0;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        for message in [word, 8 << 56] {
            v[3] ^= message;
            sip_round(&mut v);
            v[0] ^= message;
        }
        v[2] ^= 0xff;
        (0..3).for_each(|_| sip_round(&mut v));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::Hasher as _;

    #[test]
    fn no_two_pointers_share_an_id() {
        let key = PointerKey::new(*b"0123456789abcdef");
        let pointers =
            (0..100_000u64).map(|i| 0xffff_8880_0000_0000 + i * 64).chain((1..1000).map(|i| i << 52 | 0x5000));
        let ids: HashSet<u64> = pointers.map(|p| key.id(p)).collect();
        assert_eq!(ids.len(), 100_999);
        assert_eq!((key.id(0), key.id(u64::MAX)), (0, u64::MAX), "NULL and error codes stay");
        assert!(!ids.contains(&0));
    }

    #[test]
    fn the_key_decides() {
        let pointer = 0xffff_8880_1234_5678;
        let (a, b) = (PointerKey::new([1; 16]), PointerKey::new([2; 16]));
        assert_eq!(a.id(pointer), a.id(pointer));
        assert_ne!(a.id(pointer), b.id(pointer));
        assert!(a.id(pointer) < 1 << 48);
        assert_ne!(a.id(pointer) & 0xffff, pointer & 0xffff);
    }

    #[test]
    fn the_round_function_is_siphash() {
        // The standard library's default hasher is SipHash-1-3 under a key of zeros.
        let mut reference = std::hash::DefaultHasher::new();
        reference.write_u64(0x0706_0504_0302_0100);
        assert_eq!(PointerKey::new([0; 16]).hash(0x0706_0504_0302_0100), reference.finish());
    }
}
