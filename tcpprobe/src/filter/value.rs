//! The right side of a term: numbers, ranges, durations, addresses, prefixes and names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ast::{Op, Subject, Value};
use super::error::{FilterError, Span};
use super::ranges::Ranges;

/// All IPv4 addresses in their v4-mapped form, `::ffff:0:0/96`.
pub(super) const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// Units of time, in microseconds. `µ` is two characters in Unicode.
const UNITS: [(&str, i128); 5] = [("us", 1), ("µs", 1), ("μs", 1), ("ms", 1_000), ("s", 1_000_000)];

/// An address as 128 bits, IPv4 as its v4-mapped form.
pub(super) fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of 128 bits, v4-mapped as IPv4.
pub(super) fn address_of(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).to_canonical()
}

/// What `word` says by its shape, whatever the field.
pub(super) fn value(word: &str, span: Span) -> Result<Value, FilterError> {
    let fail = |message: String| FilterError::new(span, message);
    if word.contains([':', '/']) || word.starts_with('[') || (word.matches('.').count() >= 2 && !word.contains("..")) {
        return addresses(word, span).map(Value::Addresses);
    }
    if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(Value::Name(word.to_owned()));
    }
    if let Some((low, high)) = word.split_once("..") {
        return Err(
            fail(format!("{word} is not a range")).hint(format!("write {low}-{}", high.trim_start_matches('=')))
        );
    }
    let quantity = |text: &str| {
        quantity(text).map_err(|message| match what_is_meant(text) {
            Some(hint) => fail(message).hint(hint),
            None => fail(message),
        })
    };
    // A dash at the beginning is a sign.
    let Some(dash) = word.char_indices().skip(1).find_map(|(at, c)| (c == '-').then_some(at)) else {
        let (number, timed) = quantity(word)?;
        return Ok(if timed { Value::Micros(number, number) } else { Value::Numbers(number, number) });
    };
    let ((low, low_timed), (high, high_timed)) = (quantity(&word[..dash])?, quantity(&word[dash + 1..])?);
    if low > high {
        let swapped = format!("write {}-{}", &word[dash + 1..], &word[..dash]);
        return Err(fail("the range ends before it begins".into()).hint(swapped));
    }
    match (low_timed, high_timed) {
        (false, false) => Ok(Value::Numbers(low, high)),
        (true, true) => Ok(Value::Micros(low, high)),
        _ => Err(fail("only one end of the range has a unit of time".into()).hint("write both, as in 1ms-20ms")),
    }
}

/// Whether `word` is a unit of time.
pub(super) fn is_unit(word: &str) -> bool {
    UNITS.iter().any(|(unit, _)| *unit == word)
}

/// What to write instead of a quantity that is none.
fn what_is_meant(text: &str) -> Option<&'static str> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let end = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if end.len() == text.len() || end.is_empty() {
        return None;
    }
    if end.strip_prefix('.').is_some_and(digits) {
        return Some("numbers are whole; times may have a fraction, as in 1.5ms");
    }
    let is_foreign = end.bytes().all(|b| b.is_ascii_alphabetic()) && !end.starts_with(['x', 'X']) && end != "ns";
    (is_foreign && !is_unit(end)).then_some("times are in us, ms or s, and there are no other units")
}

/// A number, or a duration in microseconds; whether it had a unit.
fn quantity(text: &str) -> Result<(i128, bool), String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if let Some((_, micros)) = UNITS.iter().find(|(name, _)| *name == unit) {
        return duration(digits, *micros).map(|micros| (micros, true)).map_err(|reason| format!("{text} {reason}"));
    }
    if unit == "ns" && !digits.is_empty() {
        return Err(format!("{text} is too fine: times are whole microseconds (us, ms or s)"));
    }
    number(text).map(|number| (number, false))
}

