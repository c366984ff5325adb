//! Random numbers that are the same everywhere for the same seed: `SplitMix64` (Steele, Lea and
//! Flood, OOPSLA 2014).

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or_default()
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of a list that is not empty.
    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Cuts, flips, drops, repeats or puts in one of the pieces that matter.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>, pieces: &[&[u8]]) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            2 => {
                let end = (at + self.below(400)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + self.below(400)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let piece = *self.one_of(pieces);
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }

    /// Any byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[0]
    }

    /// Any character.
    pub(crate) fn character(&mut self) -> char {
        let number = u32::try_from(self.below(0x11_0000)).unwrap_or_default();
        char::from_u32(number).unwrap_or('\u{fffd}')
    }
}
