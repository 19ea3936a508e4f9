//! AES decryption (FIPS 197), as far as documents with a known password need it.
//!
//! In: a key of 16, 24 or 32 octets and blocks. Out: what they hold. Keys and documents come
//! from the sender and are no secret of this house, so no care is taken about timing.

/// The tables of FIPS 197 sections 4.2 and 5, computed once a key.
pub(super) struct Decryptor {
    round_keys: Vec<[u8; 16]>,
    inverse: [u8; 256],
    products: [[u8; 256]; 4],
}

/// Section 5.3.1: where each octet of a block comes from.
const SHIFT: [usize; 16] = [0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3];
/// Section 5.3.3: the factors of a column.
const FACTORS: [u8; 4] = [14, 11, 13, 9];

fn at(table: &[u8; 256], octet: u8) -> u8 {
    table.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Section 4.2: the product of two octets.
fn product(mut left: u8, mut right: u8) -> u8 {
    let mut sum = 0;
    while right != 0 {
        if right & 1 == 1 {
            sum ^= left;
        }
        let carry = left & 0x80 != 0;
        left <<= 1;
        if carry {
            left ^= 0x1b;
        }
        right >>= 1;
    }
    sum
}

/// Section 5.1.1: the substitution, and its inverse.
fn substitutions() -> ([u8; 256], [u8; 256]) {
    let (mut forward, mut inverse) = ([0; 256], [0; 256]);
    for octet in 0..=255u8 {
        // The inverse of an octet is its 254th power.
        let power = (0..253).fold(octet, |power, _| product(power, octet));
        let turned = (1..5).fold(power, |sum, turn| sum ^ power.rotate_left(turn)) ^ 0x63;
        if let Some(slot) = forward.get_mut(usize::from(octet)) {
            *slot = turned;
        }
        if let Some(slot) = inverse.get_mut(usize::from(turned)) {
            *slot = octet;
        }
    }
    (forward, inverse)
}

impl Decryptor {
    /// None: no key has this length.
    pub(super) fn new(key: &[u8]) -> Option<Decryptor> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return None;
        }
        let (forward, inverse) = substitutions();
        let products = FACTORS.map(|factor| {
            let mut table = [0; 256];
            for (octet, slot) in (0..=255u8).zip(table.iter_mut()) {
                *slot = product(octet, factor);
            }
            table
        });
        // Section 5.2: the key expansion, word by word.
        let words_of_key = key.len() / 4;
        let mut words: Vec<[u8; 4]> =
            key.chunks_exact(4).filter_map(|word| word.try_into().ok()).collect();
        let mut constant = 1u8;
        for number in words_of_key..4 * (words_of_key + 7) {
            let mut word = *words.last()?;
            if number % words_of_key == 0 {
                word.rotate_left(1);
                word = word.map(|octet| at(&forward, octet));
                if let Some(first) = word.first_mut() {
                    *first ^= constant;
                }
                constant = product(constant, 2);
            } else if words_of_key > 6 && number % words_of_key == 4 {
                word = word.map(|octet| at(&forward, octet));
            }
            let before = words.get(number - words_of_key)?;
            for (octet, before) in word.iter_mut().zip(before) {
                *octet ^= before;
            }
            words.push(word);
        }
        let round_keys =
            words.chunks_exact(4).filter_map(|four| four.concat().try_into().ok()).collect();
        Some(Decryptor { round_keys, inverse, products })
    }

    /// Section 5.3: one block.
    fn block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut state = block;
        for (number, key) in self.round_keys.iter().enumerate().rev() {
            let is_last = number + 1 == self.round_keys.len();
            if !is_last {
                let from = |place: usize| state.get(place).copied().unwrap_or_default();
                state = SHIFT.map(|place| at(&self.inverse, from(place)));
            }
            for (octet, key) in state.iter_mut().zip(key) {
                *octet ^= key;
            }
            if !is_last && number > 0 {
                self.unmix(&mut state);
            }
        }
        state
    }

    fn unmix(&self, state: &mut [u8; 16]) {
        let [by14, by11, by13, by9] = &self.products;
        for column in state.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *column;
            *column = [
                at(by14, a) ^ at(by11, b) ^ at(by13, c) ^ at(by9, d),
                at(by9, a) ^ at(by14, b) ^ at(by11, c) ^ at(by13, d),
                at(by13, a) ^ at(by9, b) ^ at(by14, c) ^ at(by11, d),
                at(by11, a) ^ at(by13, b) ^ at(by9, c) ^ at(by14, d),
            ];
        }
    }

    /// Each block by itself (ECB); a rest that is no block is left out.
    pub(super) fn separate(&self, octets: &[u8]) -> Vec<u8> {
        octets.as_chunks::<16>().0.iter().flat_map(|block| self.block(*block)).collect()
    }

    /// Each block joined with the one before it (CBC).
    pub(super) fn chained(&self, octets: &[u8], first: &[u8]) -> Vec<u8> {
        let mut before: [u8; 16] = [0; 16];
        for (slot, octet) in before.iter_mut().zip(first) {
            *slot = *octet;
        }
        let mut plain = Vec::with_capacity(octets.len());
        for block in octets.as_chunks::<16>().0 {
            let opened = self.block(*block);
            plain.extend(opened.iter().zip(before).map(|(octet, before)| octet ^ before));
            before = *block;
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::Decryptor;

    #[test]
    fn the_examples_of_the_standard_are_decrypted() {
        // FIPS 197 appendix C.
        let plain: Vec<u8> = (0..16).map(|number| number * 0x11).collect();
        let table: [(u8, [u8; 16]); 3] = [
            (16, *b"\x69\xc4\xe0\xd8\x6a\x7b\x04\x30\xd8\xcd\xb7\x80\x70\xb4\xc5\x5a"),
            (24, *b"\xdd\xa9\x7c\xa4\x86\x4c\xdf\xe0\x6e\xaf\x70\xa0\xec\x0d\x71\x91"),
            (32, *b"\x8e\xa2\xb7\xca\x51\x67\x45\xbf\xea\xfc\x49\x90\x4b\x49\x60\x89"),
        ];
        for (length, packed) in table {
            let key: Vec<u8> = (0..length).collect();
            let decryptor = Decryptor::new(&key).unwrap();
            assert_eq!(decryptor.separate(&packed), plain);
            assert_eq!(decryptor.chained(&packed, &[0; 16]), plain);
        }
        assert!(Decryptor::new(&[0; 15]).is_none());
    }
}
