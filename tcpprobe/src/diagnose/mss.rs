//! The MSS, which no event tells: what ACKs advance by is mostly a multiple of it.

/// What it may be: `TCP_MIN_MSS` is smaller, but nobody uses that; a window has 16 bits before scaling.
const LEAST: u32 = 536;
const MOST: u32 = 65_483;

/// Learns the MSS of a connection.
#[derive(Debug, Clone)]
pub(super) struct Mss {
    /// Advances that came most often, and about how often (Misra and Gries, 1982).
    common: [(u32, u32); 8],
    assumed: u32,
    usual: u32,
    advances: u32,
    /// Advances by what is usual, of late.
    usual_hits: u32,
}

impl Mss {
    /// 1500 bytes of Ethernet without the headers, with timestamps (RFC 7323).
    pub fn new(is_ipv6: bool) -> Self {
        let usual = if is_ipv6 { 1428 } else { 1448 };
        Mss { common: [(0, 0); 8], assumed: usual, usual, advances: 0, usual_hits: 0 }
    }

    /// An ACK covered so many bytes. One that stands alone says nothing: a program may write always the same, a segment each.
    pub fn advance(&mut self, bytes: u32, is_alone: bool) {
        if bytes < LEAST || is_alone {
            return;
        }
        self.advances = self.advances.saturating_add(1);
        self.usual_hits += u32::from(bytes.is_multiple_of(self.usual));
        if let Some(known) = self.common.iter_mut().find(|known| known.0 == bytes) {
            known.1 += 1;
        } else if let Some(free) = self.common.iter_mut().find(|known| known.1 == 0) {
            *free = (bytes, 1);
        } else {
            self.common.iter_mut().for_each(|known| known.1 -= 1);
        }
        if self.advances >= 16 && self.advances.is_power_of_two() {
            self.learn();
        }
    }

    /// Bytes of a full segment; assumed while too little was seen.
    pub fn bytes(&self) -> u32 {
        self.assumed
    }

    fn learn(&mut self) {
        let frequent = self.common.iter().filter(|known| known.1 >= 2.max(self.advances / 20));
        let divisor = frequent.map(|known| known.0).reduce(gcd).unwrap_or(0);
        // ACKs of every second segment: what Ethernet carries is meant.
        let halved =
            (2..=4).map(|part| divisor / part).find(|&part| (1220..=1460).contains(&part) && divisor % part == 0);
        let divisor = halved.unwrap_or(divisor);
        // A program that writes always the same: where any of it waited, it became full segments.
        let is_usual = self.usual_hits * 64 >= self.advances && divisor < self.usual;
        self.usual_hits /= 2;
        if is_usual {
            self.assumed = self.usual;
        } else if (LEAST..=MOST).contains(&divisor) && divisor <= 9000 {
            self.assumed = divisor;
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_advances_have_in_common() {
        let check = |advances: &[u32], expected: u32| {
            let mut mss = Mss::new(false);
            (0..64).for_each(|at| mss.advance(advances[at % advances.len()], false));
            assert_eq!(mss.bytes(), expected, "{advances:?}");
        };
        check(&[1348, 2696, 4044], 1348);
        check(&[2800, 1400], 1400);
        check(&[2856, 5712], 1428);
        check(&[8948, 17_896], 8948);
        check(&[700, 1101], 1448);
        check(&[1200, 1200, 1200, 1200, 1200, 1200, 1448, 1200], 1448);
        check(&[100, 200], 1448);
    }

    #[test]
    fn what_stands_alone_says_nothing() {
        let mut mss = Mss::new(false);
        (0..64).for_each(|_| mss.advance(1200, true));
        assert_eq!(mss.bytes(), 1448);
    }
}
