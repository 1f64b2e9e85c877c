//! A short hash for names and for checks of our own bytes; nothing that an adversary chooses.

/// FNV-1a of 32 bits.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    #[test]
    fn published_values() {
        assert_eq!([&b""[..], b"a", b"foobar"].map(super::fnv1a), [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    }
}
