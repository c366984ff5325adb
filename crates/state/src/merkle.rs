//! The Merkle tree of RFC 6962 (section 2.1), whose leaves are the lines of a segment.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of one leaf: a line without its line feed.
pub fn leaf(line: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(line);
    hash.finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    // The byte 1, and the two hashes.
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    Sha256::digest(both).into()
}

/// A tree that only grows: the roots of its complete subtrees, the largest first. Adding a leaf
/// costs one node on average, and the root at most one for each bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root; that of no leaves is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node(left, &right))
    }
}

/// The root over these leaves.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree.root()
}

/// The audit path of the leaf at `index` (from 0), from the leaf upwards (RFC 6962, 2.1.1).
/// Empty where there is no such leaf.
pub fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 || index >= leaves.len() {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = if index < left.len() {
        (self::path(left, index), root(right))
    } else {
        (self::path(right, index - left.len()), root(left))
    };
    path.push(sibling);
    path
}

/// The root that follows from a leaf and its audit path (RFC 9162, 2.1.3.2); `None` where the
/// path does not fit the index and size.
pub fn root_of_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots that the reference implementation of RFC 6962 tests itself with.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn bytes(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let number = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16);
        digits.map(|pair| number(pair).expect("digits")).collect()
    }

    fn leaves() -> Vec<Hash> {
        LEAVES.map(|text| leaf(&bytes(text))).to_vec()
    }

    #[test]
    fn roots_are_those_of_the_rfc() {
        let mut tree = Tree::default();
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(tree.root()[..], bytes(nothing));
        for (leaf, root) in leaves().into_iter().zip(ROOTS) {
            tree.push(leaf);
            assert_eq!(tree.root()[..], bytes(root), "of {} leaves", tree.size());
        }
    }

    #[test]
    fn every_leaf_of_every_tree_has_a_path_to_its_root() {
        let leaves: Vec<Hash> = (0..70u8).map(|number| leaf(&[number])).collect();
        for size in 1..=leaves.len() {
            let whole = root(&leaves[..size]);
            for index in 0..size {
                let path = path(&leaves[..size], index);
                let (at, of) = (index as u64, size as u64);
                assert_eq!(root_of_path(leaves[index], at, of, &path), Some(whole));
                let other = root_of_path(leaf(b"other"), at, of, &path);
                assert_ne!(other, Some(whole), "{index}/{size}");
            }
        }
        assert_eq!(root_of_path(leaves[0], 1, 1, &[]), None);
    }

    #[test]
    fn the_path_is_that_of_the_rfc() {
        // RFC 6962, 2.1.3: the path of d3 in a tree of seven is [c, g, l].
        let leaves = &leaves()[..7];
        let c = leaves[2];
        let g = node(&leaves[0], &leaves[1]);
        let l = node(&node(&leaves[4], &leaves[5]), &leaves[6]);
        assert_eq!(path(leaves, 3), [c, g, l]);
    }
}
