//! Prefix codes of minimum redundancy (Huffman, 1952), canonical, of at most 11 bits.
//!
//! A code is stored as the lengths of its codewords, half a byte each; runs of symbols that do not occur are counted.

use super::bits::Cursor;

/// Longest codeword: a table of 2048 entries decodes it in one step, and no column here gains from longer ones.
pub const LENGTH_MAX: u32 = 11;
/// Number of symbols.
pub const SYMBOLS: usize = 256;

/// Lengths of the codewords, 0 for a symbol that does not occur.
pub type Lengths = [u8; SYMBOLS];

/// Lengths of a code for symbols that occur so often; at least one does.
pub fn lengths(counts: &[u32; SYMBOLS]) -> Lengths {
    let mut symbols: Vec<u64> =
        (0..SYMBOLS).filter(|&s| counts[s] > 0).map(|s| u64::from(counts[s]) << 8 | s as u64).collect();
    symbols.sort_unstable();
    let mut depths: Vec<u64> = symbols.iter().map(|symbol| symbol >> 8).collect();
    minimum_redundancy(&mut depths);
    limit(&mut depths);
    let mut lengths = [0; SYMBOLS];
    for (symbol, depth) in symbols.iter().zip(depths) {
        lengths[(symbol & 0xff) as usize] = depth as u8;
    }
    lengths
}

/// Turns weights in ascending order into the depths of their leaves, in place (Moffat and Katajainen, 1995).
fn minimum_redundancy(a: &mut [u64]) {
    let n = a.len();
    if n < 2 {
        a.fill(1);
        return;
    }
    // Inner nodes take the places of the leaves they consumed; each then points to its parent.
    let (mut leaf, mut root) = (0, 0);
    for next in 0..n - 1 {
        let mut take = |a: &mut [u64]| {
            if leaf >= n || root < next && a[root] < a[leaf] {
                root += 1;
                std::mem::replace(&mut a[root - 1], next as u64)
            } else {
                leaf += 1;
                a[leaf - 1]
            }
        };
        let weight = take(a) + take(a);
        a[next] = weight;
    }
    a[n - 2] = 0;
    for node in (0..n - 2).rev() {
        a[node] = a[a[node] as usize] + 1;
    }
    // From the depths of inner nodes to those of leaves: what a level's inner nodes do not use is leaves.
    let (mut available, mut depth) = (1, 0);
    let (mut inner, mut leaf) = (n - 1, n);
    while available > 0 {
        let used = a[..inner].iter().rev().take_while(|&&at| at == depth).count();
        inner -= used;
        for _ in used..available {
            leaf -= 1;
            a[leaf] = depth;
        }
        available = 2 * used;
        depth += 1;
    }
}

/// Shortens codewords, rarest symbol first, to [`LENGTH_MAX`], and lengthens others until the code is one again.
fn limit(depths: &mut [u64]) {
    let max = u64::from(LENGTH_MAX);
    if depths.first().is_none_or(|&deepest| deepest <= max) {
        return;
    }
    let full = 1u64 << max;
    let mut room = 0;
    for depth in depths.iter_mut() {
        *depth = (*depth).min(max);
        room += full >> *depth;
    }
    while room > full {
        // The rarest of those that can still grow; there is one, for 2^11 leaves fit and there are at most 256.
        let Some(depth) = depths.iter_mut().find(|depth| **depth < max) else { return };
        *depth += 1;
        room -= full >> *depth;
    }
    for depth in depths.iter_mut().rev() {
        while *depth > 1 && room + (full >> *depth) <= full {
            room += full >> *depth;
            *depth -= 1;
        }
    }
}

/// The codewords of a canonical code, first bit lowest.
pub fn codes(lengths: &Lengths) -> [u16; SYMBOLS] {
    let mut next = first_codes(lengths);
    let mut codes = [0; SYMBOLS];
    for (code, &length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let place = &mut next[usize::from(length)];
        *code = place.reverse_bits() >> (16 - length);
        *place += 1;
    }
    codes
}

/// The first codeword of each length.
fn first_codes(lengths: &Lengths) -> [u16; LENGTH_MAX as usize + 1] {
    let mut count = [0u16; LENGTH_MAX as usize + 1];
    lengths.iter().filter(|&&length| length > 0).for_each(|&length| count[usize::from(length)] += 1);
    let mut first = [0u16; LENGTH_MAX as usize + 1];
    for length in 1..first.len() {
        first[length] = (first[length - 1] + count[length - 1]) << 1;
    }
    first
}

