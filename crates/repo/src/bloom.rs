//! Which paths commits change, by the Bloom filters of the commit-graph (gitformat-commit-graph(5),
//! chunks BIDX and BDAT; the hash is `MurmurHash3` as that page specifies it).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use bstr::{BStr, ByteSlice as _};

/// The filters of the files of a commit-graph, in the order of positions.
pub(crate) struct Filters(Vec<Layer>);

/// The filters of one file.
struct Layer {
    /// The position of its first commit.
    base: u32,
    version: u32,
    hashes: u32,
    /// The ends of the filters in `data`.
    ends: Vec<u32>,
    data: Vec<u8>,
}

/// The most bytes of filters that are held.
const MOST: u64 = 16 << 20;
/// What precedes the filters in their chunk, in bytes.
const HEADER: usize = 12;

/// The two hashes of a path, for each of the two versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([(u32, u32); 2]);

impl Key {
    /// The keys of a path and of the folders it is in: all of them are in the filter of a commit
    /// that changes it.
    pub(crate) fn of_path(path: &BStr) -> Vec<Key> {
        let ends = path.find_iter("/").chain([path.len()]);
        ends.map(|end| Key::of(&path[..end])).collect()
    }

    fn of(path: &[u8]) -> Self {
        let both = |signed| (murmur3(SEEDS.0, path, signed), murmur3(SEEDS.1, path, signed));
        Self([both(true), both(false)])
    }
}

const SEEDS: (u32, u32) = (0x293a_e76f, 0x7e64_6e2c);

impl Filters {
    /// Reads the filters; none, if a file has none, since the answer would be uncertain anyway.
    pub(crate) fn open(files: &[std::path::PathBuf]) -> Option<Self> {
        let mut layers = Vec::new();
        let mut base = 0;
        for file in files {
            let layer = layer(&mut File::open(file).ok()?, base)?;
            base += u32::try_from(layer.ends.len()).ok()?;
            layers.push(layer);
        }
        (!layers.is_empty()).then_some(Self(layers))
    }

    /// Whether the commit at a position surely changes none of what the keys together name.
    pub(crate) fn excludes(&self, position: u32, keys: &[Key]) -> bool {
        let layer = self.0.iter().rfind(|layer| layer.base <= position);
        layer.is_some_and(|layer| layer.excludes(position - layer.base, keys))
    }
}

impl Layer {
    fn excludes(&self, at: u32, keys: &[Key]) -> bool {
        let at = at as usize;
        let Some(&end) = self.ends.get(at) else { return false };
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let Some(filter) = self.data.get(start as usize..end as usize) else { return false };
        // Empty: not computed, or too many changes to be worth a filter.
        if filter.is_empty() {
            return false;
        }
        !keys.iter().all(|key| self.may_hold(filter, *key))
    }

    fn may_hold(&self, filter: &[u8], key: Key) -> bool {
        let (first, second) = key.0[usize::from(self.version == 2)];
        let bits = filter.len() as u64 * 8;
        (0..self.hashes).all(|nth| {
            let hash = first.wrapping_add(nth.wrapping_mul(second));
            let bit = u64::from(hash) % bits;
            usize::try_from(bit / 8).is_ok_and(|byte| filter[byte] & (1 << (bit % 8)) != 0)
        })
    }
}

/// Reads the two chunks of one file.
fn layer(file: &mut File, base: u32) -> Option<Layer> {
    let mut head = [0; 8];
    file.read_exact(&mut head).ok()?;
    if head[..4] != *b"CGPH" {
        return None;
    }
    let mut table = vec![0; (usize::from(head[6]) + 1) * 12];
    file.read_exact(&mut table).ok()?;
    let mut chunk = |name: &[u8; 4]| -> Option<Vec<u8>> {
        let at = table.chunks_exact(12).position(|row| row[..4] == *name)?;
        let offset = |row: usize| be64(table.get(row * 12 + 4..row * 12 + 12)?);
        let (start, end) = (offset(at)?, offset(at + 1)?);
        let length = end.checked_sub(start).filter(|length| *length <= MOST)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.seek(SeekFrom::Start(start)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let (index, data) = (chunk(b"BIDX")?, chunk(b"BDAT")?);
    let ends: Option<Vec<u32>> = index.chunks_exact(4).map(be32).collect();
    let (version, hashes) = (be32(data.get(..4)?)?, be32(data.get(4..8)?)?);
    let is_known = matches!(version, 1 | 2) && (1..=64).contains(&hashes);
    let data = data.get(HEADER..)?.to_vec();
    is_known.then_some(Layer { base, version, hashes, ends: ends?, data })
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn be64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// `MurmurHash3`, 32 bits. Version 1 of the format took bytes for signed numbers.
fn murmur3(seed: u32, data: &[u8], signed: bool) -> u32 {
    let wide = |byte: u8| {
        if signed { i32::from(byte.cast_signed()).cast_unsigned() } else { u32::from(byte) }
    };
    let mix =
        |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = seed;
    let mut blocks = data.chunks_exact(4);
    for block in &mut blocks {
        let word = (0..4).fold(0, |word, at| word | (wide(block[at]) << (8 * at)));
        hash ^= mix(word);
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        let word = (0..tail.len()).fold(0, |word, at| word ^ (wide(tail[at]) << (8 * at)));
        hash ^= mix(word);
    }
    hash ^= u32::try_from(data.len()).unwrap_or(u32::MAX);
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_the_format() {
        // The values of git's own t/t0095-bloom.sh.
        assert_eq!(murmur3(0, b"", false), 0);
        assert_eq!(murmur3(0, b"Hello world!", false), 0x627b_0c2c);
        let pangram = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(murmur3(0, pangram, false), 0x2e4f_f723);
    }

    #[test]
    fn a_path_has_a_key_for_each_folder_it_is_in() {
        let keys = Key::of_path("a/b/c.rs".into());
        assert_eq!(keys, [Key::of(b"a"), Key::of(b"a/b"), Key::of(b"a/b/c.rs")]);
    }
}
