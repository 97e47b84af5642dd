//! Lengths in as few bytes as they need: seven bits a byte, the lowest first, all but the last marked.

const MORE: u8 = 0x80;

pub(super) fn write(out: &mut Vec<u8>, mut n: usize) {
    while n >= usize::from(MORE) {
        out.push(n.to_le_bytes()[0] | MORE);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// Takes a number off the front; `None` if there is none, or a larger one than a length can be.
pub(super) fn read(bytes: &mut &[u8]) -> Option<usize> {
    let mut n = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.split_off_first()?;
        n |= usize::from(byte & !MORE).checked_shl(shift).filter(|part| part >> shift == usize::from(byte & !MORE))?;
        if byte & MORE == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(n: usize, shift in 0..usize::BITS) {
            let n = n >> shift;
            let mut bytes = Vec::new();
            write(&mut bytes, n);
            prop_assert_eq!(read(&mut &bytes[..]), Some(n));
            prop_assert_eq!(read(&mut &bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_refused() {
        assert_eq!(read(&mut &[0xff; 20][..]), None);
        assert_eq!(read(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]), None);
    }
}