fn duration(digits: &str, unit_micros: i128) -> Result<i128, &'static str> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || digits.ends_with('.') || fraction.contains('.') || digits.len() > 18 {
        return Err("is not a duration");
    }
    let all: i128 = format!("{whole}{fraction}").parse().map_err(|_| "is not a duration")?;
    let (scaled, scale) = (all * unit_micros, 10i128.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX)));
    if scaled % scale != 0 {
        return Err("is too fine: times are whole microseconds");
    }
    Ok(scaled / scale)
}

/// A decimal or hexadecimal number of 64 bits, with or without sign.
fn number(text: &str) -> Result<i128, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let parsed = match hex {
        _ if digits.contains(['-', '+']) => None,
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
            // The kernel takes 010 for 8; people mean 10.
            return Err(format!("{text} is octal to the kernel: leave out the leading zero"));
        }
        None => digits.parse::<u64>().ok(),
    };
    let known = parsed.map(|number| sign * i128::from(number)).filter(|&number| number >= i128::from(i64::MIN));
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    known.ok_or_else(|| {
        match all_digits || hex.is_some_and(|h| h.len() > 16 && h.bytes().all(|b| b.is_ascii_hexdigit())) {
            true => format!("{text} does not fit into 64 bits"),
            false => format!("{text} is neither a number, a range, a duration, an address nor a name"),
        }
    })
}

/// An address, a prefix or a range of addresses.
pub(super) fn addresses(word: &str, span: Span) -> Result<Ranges<u128>, FilterError> {
    let fail = |message: String| Err(FilterError::new(span, message));
    let single = |text: &str| {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        inner.parse::<IpAddr>().map_err(|_| not_an_address(text, span))
    };
    if let Some((base, length)) = word.split_once('/') {
        return prefix(single(base)?, length, span);
    }
    let Some((low, high)) = word.split_once('-') else {
        let bits = address_bits(single(word)?);
        return Ok(Ranges::new([(bits, bits)]));
    };
    let (low, high) = (single(low)?.to_canonical(), single(high)?.to_canonical());
    if low.is_ipv4() != high.is_ipv4() {
        return fail("a range of addresses has one IPv4 and one IPv6 end".into());
    }
    if low > high {
        return Err(FilterError::new(span, "the range ends before it begins").hint(format!("write {high}-{low}")));
    }
    Ok(without_mapped(address_bits(low), address_bits(high)))
}

fn prefix(base: IpAddr, length: &str, span: Span) -> Result<Ranges<u128>, FilterError> {
    let fail = |message: String| FilterError::new(span, message);
    let bits_max = if base.is_ipv4() { 32 } else { 128 };
    let length: u32 = match length.parse() {
        Ok(length) if length <= bits_max => length,
        _ => {
            let kind = if base.is_ipv4() { "IPv4" } else { "IPv6" };
            let error = fail(format!("the length of an {kind} prefix is 0 to {bits_max}, not {length:?}"));
            return Err(match length.parse::<Ipv4Addr>().map(Ipv4Addr::to_bits) {
                Ok(mask) if base.is_ipv4() && mask.leading_ones() + mask.trailing_zeros() == 32 => {
                    error.hint(format!("write {base}/{}", mask.leading_ones()))
                }
                _ => error,
            });
        }
    };
    let free = u128::MAX.checked_shr(128 - (bits_max - length)).unwrap_or(0);
    let low = address_bits(base);
    if low & free != 0 {
        let network = match (base, Ipv6Addr::from_bits(low & !free)) {
            (IpAddr::V4(_), mapped) => IpAddr::V4(mapped.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED)),
            (IpAddr::V6(_), network) => IpAddr::V6(network),
        };
        return Err(fail(format!("{base} has bits beyond the first {length}"))
            .hint(format!("write {network}/{length}, or {base} for the one address")));
    }
    Ok(without_mapped(low, low | free))
}

/// A range of IPv6 addresses without the v4-mapped ones, which are IPv4; a range within those as it is.
fn without_mapped(low: u128, high: u128) -> Ranges<u128> {
    if MAPPED.0 <= low && high <= MAPPED.1 {
        return Ranges::new([(low, high)]);
    }
    Ranges::new([(low, high.min(MAPPED.0 - 1)), (low.max(MAPPED.1 + 1), high)])
}

