//! What is remembered of contents, so that a search reads only the files that may hold its text.
//!
//! Of each blob a Bloom filter (Bloom 1970, with one hash) keeps the trigrams that begin at even
//! offsets. Wherever a text stands in a content, either its trigrams at even offsets or those at
//! odd ones are in the filter; so half the work of filling finds as much. A filter has about one
//! bit for each byte of content, of which an eighth or less is set.

use std::collections::VecDeque;
use std::sync::Arc;

use bstr::{BStr, BString};
use gix_hash::{ObjectId, oid};
use gix_hashtable::HashMap;

use super::files::Files;
use super::scan::Scanned;

/// How much the filters of one repository take, in bytes.
const MOST_GRAMS: usize = 12 << 20;
/// How much the lists of files of one repository take, in bytes.
const MOST_LISTS: usize = 8 << 20;
/// How many results are remembered, and how many files one of them may have.
const MOST_RESULTS: usize = 8;
const MOST_FOUND: usize = 20_000;
/// What an entry takes beside its bits, in bytes.
const FRAME: usize = 80;
/// The smallest and the largest filter, in bits.
const BITS: (usize, usize) = (1 << 9, 1 << 16);

/// What is known of the contents of blobs, and of the files beneath trees.
#[derive(Default)]
pub(crate) struct Sieve {
    grams: HashMap<ObjectId, (u32, Grams)>,
    weight: usize,
    lists: Vec<(ObjectId, BString, Arc<Files>)>,
    results: VecDeque<(Asked, Arc<Scanned>)>,
    search: u32,
}

/// What was looked for, and where: the same again finds the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The tree of the commit.
    pub(super) tree: ObjectId,
    /// The path of the call.
    pub(super) path: String,
    /// The pattern, and whether it is a regular expression.
    pub(super) pattern: (String, bool),
}

impl Sieve {
    /// The files beneath a tree at a path, if they were listed before.
    pub(super) fn list(&mut self, tree: &oid, base: &BStr) -> Option<Arc<Files>> {
        let at = self
            .lists
            .iter()
            .position(|(id, path, _)| id.as_slice() == tree.as_bytes() && path == base)?;
        let found = self.lists.remove(at);
        let files = Arc::clone(&found.2);
        self.lists.push(found);
        Some(files)
    }

    /// Remembers the files beneath a tree, and forgets the lists that were used longest ago.
    pub(super) fn remember(&mut self, tree: ObjectId, base: BString, files: &Arc<Files>) {
        self.lists.push((tree, base, Arc::clone(files)));
        let weight = |lists: &[(ObjectId, BString, Arc<Files>)]| -> usize {
            lists.iter().map(|(_, _, files)| files.weight()).sum()
        };
        while weight(&self.lists) > MOST_LISTS {
            self.lists.remove(0);
        }
    }

    /// What a search found, if it is one of the last: the next page of its answer needs it.
    pub(super) fn result(&self, asked: &Asked) -> Option<Arc<Scanned>> {
        self.results.iter().find(|(one, _)| one == asked).map(|(_, found)| Arc::clone(found))
    }

    /// Remembers what a search found.
    pub(super) fn keep(&mut self, asked: Asked, found: &Arc<Scanned>) {
        // What is not in this clone may be, the next time.
        if found.found.len() > MOST_FOUND || found.unread > 0 {
            return;
        }
        self.results.truncate(MOST_RESULTS - 1);
        self.results.push_front((asked, Arc::clone(found)));
    }

    /// Begins a search: what the last ones did not ask for may be forgotten.
    pub(super) fn begin(&mut self) {
        self.search += 1;
    }

    /// What is known of a blob.
    pub(super) fn grams(&mut self, id: &oid) -> Option<&Grams> {
        let (used, grams) = self.grams.get_mut(id)?;
        *used = self.search;
        Some(grams)
    }

    /// How many bytes of filters this search may add: it does not push out what it uses itself,
    /// so that a repository larger than the sieve is at least remembered in part.
    pub(super) fn room(&self) -> usize {
        let used = self.grams.values().filter(|(used, _)| *used == self.search);
        let used: usize = used.map(|(_, grams)| grams.weight()).sum();
        MOST_GRAMS.saturating_sub(used)
    }

    /// Remembers blobs.
    pub(super) fn learn(&mut self, learnt: Vec<(ObjectId, Grams)>) {
        let more: usize = learnt.iter().map(|(_, grams)| grams.weight()).sum();
        if self.weight + more > MOST_GRAMS {
            let search = self.search;
            self.grams.retain(|_, (used, _)| *used == search);
            self.weight = self.grams.values().map(|(_, grams)| grams.weight()).sum();
        }
        for (id, grams) in learnt {
            let weight = grams.weight();
            if self.weight + weight > MOST_GRAMS {
                continue;
            }
            self.weight += weight;
            if let Some((_, before)) = self.grams.insert(id, (self.search, grams)) {
                self.weight -= before.weight();
            }
        }
    }
}

/// The trigrams of one content.
pub(super) struct Grams {
    bits: Box<[u8]>,
}