/// Appends lengths as half bytes, low half first: a length, or 0 and one less than the number (up to 16) of symbols
/// that do not occur. After the last symbol that occurs comes 15.
pub fn put_lengths(lengths: &Lengths, out: &mut Vec<u8>) {
    let used = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
    let mut halves = Vec::with_capacity(used + 2);
    let mut at = 0;
    while at < used {
        halves.push(lengths[at]);
        if lengths[at] == 0 {
            let run = lengths[at..used].iter().take(16).take_while(|&&length| length == 0).count();
            halves.push(run as u8 - 1);
            at += run;
        } else {
            at += 1;
        }
    }
    halves.push(15);
    out.extend(halves.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4));
}

/// Reads what [`put_lengths`] wrote; `None` where that is no complete code.
pub fn read_lengths(cursor: &mut Cursor<'_>) -> Option<Lengths> {
    let mut lengths = [0u8; SYMBOLS];
    let mut pending: Option<u8> = None;
    let mut half = || match pending.take() {
        Some(high) => Some(high),
        None => {
            let byte = cursor.take(1)?[0];
            pending = Some(byte >> 4);
            Some(byte & 15)
        }
    };
    let (mut at, mut room) = (0, 0u32);
    loop {
        match half()? {
            0 => at += usize::from(half()?) + 1,
            15 => break,
            length if u32::from(length) <= LENGTH_MAX => {
                *lengths.get_mut(at)? = length;
                room += 1 << (LENGTH_MAX - u32::from(length));
                at += 1;
            }
            _ => return None,
        }
    }
    let single = room == 1 << (LENGTH_MAX - 1) && lengths.iter().filter(|&&length| length > 0).count() == 1;
    (room == 1 << LENGTH_MAX || single).then_some(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cost(counts: &[u32; SYMBOLS], lengths: &Lengths) -> u64 {
        counts.iter().zip(lengths).map(|(&count, &length)| u64::from(count) * u64::from(length)).sum()
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_come_back(sparse in prop::collection::vec((any::<u8>(), 0u32..40), 1..300)) {
            let mut counts = [0u32; SYMBOLS];
            sparse.iter().for_each(|&(symbol, bits)| counts[usize::from(symbol)] = 1u32 << bits.min(24));
            let lengths = lengths(&counts);
            for (count, length) in counts.iter().zip(&lengths) {
                prop_assert_eq!(*count > 0, *length > 0);
            }
            let mut out = Vec::new();
            put_lengths(&lengths, &mut out);
            let mut cursor = Cursor(&out);
            prop_assert_eq!(read_lengths(&mut cursor), Some(lengths));
            prop_assert!(cursor.0.is_empty());
        }

        #[test]
        fn no_codeword_begins_another(counts in prop::collection::vec(0u32..1000, SYMBOLS)) {
            let counts: [u32; SYMBOLS] = counts.try_into().unwrap();
            prop_assume!(counts.iter().any(|&c| c > 0));
            let lengths = lengths(&counts);
            let codes = codes(&lengths);
            let mut seen = [false; 1 << LENGTH_MAX];
            for symbol in (0..SYMBOLS).filter(|&s| lengths[s] > 0) {
                for high in 0..1usize << (LENGTH_MAX - u32::from(lengths[symbol])) {
                    let place = usize::from(codes[symbol]) | high << lengths[symbol];
                    prop_assert!(!std::mem::replace(&mut seen[place], true));
                }
            }
        }

        #[test]
        fn rubbish_lengths_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_lengths(&mut Cursor(&bytes));
        }
    }

    #[test]
    fn the_cost_is_the_least() {
        let mut counts = [0; SYMBOLS];
        for (symbol, count) in [(1, 45), (2, 13), (3, 12), (4, 16), (5, 9), (200, 5)] {
            counts[symbol] = count;
        }
        assert_eq!(cost(&counts, &lengths(&counts)), 224, "the textbook's example");
        let mut single = [0; SYMBOLS];
        single[7] = 9;
        assert_eq!(lengths(&single)[7], 1);
    }

    #[test]
    fn long_codewords_are_cut() {
        let mut counts = [0; SYMBOLS];
        let mut pair = (1, 1);
        for count in counts.iter_mut().take(30) {
            *count = pair.0;
            pair = (pair.1, pair.0 + pair.1);
        }
        let lengths = lengths(&counts);
        assert_eq!(lengths.iter().max(), Some(&(LENGTH_MAX as u8)));
        let room: u32 = lengths.iter().filter(|&&l| l > 0).map(|&l| 1 << (LENGTH_MAX - u32::from(l))).sum();
        assert_eq!(room, 1 << LENGTH_MAX);
    }
}