fn not_an_address(text: &str, span: Span) -> FilterError {
    let error = FilterError::new(span, format!("{text} is not an address"));
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (host.parse::<Ipv4Addr>().is_ok() || host.starts_with('[')) => {
            error.hint(format!("write the port as a term of its own, as in port == {port}"))
        }
        Some(("", _)) => error.hint("leave out the colon"),
        Some((low, high)) if is_port(low) && is_port(high) => error.hint(format!("write {low}-{high} for a range")),
        _ if text.contains('%') => error.hint("leave out the % and what follows"),
        _ => match beginning(text) {
            Some(prefix) => error.hint(format!("write {prefix}")),
            None => error,
        },
    }
}

/// The prefix that the beginning of an IPv4 address stands for, as in `10.1`, `10.1.` or `10.1.*.*`.
fn beginning(text: &str) -> Option<String> {
    let known = text.trim_end_matches(['*', '.']);
    let mut octets = known.split('.').map(|octet| octet.parse::<u8>().ok()).collect::<Option<Vec<_>>>()?;
    let length = 8 * octets.len();
    octets.resize(octets.len().max(4), 0);
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?);
    (length < 32).then(|| format!("{address}/{length}"))
}

/// Checks that a value suits its field and comparison as far as that is known without any event, and turns
/// quoted addresses into addresses.
pub(super) fn typed(field: &str, op: Op, value: Value, span: Span) -> Result<Value, FilterError> {
    let typed = match Subject::of(field) {
        Subject::Address(_) => as_address(field, op, value, span),
        Subject::Port(_) => as_port(field, op, value, span),
        Subject::Field => as_other(field, op, value, span),
    }?;
    let single = match &typed {
        Value::Numbers(low, high) | Value::Micros(low, high) => low == high,
        _ => true,
    };
    if !single && !matches!(op, Op::Equal | Op::NotEqual) {
        return Err(FilterError::new(span, format!("a range goes with == and !=, not with {}", op.symbol())));
    }
    Ok(typed)
}

fn as_address(field: &str, op: Op, value: Value, span: Span) -> Result<Value, FilterError> {
    let typed = match value {
        Value::Addresses(set) => Value::Addresses(set),
        Value::Text(text) => Value::Addresses(addresses(text.trim(), span)?),
        Value::Numbers(low, high) => {
            let error = FilterError::new(span, format!("{field} is an address, not a number"));
            let Subject::Address(sides) = Subject::of(field) else { return Err(error) };
            let port = if sides.len() == 2 { "port" } else { sides[0].port() };
            let port_symbol = if op == Op::Glob { "==" } else { op.symbol() };
            return Err(match u32::try_from(low) {
                Ok(0..=0xffff) if low == high => error.hint(format!("write {port} {port_symbol} {low}")),
                Ok(0..=0xffff) => error.hint(format!("write {port} {port_symbol} {low}-{high}")),
                // As a filter of the kernel would have it: the four bytes as a little-endian number.
                Ok(number) if low == high => {
                    error.hint(format!("write {field} == {}", Ipv4Addr::from(number.to_le_bytes())))
                }
                _ => error,
            });
        }
        Value::Name(name) => {
            return Err(FilterError::new(span, format!("{name} is not an address, and names are not looked up")));
        }
        Value::Micros(..) => return Err(FilterError::new(span, format!("{field} is an address, not a time"))),
    };
    match op {
        Op::Equal | Op::NotEqual => Ok(typed),
        _ => Err(FilterError::new(span, format!("addresses go with == and !=, not with {}", op.symbol()))
            .hint("write a prefix (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9)")),
    }
}

