//! Protobuf's variable-length whole numbers.

/// Longest encoding of 64 bits.
const BYTES_MAX: usize = 10;

/// Appends a number, seven bits a byte, lowest first.
#[inline]
pub(super) fn write(mut word: u64, out: &mut Vec<u8>) {
    while word >= 0x80 {
        out.push(word as u8 | 0x80);
        word >>= 7;
    }
    out.push(word as u8);
}

/// Reads a number at `at`: the number, and where the next thing begins. None if it breaks off or is too long.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    read_long(bytes, at)
}

fn read_long(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut word = 0u64;
    for (index, &byte) in bytes[at..].iter().take(BYTES_MAX).enumerate() {
        if index == BYTES_MAX - 1 && byte > 1 {
            return None;
        }
        word |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((word, at + index + 1));
        }
    }
    None
}

/// Bytes that [`write`] takes for a number.
pub(super) const fn length(word: u64) -> usize {
    let bits = 64 - (word | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Small magnitudes become small numbers.
#[inline]
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) const fn unzigzag(word: u64) -> i64 {
    (word >> 1) as i64 ^ -((word & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive(number: i64) {
            let mut bytes = Vec::new();
            write(zigzag(number), &mut bytes);
            prop_assert_eq!(bytes.len(), length(zigzag(number)));
            let (word, end) = read(&bytes, 0).expect("just written");
            prop_assert_eq!((unzigzag(word), end), (number, bytes.len()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0usize..20) {
            if let Some((_, end)) = read(&bytes, at) {
                prop_assert!(end <= bytes.len() && end > at);
            }
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert_eq!(read(&[0xff; 11], 0), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], 0), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 0), Some((u64::MAX, 10)));
    }
}