impl Grams {
    /// How many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        self.bits.len() + FRAME
    }

    /// How many bytes the filter of a content takes.
    pub(super) fn weight_of(content: &[u8]) -> usize {
        bits(content.len()) / 8 + FRAME
    }

    /// Whether the content may hold one of some texts.
    pub(super) fn may_hold(&self, texts: &[Vec<u8>]) -> bool {
        texts.iter().any(|text| self.may_hold_from(text, 0) || self.may_hold_from(text, 1))
    }

    /// Whether the trigrams of a text at every second offset are there.
    fn may_hold_from(&self, text: &[u8], first: usize) -> bool {
        let shift = shift(self.bits.len() * 8);
        let mut grams = text.windows(3).skip(first).step_by(2);
        grams.all(|gram| {
            let at = place(u32::from_le_bytes([0, gram[0], gram[1], gram[2]]), shift);
            self.bits[at / 8] & (1 << (at % 8)) != 0
        })
    }
}

/// Makes filters, in a table that has a byte for each bit: setting a byte needs no reading.
pub(super) struct Maker {
    table: Vec<u8>,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self { table: vec![0; BITS.1] }
    }

    /// The trigrams of a content.
    pub(super) fn grams(&mut self, content: &[u8]) -> Grams {
        let count = bits(content.len());
        let shift = shift(count);
        let table = &mut self.table[..count];
        table.fill(0);
        let mut rest = content;
        while let Some(eight) = rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            for offset in [0, 2, 4] {
                #[expect(clippy::cast_possible_truncation, reason = "the lower bytes are wanted")]
                let gram = ((word >> (8 * offset)) as u32) << 8;
                table[place(gram, shift)] = 1;
            }
            rest = &rest[6..];
        }
        for gram in rest.windows(3).step_by(2) {
            table[place(u32::from_le_bytes([0, gram[0], gram[1], gram[2]]), shift)] = 1;
        }
        // Of eight bytes that are 0 or 1, the product's highest byte has one bit of each.
        let bits = table.as_chunks::<8>().0.iter().map(|eight| {
            (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56).to_le_bytes()[0]
        });
        Grams { bits: bits.collect() }
    }
}

/// How many bits the filter of a content has: a power of two.
fn bits(length: usize) -> usize {
    length.clamp(BITS.0, BITS.1).next_power_of_two()
}

/// How far a product is shifted, so that as many bits remain as name a place in a filter.
fn shift(bits: usize) -> u32 {
    32 - bits.trailing_zeros()
}

/// The place of a trigram, in the upper three bytes (Fibonacci hashing: Knuth, vol. 3, 6.4).
fn place(gram: u32, shift: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> ObjectId {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        ObjectId::from(bytes)
    }

    #[test]
    fn what_is_there_is_never_missed() {
        let content: Vec<u8> = (0_u32..5_000).flat_map(|n| (n * n % 977).to_le_bytes()).collect();
        let mut maker = Maker::new();
        for end in (0..200).chain([4_000, content.len()]) {
            let grams = maker.grams(&content[..end]);
            assert_eq!(grams.weight(), Grams::weight_of(&content[..end]));
            for start in (0..end.saturating_sub(9)).step_by(1 + end / 100) {
                for length in 0..9 {
                    let text = content[start..start + length].to_vec();
                    assert!(grams.may_hold(&[text]), "{start} {length} of {end}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_is_mostly_known() {
        let words: Vec<String> = (0..2_000).map(|n| format!("word_{n}_of_text")).collect();
        let grams = Maker::new().grams(words.join("\n").as_bytes());
        let absent = (0..1_000).filter(|n| grams.may_hold(&[format!("Xq{n}zkj").into_bytes()]));
        assert!(absent.count() < 20);
        assert!(grams.may_hold(&[b"nowhere_here".to_vec(), b"word_7_of".to_vec()]));
    }

    #[test]
    fn the_last_results_are_remembered() {
        let mut sieve = Sieve::default();
        let asked =
            |n: usize| Asked { tree: id(1), path: String::new(), pattern: (n.to_string(), false) };
        for n in 0..=MOST_RESULTS {
            sieve.keep(asked(n), &Arc::default());
        }
        assert!(sieve.result(&asked(0)).is_none() && sieve.result(&asked(1)).is_some());
        assert!(sieve.result(&Asked { tree: id(2), ..asked(1) }).is_none());
        assert!(sieve.result(&Asked { path: "src".into(), ..asked(1) }).is_none());
        assert!(sieve.result(&Asked { pattern: ("1".into(), true), ..asked(1) }).is_none());
        sieve.keep(asked(99), &Arc::new(Scanned { unread: 1, ..Scanned::default() }));
        assert!(sieve.result(&asked(99)).is_none());
    }

    #[test]
    fn the_sieve_is_bounded_and_keeps_what_a_search_uses() {
        let content = vec![0_u8; BITS.1];
        let mut maker = Maker::new();
        let mut sieve = Sieve::default();
        let each = Grams::weight_of(&content);
        let fitting = u32::try_from(MOST_GRAMS / each).expect("few");
        sieve.begin();
        for number in 0..fitting + 10 {
            sieve.learn(vec![(id(number), maker.grams(&content))]);
            assert!(sieve.weight <= MOST_GRAMS);
        }
        assert!(sieve.room() < each);
        assert!(sieve.grams(&id(0)).is_some() && sieve.grams(&id(fitting)).is_none());
        sieve.begin();
        assert!(sieve.grams(&id(0)).is_some());
        sieve.learn(vec![(id(fitting), maker.grams(&content))]);
        assert!(sieve.grams(&id(0)).is_some() && sieve.grams(&id(fitting)).is_some());
        assert!(sieve.grams(&id(1)).is_none() && sieve.room() > each);
    }
}
