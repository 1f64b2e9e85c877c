//! Columns of numbers as bytes: each number is written as its distance from the one before, zigzag (0, -1, 1, -2 … as 0, 1, 2, 3), seven bits a byte
//! with the eighth set where more follow.

/// A column that grows.
#[derive(Debug, Clone, Default)]
pub struct Column {
    last: i64,
    bytes: Vec<u8>,
}

impl Column {
    /// Adds a number.
    pub fn push(&mut self, number: i64) {
        put(&mut self.bytes, number.wrapping_sub(self.last));
        self.last = number;
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A column of these numbers.
pub fn column(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let mut last = 0;
    for number in numbers {
        put(out, number.wrapping_sub(last));
        last = number;
    }
}

/// Writes a number as it is.
pub fn put(out: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |numbers: &[i64], expected: &[u8]| {
            let mut column = Column::default();
            numbers.iter().for_each(|number| column.push(*number));
            assert_eq!(column.bytes(), expected, "{numbers:?}");
        };
        check(&[], &[]);
        check(&[0, 0, 5, 4, -1], &[0, 0, 10, 1, 9]);
        check(&[64, 64 + 300], &[0x80, 1, 0xd8, 4]);
        check(&[i64::MIN], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }
}