fn as_port(field: &str, op: Op, value: Value, span: Span) -> Result<Value, FilterError> {
    if op == Op::Glob {
        return Err(FilterError::new(span, format!("~ compares text, and {field} is a number")).hint("write =="));
    }
    match value {
        Value::Numbers(low, high) if (0..=0xffff).contains(&low) && (0..=0xffff).contains(&high) => {
            Ok(Value::Numbers(low, high))
        }
        Value::Numbers(..) => Err(FilterError::new(span, "a port is 0 to 65535")),
        Value::Micros(..) => Err(FilterError::new(span, format!("{field} is a port, not a time"))),
        Value::Addresses(_) => {
            let Subject::Port(sides) = Subject::of(field) else { return Ok(value) };
            let address = if sides.len() == 2 { "addr" } else { sides[0].address() };
            Err(FilterError::new(span, format!("{field} is a port, not an address"))
                .hint(format!("write {address} ==")))
        }
        Value::Name(name) => {
            Err(FilterError::new(span, format!("a port is a number, and {name} is none; names are not looked up")))
        }
        Value::Text(text) => {
            if number(&text).is_err() {
                return as_port(field, op, Value::Name(text), span);
            }
            let error = FilterError::new(span, format!("{field} is a number, and numbers stand without quotes"));
            Err(error.hint(format!("write {field} {} {text}", op.symbol())))
        }
    }
}

