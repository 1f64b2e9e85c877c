//! Small hash tables for the way from page to block: no allocation but for growth, no deletion, cheap to clear.

/// Spreads the bits of `word` (Fibonacci hashing, Knuth 6.4), the good high half folded onto the low one.
#[inline]
pub fn mix(word: u64) -> u64 {
    let spread = (word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ spread >> 32
}

/// Numbers things from 0 in the order of their first appearance. What a thing is, the caller knows: it gives a
/// hash and says whether the thing of a number is the one meant.
#[derive(Debug)]
pub struct Numbering {
    /// The hash's low half `<< 32 | number + 1`; 0 is free. A power of two of them, at most half in use.
    slots: Vec<u64>,
    used: u32,
}

impl Default for Numbering {
    fn default() -> Self {
        Numbering { slots: vec![0; 256], used: 0 }
    }
}

impl Numbering {
    /// The number of the thing with this `hash`, and whether it is new.
    #[inline]
    pub fn number(&mut self, hash: u64, mut is: impl FnMut(u32) -> bool) -> (u32, bool) {
        let mask = self.slots.len() - 1;
        let tag = hash << 32;
        let mut at = hash as u32 as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let number = slot as u32 - 1;
            if slot >> 32 == tag >> 32 && is(number) {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
        let number = self.used;
        self.used += 1;
        self.slots[at] = tag | u64::from(self.used);
        if self.used as usize * 2 > self.slots.len() {
            self.grow();
        }
        (number, true)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.used = 0;
    }

    /// Doubles the table. Places go by the low half of the hash, which the slots keep.
    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; old.len() * 2];
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            let mut at = (slot >> 32) as usize & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}

/// Numbers 64-bit values from 0 in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Values {
    numbering: Numbering,
    list: Vec<u64>,
}

impl Values {
    /// The number of `value`.
    #[inline]
    pub fn number(&mut self, value: u64) -> u32 {
        let list = &self.list;
        let (number, new) = self.numbering.number(mix(value), |n| list[n as usize] == value);
        if new {
            self.list.push(value);
        }
        number
    }

    /// All values, by number.
    pub fn list(&self) -> &[u64] {
        &self.list
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.numbering.clear();
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stay() {
        let mut values = Values::default();
        for round in 0..2 {
            for i in 0..50_000u64 {
                assert_eq!(values.number((i << 40) | (i * 64)), i as u32, "round {round}");
            }
        }
        assert_eq!(values.list().len(), 50_000);
        values.clear();
        assert_eq!(values.number(7), 0);
    }
}
