//! Objects out of packs (gitformat-pack(5)), with every step of a chain of deltas kept.
//!
//! A walk through the history asks for one version of a tree after the other, and each is stored
//! as a delta on its neighbour. The store of gix keeps what was asked for, and resolves the chain
//! below it anew for the next; here the steps in between are kept too, which makes such walks
//! several times cheaper. Whatever is unusual (loose, an alternate's, a delta by name, damaged) is
//! left to the store of gix.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gix_hash::oid;
use gix_object::Kind;
use gix_pack::data::entry::Header;
use gix_pack::{data, index};

/// How much is kept, in bytes.
const KEPT: usize = 12 << 20;
/// A larger object is not kept, and not resolved here.
const LARGEST: usize = 4 << 20;
/// A longer chain is not followed.
const LONGEST: usize = 5_000;

/// An object's kind and content.
pub(crate) type Object = (Kind, Arc<Vec<u8>>);

/// Where an object is: the pack, and the offset in it.
type Place = (usize, u64);

/// The packs of a repository.
pub(crate) struct Packs {
    files: Vec<(index::File, data::File)>,
    /// The pack that had the last object.
    last: usize,
    inflate: gix_zlib::Inflate,
    /// What was used lately, and what was used before that.
    young: HashMap<Place, Object>,
    old: HashMap<Place, Object>,
    /// The bytes in `young`.
    held: usize,
}

impl Packs {
    /// Opens the packs of a folder of objects; those that cannot be read are left out.
    pub(crate) fn open(objects: &Path, hash: gix_hash::Kind) -> Self {
        let entries = std::fs::read_dir(objects.join("pack")).into_iter().flatten().flatten();
        let indexes = entries.map(|entry| entry.path());
        let indexes = indexes.filter(|path| path.extension().is_some_and(|end| end == "idx"));
        let opened = indexes.filter_map(|path| {
            let pack = data::File::at(path.with_extension("pack"), hash).ok()?;
            Some((index::File::at(path, hash).ok()?, pack))
        });
        Self {
            files: opened.collect(),
            last: 0,
            inflate: gix_zlib::Inflate::default(),
            young: HashMap::new(),
            old: HashMap::new(),
            held: 0,
        }
    }

    /// An object, if it is in one of the packs and nothing about it is unusual.
    pub(crate) fn find(&mut self, id: &oid) -> Option<Object> {
        let count = self.files.len();
        let (pack, offset) = (0..count).find_map(|nth| {
            let pack = (self.last + nth) % count;
            let index = &self.files[pack].0;
            Some((pack, index.pack_offset_at_index(index.lookup(id)?)))
        })?;
        self.last = pack;
        self.resolve((pack, offset))
    }

    /// Gives the memory back, and the maps of the packs.
    pub(crate) fn forget(&mut self, objects: &Path, hash: gix_hash::Kind) {
        *self = Self::open(objects, hash);
    }

    fn resolve(&mut self, place: Place) -> Option<Object> {
        let mut steps = Vec::new();
        let mut at = place;
        let mut object = loop {
            if let Some(known) = self.known(at) {
                break known;
            }
            let entry = self.files[at.0].1.entry(at.1).ok()?;
            if usize::try_from(entry.decompressed_size).ok()? > LARGEST || steps.len() > LONGEST {
                return None;
            }
            match entry.header {
                Header::OfsDelta { base_distance } => {
                    let base = entry.checked_base_pack_offset(base_distance)?;
                    steps.push((at, entry));
                    at.1 = base;
                }
                Header::RefDelta { .. } => return None,
                whole => {
                    let content = self.inflated(at.0, &entry)?;
                    let object = (whole.as_kind()?, Arc::new(content));
                    self.keep(at, &object);
                    break object;
                }
            }
        };
        while let Some((at, entry)) = steps.pop() {
            let delta = self.inflated(at.0, &entry)?;
            object.1 = Arc::new(applied(&object.1, &delta)?);
            self.keep(at, &object);
        }
        Some(object)
    }

    fn inflated(&mut self, pack: usize, entry: &data::Entry) -> Option<Vec<u8>> {
        let mut out = vec![0; usize::try_from(entry.decompressed_size).ok()?];
        self.files[pack].1.decompress_entry(entry, &mut self.inflate, &mut out).ok()?;
        Some(out)
    }

    fn known(&mut self, place: Place) -> Option<Object> {
        if let Some(object) = self.young.get(&place) {
            return Some(object.clone());
        }
        let object = self.old.remove(&place)?;
        self.keep(place, &object);
        Some(object)
    }

    /// Keeps an object; at half of what may be kept, the young ones become the old.
    fn keep(&mut self, place: Place, object: &Object) {
        if object.1.len() > KEPT / 8 {
            return;
        }
        self.held += object.1.len() + 64;
        self.young.insert(place, object.clone());
        if self.held > KEPT / 2 {
            self.old = std::mem::take(&mut self.young);
            self.held = 0;
        }
    }
}

/// The result of a delta (gitformat-pack(5), "Deltified representation"); `None` where it does not
/// fit its base or does not have the size it names.
fn applied(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let (base_size, delta) = size(delta)?;
    let (result_size, mut delta) = size(delta)?;
    if base_size != base.len() || result_size > LARGEST {
        return None;
    }
    let mut out = Vec::with_capacity(result_size);
    while let Some((&instruction, rest)) = delta.split_first() {
        delta = rest;
        if instruction & 0x80 == 0 {
            let (new, rest) = delta.split_at_checked(usize::from(instruction))?;
            if new.is_empty() {
                return None;
            }
            out.extend_from_slice(new);
            delta = rest;
            continue;
        }
        let mut number = |bits: std::ops::Range<u32>| {
            let mut value = 0;
            for (nth, bit) in bits.enumerate() {
                if instruction & (1 << bit) != 0 {
                    let (&byte, rest) = delta.split_first()?;
                    value |= usize::from(byte) << (8 * nth);
                    delta = rest;
                }
            }
            Some(value)
        };
        let start = number(0..4)?;
        let length = match number(4..7)? {
            0 => 0x10000,
            length => length,
        };
        out.extend_from_slice(base.get(start..start.checked_add(length)?)?);
        if out.len() > result_size {
            return None;
        }
    }
    (out.len() == result_size).then_some(out)
}

/// A number at the beginning of a delta, seven bits a byte.
fn size(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut value, mut shift) = (0_usize, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        value |= usize::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 50)?;
        bytes = rest;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((value, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_copies_and_adds() {
        // Base of 5, result of 7: copy 3 from 1, add "xyz!".
        assert_eq!(
            applied(b"abcde", &[5, 7, 0x91, 1, 3, 4, b'x', b'y', b'z', b'!']).as_deref(),
            Some(&b"bcdxyz!"[..])
        );
        for broken in [
            &[4, 7, 0x91, 1, 3][..],
            &[5, 9, 0x91, 1, 3],
            &[5, 3, 0x91, 9, 3],
            &[5, 3, 0x91],
            &[5, 3, 0],
            &[5, 3, 4, b'x'],
            &[5],
            &[0xff; 20],
        ] {
            assert_eq!(applied(b"abcde", broken), None, "{broken:?}");
        }
    }
}
