//! The secret key of a list, and the keyed hash under which its values are kept.
//!
//! In: octets. Out: 64 bits that tell nothing of them without the key: SipHash-2-4 (Aumasson and
//! Bernstein, 2012), a pseudo-random function of a 128-bit key. It is quick enough to be asked
//! for every word of every mail, which is why it does not protect short numbers from somebody
//! who has the key as well: the key lies in a file of its own. Each purpose has its own key,
//! derived from the list's 32 octets.

use std::fmt;

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// The secret of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_OCTETS]);

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(secret)")
    }
}

impl Key {
    /// A new one; fails only when the system gives no random octets.
    pub fn random() -> std::io::Result<Key> {
        let mut octets = [0; KEY_OCTETS];
        getrandom::fill(&mut octets).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Key(octets))
    }

    /// The key in a file's octets.
    pub fn from_octets(octets: &[u8]) -> Option<Key> {
        octets.try_into().ok().map(Key)
    }

    /// For its file.
    pub fn octets(&self) -> &[u8; KEY_OCTETS] {
        &self.0
    }

    /// The hash for one purpose.
    pub fn purpose(&self, name: &str) -> Sip {
        let half = |at: usize| {
            let word = |at: usize| {
                let octets = self.0.get(at..at + 8).and_then(|octets| octets.try_into().ok());
                u64::from_le_bytes(octets.unwrap_or_default())
            };
            Sip { k0: word(at), k1: word(at + 8) }.hash(name.as_bytes())
        };
        Sip { k0: half(0), k1: half(16) }
    }
}

/// A keyed hash.
#[derive(Debug, Clone, Copy)]
pub struct Sip {
    k0: u64,
    k1: u64,
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    #[inline]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }
}

impl Sip {
    /// SipHash-2-4, section 2 of its paper.
    #[inline]
    pub fn hash(&self, octets: &[u8]) -> u64 {
        let mut state = State {
            v0: self.k0 ^ 0x736f_6d65_7073_6575,
            v1: self.k1 ^ 0x646f_7261_6e64_6f6d,
            v2: self.k0 ^ 0x6c79_6765_6e65_7261,
            v3: self.k1 ^ 0x7465_6462_7974_6573,
        };
        let (words, rest) = octets.as_chunks::<8>();
        for word in words {
            state.word(u64::from_le_bytes(*word));
        }
        let mut last = (octets.len() as u64) << 56;
        for (at, octet) in rest.iter().enumerate() {
            last |= u64::from(*octet) << (8 * at);
        }
        state.word(last);
        state.v2 ^= 0xff;
        (0..4).for_each(|_| state.round());
        state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of appendix A of the paper.
    #[test]
    fn the_hash_is_siphash() {
        let sip = Sip { k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908 };
        let octets: Vec<u8> = (0..15).collect();
        assert_eq!(sip.hash(&octets), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn purposes_and_keys_differ() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_ne!(one.purpose("a").hash(b"x"), one.purpose("b").hash(b"x"));
        assert_ne!(one.purpose("a").hash(b"x"), other.purpose("a").hash(b"x"));
        assert_eq!(Key::from_octets(one.octets()), Some(one.clone()));
        assert_eq!(Key::from_octets(&[1; 31]), None);
        assert_eq!(format!("{one:?}"), "Key(secret)");
    }
}
