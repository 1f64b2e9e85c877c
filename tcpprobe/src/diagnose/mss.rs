//! The MSS, which no event tells: what ACKs advance by is mostly a multiple of it.

/// What it may be. Every path carries 536 bytes of payload and options (RFC 9293, 3.7.1), of which timestamps and SACK take up to 36.
const LEAST: u32 = 500;
/// `TCP_MIN_SND_MSS` (`include/net/tcp.h`), where the kernel says it.
const LEAST_TOLD: u32 = 48;
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
    /// Advances of late by multiples of what is assumed, and all.
    fits: (u32, u32),
    /// What most advances were multiples of, once; 0 before.
    confirmed: u32,
    has_fallen: bool,
    /// The most that a packet of the congestion window must have held, and how often of late.
    held: (u32, u32),
}

/// Advances that are looked at together.
const LOOK: u32 = 32;

impl Mss {
    /// 1500 bytes of Ethernet without the headers, with timestamps (RFC 7323).
    pub fn new(is_ipv6: bool) -> Self {
        Self::of(if is_ipv6 { 1428 } else { 1448 })
    }

    /// 65,536 bytes of the loopback device (`drivers/net/loopback.c`); the option that says so has 16 bits.
    pub fn of_loopback(is_ipv6: bool) -> Self {
        Self::of(if is_ipv6 { 65_464 } else { 65_483 })
    }

    fn of(usual: u32) -> Self {
        Mss {
            common: [(0, 0); 8],
            assumed: usual,
            usual,
            advances: 0,
            usual_hits: 0,
            fits: (0, 0),
            confirmed: 0,
            has_fallen: false,
            held: (0, 0),
        }
    }

    /// An ACK covered so many bytes. One that stands alone says nothing: a program may write always the same, a segment each.
    pub fn advance(&mut self, bytes: u32, is_alone: bool) {
        if bytes < LEAST || is_alone {
            return;
        }
        self.advances = self.advances.saturating_add(1);
        self.fits = (self.fits.0 + u32::from(bytes.is_multiple_of(self.assumed)), self.fits.1 + 1);
        if self.fits.1 == LOOK {
            self.look();
        }
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

    /// Looks whether advances are multiples of what is assumed: it may fall on the way.
    fn look(&mut self) {
        let (hits, all) = std::mem::take(&mut self.fits);
        if hits * 4 >= all * 3 {
            self.has_fallen |= self.assumed < self.confirmed;
            self.confirmed = self.assumed;
        } else if hits * 4 < all && self.confirmed == self.assumed {
            (self.common, self.advances, self.usual_hits) = ([(0, 0); 8], 0, 0);
        }
    }

    /// So much was in flight while the congestion window, which had not been reduced, was so large: packets in flight are never more
    /// than it (`net/ipv4/tcp_output.c`, `tcp_cwnd_test()`), so each held as much. Over loopback a segment is up to 64 KiB.
    pub fn in_flight(&mut self, bytes: u32, cwnd: u32) {
        let each = bytes.div_ceil(cwnd.max(1));
        if each > self.assumed + self.assumed / 8 {
            self.held = (self.held.0.max(each), self.held.1 + 1);
            if self.held.1 >= 3 {
                (self.assumed, self.held) = (self.held.0.min(MOST), (0, 0));
            }
        }
    }

    /// The kernel says it.
    pub fn tell(&mut self, bytes: u32) {
        if (LEAST_TOLD..=MOST).contains(&bytes) {
            (self.assumed, self.usual) = (bytes, bytes);
        }
    }

    /// Whether it is more than a lower bound.
    pub fn is_known(&self) -> bool {
        self.assumed <= 9000 || self.assumed == self.usual
    }

    /// Whether full segments became smaller on the way.
    pub fn has_fallen(&self) -> bool {
        self.has_fallen
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
        if self.assumed > 9000 {
            // What a segment may hold at most is known better by what was in flight.
        } else if is_usual {
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

    /// A path that carries 576 bytes, and less.
    #[test]
    fn it_may_be_small() {
        let mut mss = Mss::new(false);
        (0..64).for_each(|at| mss.advance(524 * (1 + at % 3), false));
        assert_eq!(mss.bytes(), 524);
        mss.tell(216);
        assert_eq!(mss.bytes(), 216);
    }

    #[test]
    fn it_may_fall_on_the_way() {
        let check = |then: u32, has_fallen: bool| {
            let mut mss = Mss::new(false);
            (0..128).for_each(|_| mss.advance(2896, false));
            (0..256).for_each(|_| mss.advance(then, false));
            assert_eq!((mss.bytes(), mss.has_fallen()), (then, has_fallen), "{then}");
        };
        check(1288, true);
        check(1448, false);
    }

    #[test]
    fn what_is_in_flight_is_in_packets() {
        let mut mss = Mss::new(false);
        (0..8).for_each(|_| mss.in_flight(10 * 1448, 10));
        assert_eq!(mss.bytes(), 1448);
        (0..8).for_each(|_| mss.in_flight(10 * 32_741, 10));
        assert_eq!(mss.bytes(), 32_741);
        (0..64).for_each(|_| mss.advance(1448, false));
        assert_eq!(mss.bytes(), 32_741, "small writes over loopback do not change it");
    }

    #[test]
    fn what_stands_alone_says_nothing() {
        let mut mss = Mss::new(false);
        (0..64).for_each(|_| mss.advance(1200, true));
        assert_eq!(mss.bytes(), 1448);
    }
}
