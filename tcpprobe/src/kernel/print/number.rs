//! Integers with their C type, and the arithmetic of C over them.

/// The type of an integer: its size in bytes (1, 2, 4 or 8), and whether it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IntType {
    pub(super) size: u8,
    pub(super) signed: bool,
}

impl IntType {
    pub(super) const INT: IntType = IntType { size: 4, signed: true };
    pub(super) const U64: IntType = IntType { size: 8, signed: false };
}

/// An integer, extended to 64 bits as its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) bits: u64,
    pub(super) kind: IntType,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Mul,
    Div,
    Rem,
    Add,
    Sub,
    Shl,
    Shr,
    Lt,
    Gt,
    Le,
    Ge,
    Eq,
    Ne,
    And,
    Xor,
    Or,
    LogicalAnd,
    LogicalOr,
}

impl Number {
    /// `bits` cut down to `kind` and extended again.
    pub(super) fn new(bits: u64, kind: IntType) -> Self {
        let unused = 64 - 8 * u32::from(kind.size);
        let bits = bits << unused;
        let bits = if kind.signed { (bits.cast_signed() >> unused).cast_unsigned() } else { bits >> unused };
        Number { bits, kind }
    }

    pub(super) fn int(value: bool) -> Self {
        Number { bits: u64::from(value), kind: IntType::INT }
    }

    pub(super) fn is_true(self) -> bool {
        self.bits != 0
    }

    pub(super) fn signed(self) -> i64 {
        self.bits.cast_signed()
    }

    /// As `int` where it is smaller (C11 6.3.1.1).
    pub(super) fn promote(self) -> Self {
        if self.kind.size < 4 { Number { kind: IntType::INT, ..self } } else { self }
    }

    pub(super) fn negate(self) -> Self {
        let value = self.promote();
        Number::new(value.bits.wrapping_neg(), value.kind)
    }

    pub(super) fn complement(self) -> Self {
        let value = self.promote();
        Number::new(!value.bits, value.kind)
    }

    /// `self op other`. Where C leaves the result open (division by zero, wide shifts) it is 0.
    pub(super) fn apply(self, op: Binary, other: Self) -> Self {
        let (left, right) = (self.promote(), other.promote());
        let kind = common(left.kind, right.kind);
        let (a, b) = (Number::new(left.bits, kind).bits, Number::new(right.bits, kind).bits);
        let (sa, sb) = (a.cast_signed(), b.cast_signed());
        let less = |x: u64, y: u64| if kind.signed { x.cast_signed() < y.cast_signed() } else { x < y };
        let bits = match op {
            Binary::Mul => a.wrapping_mul(b),
            Binary::Div if kind.signed => sa.checked_div(sb).unwrap_or(0).cast_unsigned(),
            Binary::Div => a.checked_div(b).unwrap_or(0),
            Binary::Rem if kind.signed => sa.checked_rem(sb).unwrap_or(0).cast_unsigned(),
            Binary::Rem => a.checked_rem(b).unwrap_or(0),
            Binary::Add => a.wrapping_add(b),
            Binary::Sub => a.wrapping_sub(b),
            Binary::And => a & b,
            Binary::Xor => a ^ b,
            Binary::Or => a | b,
            Binary::Shl | Binary::Shr => return left.shift(op, right.bits),
            Binary::Lt => return Number::int(less(a, b)),
            Binary::Gt => return Number::int(less(b, a)),
            Binary::Le => return Number::int(!less(b, a)),
            Binary::Ge => return Number::int(!less(a, b)),
            Binary::Eq => return Number::int(a == b),
            Binary::Ne => return Number::int(a != b),
            Binary::LogicalAnd => return Number::int(a != 0 && b != 0),
            Binary::LogicalOr => return Number::int(a != 0 || b != 0),
        };
        Number::new(bits, kind)
    }

    fn shift(self, op: Binary, by: u64) -> Self {
        let by = u32::try_from(by).unwrap_or(u32::MAX);
        let bits = match op {
            _ if by >= 8 * u32::from(self.kind.size) => 0,
            Binary::Shl => self.bits << by,
            _ if self.kind.signed => (self.signed() >> by).cast_unsigned(),
            _ => self.bits >> by,
        };
        Number::new(bits, self.kind)
    }
}

/// The type that both operands are converted to (C11 6.3.1.8); both are promoted.
fn common(a: IntType, b: IntType) -> IntType {
    match a.size.cmp(&b.size) {
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Equal => IntType { size: a.size, signed: a.signed && b.signed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> Number {
        Number::new(value.cast_unsigned(), IntType::INT)
    }

    fn of(value: i64, size: u8, signed: bool) -> Number {
        Number::new(value.cast_unsigned(), IntType { size, signed })
    }

    #[test]
    fn conversions_are_those_of_c() {
        let check = |a: Number, op, b: Number, expected: i64| {
            assert_eq!(a.apply(op, b).signed(), expected, "{a:?} {op:?} {b:?}")
        };
        check(int(-1), Binary::Lt, int(1), 1);
        check(int(-1), Binary::Lt, of(1, 4, false), 0);
        check(int(-1), Binary::Lt, of(1, 2, false), 1);
        check(of(-1, 4, false), Binary::Lt, of(1, 8, true), 0);
        check(of(255, 1, false), Binary::Add, of(1, 1, false), 256);
        check(of(0xffff_ffff, 4, false), Binary::Add, int(1), 0);
        check(int(i64::from(i32::MAX)), Binary::Add, int(1), i64::from(i32::MIN));
        check(int(-7), Binary::Div, int(2), -3);
        check(int(-8), Binary::Shr, int(1), -4);
        check(of(-8, 4, false), Binary::Shr, int(1), 0x7fff_fffc);
        check(of(0x80, 1, false), Binary::Shl, int(1), 0x100);
    }

    #[test]
    fn what_c_leaves_open_is_zero() {
        assert_eq!(int(1).apply(Binary::Div, int(0)).bits, 0);
        assert_eq!(int(1).apply(Binary::Rem, int(0)).bits, 0);
        assert_eq!(of(i64::MIN, 8, true).apply(Binary::Div, int(-1)).bits, 0);
        assert_eq!(int(1).apply(Binary::Shl, int(32)).bits, 0);
        assert_eq!(int(1).apply(Binary::Shr, int(-1)).bits, 0);
    }
}
