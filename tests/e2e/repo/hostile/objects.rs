//! Objects written by hand, since git refuses to write most of these.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The store of a repository.
pub(super) struct Objects {
    folder: PathBuf,
}

impl Objects {
    pub(super) fn of(repository: &Path) -> Self {
        Self { folder: repository.join(".git/objects") }
    }

    /// Writes an object under its own name.
    pub(super) fn write(&self, kind: &str, content: &[u8]) -> String {
        let whole = [format!("{kind} {}\0", content.len()).as_bytes(), content].concat();
        let id = hex(&sha1(&whole));
        self.put(&id, &zlib(&whole));
        id
    }

    /// Writes bytes under a name that need not be theirs.
    pub(super) fn put(&self, id: &str, compressed: &[u8]) {
        let folder = self.folder.join(&id[..2]);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(&id[2..]), compressed).expect("an object");
    }

    /// An object of a kind whose content is not what its name says: links that go round.
    pub(super) fn lie(&self, id: &str, kind: &str, content: &[u8]) {
        let whole = [format!("{kind} {}\0", content.len()).as_bytes(), content].concat();
        self.put(id, &zlib(&whole));
    }

    /// A tree of entries as they are, in this order.
    pub(super) fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        self.write("tree", &tree(entries))
    }

    /// A commit of a tree.
    pub(super) fn commit(&self, tree: &str, parents: &[String], message: &str) -> String {
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            let _ = writeln!(text, "parent {parent}");
        }
        let person = "Mallory <m@example.org> 1700000000 +0000";
        let _ = write!(text, "author {person}\ncommitter {person}\n\n{message}\n");
        self.write("commit", text.as_bytes())
    }

    /// A commit of a tree with one file.
    pub(super) fn commit_of(&self, mode: &str, name: &[u8], id: &str) -> String {
        let tree = self.tree(&[(mode, name, id)]);
        self.commit(&tree, &[], "one entry")
    }

    /// Two objects of one pack, each the delta of the other.
    pub(super) fn delta_cycle(&self) -> [String; 2] {
        let ids = ["11".repeat(20), "22".repeat(20)];
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
        let mut offsets = Vec::new();
        // Two sizes, and "copy one byte from the start" (gitformat-pack(5)).
        let delta = [1, 1, 0x90, 1];
        for base in [&ids[1], &ids[0]] {
            offsets.push(u32::try_from(pack.len()).expect("a small pack"));
            pack.push(0x70 | 4);
            pack.extend(bytes(base));
            pack.extend(zlib(&delta));
        }
        let checksum = sha1(&pack);
        pack.extend(&checksum);
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        for first in 0..=255_u32 {
            let count = u32::from(first >= 0x11) + u32::from(first >= 0x22);
            index.extend(count.to_be_bytes());
        }
        index.extend(ids.iter().flat_map(|id| bytes(id)));
        index.extend([0; 8]);
        index.extend(offsets.iter().flat_map(|offset| offset.to_be_bytes()));
        index.extend(&checksum);
        index.extend(sha1(&index));
        let name = self.folder.join(format!("pack/pack-{}", hex(&checksum)));
        fs::create_dir_all(self.folder.join("pack")).expect("a folder");
        fs::write(name.with_extension("pack"), pack).expect("a pack");
        fs::write(name.with_extension("idx"), index).expect("its index");
        ids
    }
}

/// The content of a tree.
pub(super) fn tree(entries: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend(mode.as_bytes());
        content.push(b' ');
        content.extend(*name);
        content.push(0);
        content.extend(bytes(id));
    }
    content
}

fn sha1(data: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Data in the zlib format, not compressed (RFC 1950, RFC 1951).
pub(super) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    stored(&mut out, data);
    out.extend([1, 0, 0, 0xff, 0xff]);
    let (a, b) = adler(data);
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// Blocks that are stored as they are; none of them is the last.
fn stored(out: &mut Vec<u8>, data: &[u8]) {
    for part in data.chunks(0xffff) {
        let length = u16::try_from(part.len()).expect("a chunk");
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(part);
    }
}

fn adler(data: &[u8]) -> (u32, u32) {
    data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    })
}

/// How many zeros one period of the compressed form stands for: eight copies of the 258 bytes
/// before, thirteen bits each.
const PERIOD: u64 = 8 * 258;

/// A head and then so many zeros in the zlib format, a hundred and fifty times smaller.
pub(super) fn zeros(head: &[u8], count: u64) -> Vec<u8> {
    let (periods, rest) = ((count - 1) / PERIOD, (count - 1) % PERIOD + 1);
    let start = [head, &vec![0; usize::try_from(rest).expect("a period")]].concat();
    let mut out = vec![0x78, 0x01];
    stored(&mut out, &start);
    // The last block, with the fixed codes: 258 bytes from a distance of one, many times.
    let mut bits = vec![true, true, false];
    let copies = 24;
    for _ in 0..copies {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    let packed = packed(&bits);
    // What comes after the first bits repeats every thirteen bytes.
    let (first, period) = (&packed[..13], &packed[13..26]);
    let mut block = first.to_vec();
    for _ in 1..periods {
        block.extend(period);
    }
    // The last three bits of the last copy, and the end of the block: seven zeros.
    block.extend([packed[26] & 0b111, 0]);
    out.extend(block);
    let (a, b) = adler(head);
    let zeros = u32::try_from(count % 65_521).expect("a rest");
    let b = (u64::from(b) + u64::from(zeros) * u64::from(a)) % 65_521;
    out.extend((u32::try_from(b).expect("a rest") << 16 | a).to_be_bytes());
    out
}

/// Bits as bytes, the lowest first.
fn packed(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}