fn as_other(field: &str, op: Op, value: Value, span: Span) -> Result<Value, FilterError> {
    let quoted = |text: &str| {
        let error = FilterError::new(span, "text stands in quotes");
        match op {
            Op::Equal if text.contains(['*', '?', '[']) => error.hint(format!("write {field} ~ \"{text}\"")),
            _ => error.hint(format!("write \"{text}\"")),
        }
    };
    match &value {
        Value::Name(name) if op == Op::Glob || field.eq_ignore_ascii_case("comm") => Err(quoted(name)),
        Value::Text(_) | Value::Name(_) if !matches!(op, Op::Equal | Op::NotEqual | Op::Glob) => {
            let error = FilterError::new(span, format!("{} compares numbers", op.symbol()));
            Err(error.hint("names and texts go with == and !="))
        }
        Value::Numbers(0, 0) if op == Op::Mask => Err(FilterError::new(span, "no number has a bit in common with 0")),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { start: 0, length: 1 };

    fn message(word: &str) -> String {
        let error = value(word, SPAN).unwrap_err();
        format!("{}{}", error.message, error.hint.map(|hint| format!("; {hint}")).unwrap_or_default())
    }

    fn set(word: &str) -> Vec<(u128, u128)> {
        addresses(word, SPAN).unwrap().as_slice().to_vec()
    }

    #[test]
    fn numbers() {
        for (word, low, high) in [
            ("80", 80, 80),
            ("0", 0, 0),
            ("0x1F", 31, 31),
            ("-1", -1, -1),
            ("8000-8100", 8000, 8100),
            ("-5--1", -5, -1),
            ("18446744073709551615", i128::from(u64::MAX), i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN), i128::from(i64::MIN)),
        ] {
            assert_eq!(value(word, SPAN).unwrap(), Value::Numbers(low, high), "{word}");
        }
        assert_eq!(message("18446744073709551616"), "18446744073709551616 does not fit into 64 bits");
        assert_eq!(message("-9223372036854775809"), "-9223372036854775809 does not fit into 64 bits");
        assert_eq!(message("010"), "010 is octal to the kernel: leave out the leading zero");
        assert_eq!(message("9-8"), "the range ends before it begins; write 8-9");
        assert_eq!(message("8000..=8100"), "8000..=8100 is not a range; write 8000-8100");
        let neither = "is neither a number, a range, a duration, an address nor a name";
        for word in ["0x", "0x-1", "1e3", "-", "--1", "1-", "*", "%"] {
            assert!(message(word).ends_with(neither), "{word}: {}", message(word));
        }
        let units = "times are in us, ms or s, and there are no other units";
        for (word, hint) in
            [("10k", units), ("20msec", units), ("1.5", "numbers are whole; times may have a fraction, as in 1.5ms")]
        {
            assert_eq!(message(word), format!("{word} {neither}; {hint}"));
        }
    }

    #[test]
    fn durations() {
        for (word, micros) in
            [("20ms", 20_000), ("1.5s", 1_500_000), ("0.25ms", 250), ("7us", 7), ("7µs", 7), ("7μs", 7)]
        {
            assert_eq!(value(word, SPAN).unwrap(), Value::Micros(micros, micros), "{word}");
        }
        assert_eq!(value("1ms-0.02s", SPAN).unwrap(), Value::Micros(1000, 20_000));
        assert_eq!(message("1.5us"), "1.5us is too fine: times are whole microseconds");
        assert_eq!(message("500ns"), "500ns is too fine: times are whole microseconds (us, ms or s)");
        assert_eq!(message(".5ms"), ".5ms is not a duration");
        assert_eq!(message("1-2ms"), "only one end of the range has a unit of time; write both, as in 1ms-20ms");
    }

    #[test]
    fn address_sets() {
        let v4 = |text: &str| address_bits(text.parse().unwrap());
        assert_eq!(set("10.1.2.3"), [(v4("10.1.2.3"), v4("10.1.2.3"))]);
        assert_eq!(set("::ffff:10.1.2.3"), set("10.1.2.3"));
        assert_eq!(set("[::1]"), [(1, 1)]);
        assert_eq!(set("10.0.0.0/8"), [(v4("10.0.0.0"), v4("10.255.255.255"))]);
        assert_eq!(set("::ffff:10.0.0.0/104"), set("10.0.0.0/8"));
        assert_eq!(set("10.0.0.1-10.0.0.9"), [(v4("10.0.0.1"), v4("10.0.0.9"))]);
        assert_eq!(set("0.0.0.0/0"), [MAPPED]);
        assert_eq!(set("::/0"), [(0, MAPPED.0 - 1), (MAPPED.1 + 1, u128::MAX)], "IPv6 only");
        assert_eq!(set("::/96"), [(0, u128::from(u32::MAX))]);
        assert_eq!(set("2001:db8::/127").len(), 1);
        assert_eq!(message("10.0.0.0/33"), "the length of an IPv4 prefix is 0 to 32, not \"33\"");
        assert_eq!(message("::/129"), "the length of an IPv6 prefix is 0 to 128, not \"129\"");
        assert_eq!(
            message("192.168.1.100/24"),
            "192.168.1.100 has bits beyond the first 24; write 192.168.1.0/24, or 192.168.1.100 for the one address"
        );
        assert_eq!(
            message("10.0.0.1:80"),
            "10.0.0.1:80 is not an address; write the port as a term of its own, as in port == 80"
        );
        assert_eq!(
            message("[::1]:80"),
            "[::1]:80 is not an address; write the port as a term of its own, as in port == 80"
        );
        assert_eq!(message("fe80::1%eth0"), "fe80::1%eth0 is not an address; leave out the % and what follows");
        assert_eq!(message("10.0.0.256"), "10.0.0.256 is not an address");
        for (word, prefix) in [("10.1.2.*", "10.1.2.0/24"), ("10.1.*.*", "10.1.0.0/16"), ("10.1.2", "10.1.2.0/24")] {
            assert_eq!(message(word), format!("{word} is not an address; write {prefix}"));
        }
        assert_eq!(message("10.1/16"), "10.1 is not an address; write 10.1.0.0/16");
        assert_eq!(
            message("10.0.0.0/255.128.0.0"),
            "the length of an IPv4 prefix is 0 to 32, not \"255.128.0.0\"; write 10.0.0.0/9"
        );
        assert_eq!(message(":80"), ":80 is not an address; leave out the colon");
        assert_eq!(message("80:90"), "80:90 is not an address; write 80-90 for a range");
        assert_eq!(message("10.0.0.9-10.0.0.1"), "the range ends before it begins; write 10.0.0.1-10.0.0.9");
        assert_eq!(message("10.0.0.9-::1"), "a range of addresses has one IPv4 and one IPv6 end");
    }
}
