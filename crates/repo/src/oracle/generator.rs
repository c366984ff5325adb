//! Histories from a seed, by `git fast-import`: merges of every shape, renames, copies, odd
//! names and dates.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::git::Git;
use super::random::Random;
use super::words::{PATHS, PEOPLE, content, edited, message, zone};
use crate::testing::World;

/// A repository with so many commits from a seed.
pub(super) fn generated(seed: u64, commits: usize) -> World {
    let world = World::new();
    let git = Git::new(&world.repository());
    let mut history = History::new(seed);
    while history.commits.len() < commits {
        history.grow();
    }
    git.feed(&["fast-import", "--quiet", "--done"], &history.finish());
    world
}

#[derive(Clone, PartialEq, Eq)]
struct File {
    mode: &'static str,
    content: Rc<Vec<u8>>,
}

type Tree = BTreeMap<Vec<u8>, File>;

struct Commit {
    tree: Tree,
    time: i64,
}

/// The history so far. A commit's mark is its index and one.
struct History {
    random: Random,
    stream: Vec<u8>,
    commits: Vec<Commit>,
    /// The commits that have no children.
    tips: BTreeSet<usize>,
    /// Files that were deleted once: they come back.
    gone: Vec<(Vec<u8>, File)>,
}

/// The most branches that live at a time.
const TIPS: usize = 6;

impl History {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let (stream, commits, tips, gone) = (Vec::new(), Vec::new(), BTreeSet::new(), Vec::new());
        Self { random, stream, commits, tips, gone }
    }

    /// One more commit, or, where histories cross, two.
    fn grow(&mut self) {
        let random = &mut self.random;
        if self.commits.is_empty() || random.percent(1) {
            let mut tree = Tree::new();
            for _ in 0..4 + random.below(8) {
                add(&mut tree, random);
            }
            self.commit(&[], tree);
            return;
        }
        let tips: Vec<usize> = self.tips.iter().copied().collect();
        let is_crowded = tips.len() >= TIPS;
        if tips.len() > 1 && (is_crowded || random.percent(15)) {
            self.merge(&tips);
            return;
        }
        // A branch begins at any commit, mostly a late one.
        let parent = match random.below(100) {
            0..=9 => random.below(self.commits.len()),
            10..=19 => self.commits.len() - 1 - random.below(self.commits.len().min(20)),
            _ => *random.one_of(&tips),
        };
        let tree = self.changed(parent);
        self.commit(&[parent], tree);
    }

    /// The tree of a commit after some changes; after none, at times.
    fn changed(&mut self, parent: usize) -> Tree {
        let mut tree = self.commits[parent].tree.clone();
        let random = &mut self.random;
        if random.percent(3) {
            return tree;
        }
        for _ in 0..=random.below(3) {
            change(&mut tree, random, &mut self.gone);
        }
        if tree.is_empty() {
            add(&mut tree, random);
        }
        tree
    }

    fn merge(&mut self, tips: &[usize]) {
        let random = &mut self.random;
        let count = if random.percent(12) { 3 + random.below(3) } else { 2 };
        let mut parents: Vec<usize> = Vec::new();
        for _ in 0..count.min(tips.len()) {
            let rest: Vec<usize> =
                tips.iter().copied().filter(|tip| !parents.contains(tip)).collect();
            parents.push(*random.one_of(&rest));
        }
        let tree = self.merged(&parents);
        self.commit(&parents, tree);
        if self.random.percent(20) {
            // The same parents once more, the other way round: criss-cross.
            parents.reverse();
            let tree = self.merged(&parents);
            self.commit(&parents, tree);
        }
    }

    /// Each file as in one of the parents, or everything as in one; an evil one also changes
    /// something that no parent has.
    fn merged(&mut self, parents: &[usize]) -> Tree {
        let random = &mut self.random;
        let first = self.commits[*random.one_of(parents)].tree.clone();
        if random.percent(30) {
            return first;
        }
        let mut tree = Tree::new();
        let trees: Vec<&Tree> = parents.iter().map(|parent| &self.commits[*parent].tree).collect();
        let paths: BTreeSet<&Vec<u8>> = trees.iter().flat_map(|tree| tree.keys()).collect();
        for path in paths {
            if let Some(file) = random.one_of(&trees).get(path).filter(|_| fits(&tree, path)) {
                tree.insert(path.clone(), file.clone());
            }
        }
        if random.percent(25) {
            change(&mut tree, random, &mut self.gone);
        }
        if tree.is_empty() { first } else { tree }
    }

    fn commit(&mut self, parents: &[usize], tree: Tree) {
        let random = &mut self.random;
        let last = parents.iter().map(|parent| self.commits[*parent].time).max();
        let last = last.unwrap_or(1_400_000_000 + i64::try_from(random.below(100)).unwrap_or(0));
        let step = i64::try_from(random.below(200_000)).unwrap_or(0);
        let time = match random.below(20) {
            0..=4 => last,
            5 => last - 20 * step,
            6 => last + 20 * step,
            _ => last + step,
        };
        let author_time = if random.percent(20) { time - 3 * step } else { time };
        let (author, committer) = (*random.one_of(PEOPLE), *random.one_of(PEOPLE));
        let (author_zone, committer_zone) = (zone(random), zone(random));
        let message = message(random, self.commits.len());
        let mark = self.commits.len() + 1;
        if parents.is_empty() {
            self.stream.extend(b"reset refs/work\n\n");
        }
        self.stream.extend(
            format!(
                "commit refs/work\nmark :{mark}\nauthor {author} {author_time} {author_zone}\n\
             committer {committer} {time} {committer_zone}\ndata {}\n{message}\n",
                message.len()
            )
            .bytes(),
        );
        for (index, parent) in parents.iter().enumerate() {
            let word = if index == 0 { "from" } else { "merge" };
            self.stream.extend(format!("{word} :{}\n", parent + 1).bytes());
            self.tips.remove(parent);
        }
        let empty = Tree::new();
        let before = parents.first().map_or(&empty, |parent| &self.commits[*parent].tree);
        write_changes(&mut self.stream, before, &tree);
        self.tips.insert(self.commits.len());
        self.commits.push(Commit { tree, time });
    }

    /// The end of the stream: branches at all tips, tags at some commits.
    fn finish(mut self) -> Vec<u8> {
        let tips: Vec<usize> = self.tips.iter().copied().collect();
        for (index, tip) in tips.iter().rev().enumerate() {
            let name = match index {
                0 => "refs/heads/main".to_owned(),
                1 => "refs/heads/-dash".to_owned(),
                2 => "refs/heads/feature/ä".to_owned(),
                3 => "refs/remotes/origin/main".to_owned(),
                _ => format!("refs/heads/topic/{index}"),
            };
            self.stream.extend(format!("reset {name}\nfrom :{}\n\n", tip + 1).bytes());
        }
        for index in 0..8 {
            let at = self.random.below(self.commits.len()) + 1;
            let person = self.random.one_of(PEOPLE);
            let tag = match index % 2 {
                0 => format!("reset refs/tags/light-{index}\nfrom :{at}\n\n"),
                _ => format!(
                    "tag v1.{index}\nfrom :{at}\ntagger {person} {} +0100\ndata 8\nversion\n\n",
                    1_500_000_000 + index
                ),
            };
            self.stream.extend(tag.bytes());
        }
        self.stream
            .extend(b"reset refs/work\nfrom 0000000000000000000000000000000000000000\n\ndone\n");
        self.stream
    }
}

/// Whether a path clashes with no file that is a folder of it, and the other way round.
fn fits(tree: &Tree, path: &[u8]) -> bool {
    let is_below = |one: &[u8], other: &[u8]| {
        one.len() > other.len() && one.starts_with(other) && one[other.len()] == b'/'
    };
    !tree.keys().any(|other| is_below(path, other) || is_below(other, path))
}

/// A path that is free in a tree: of the list, or with another name or folder.
fn free(tree: &Tree, random: &mut Random) -> Option<Vec<u8>> {
    for _ in 0..8 {
        let mut path = random.one_of(PATHS).to_vec();
        match random.below(5) {
            0 => {
                path.splice(0..0, format!("moved{}/", random.below(3)).into_bytes()).for_each(drop);
            }
            1 => path.extend(format!(".{}", random.below(5)).bytes()),
            // A file where a folder was.
            2 => path = path.split(|byte| *byte == b'/').next().unwrap_or_default().to_vec(),
            _ => {}
        }
        if !tree.contains_key(&path) && fits(tree, &path) {
            return Some(path);
        }
    }
    None
}

fn add(tree: &mut Tree, random: &mut Random) {
    let Some(path) = free(tree, random) else { return };
    let (mode, content) = match random.below(30) {
        0 => ("120000", b"../outside/target".to_vec()),
        1 => ("160000", b"0123456789abcdef0123456789abcdef01234567".to_vec()),
        2..=4 => ("100755", content(random)),
        _ => ("100644", content(random)),
    };
    tree.insert(path, File { mode, content: Rc::new(content) });
}

/// One change: mostly an edit.
fn change(tree: &mut Tree, random: &mut Random, gone: &mut Vec<(Vec<u8>, File)>) {
    let paths: Vec<Vec<u8>> = tree.keys().cloned().collect();
    if paths.len() < 3 {
        return add(tree, random);
    }
    let path = random.one_of(&paths).clone();
    let mut file = tree[&path].clone();
    let is_file = file.mode.starts_with("100");
    match random.below(100) {
        0..=49 if is_file => {
            file.content = Rc::new(edited(random, &file.content));
            tree.insert(path, file);
        }
        50..=64 => add(tree, random),
        65..=71 => {
            tree.remove(&path);
            gone.push((path, file));
        }
        // A rename, at times with an edit.
        72..=83 => {
            tree.remove(&path);
            let Some(to) = free(tree, random) else { return };
            if is_file && random.percent(40) {
                file.content = Rc::new(edited(random, &file.content));
            }
            tree.insert(to, file);
        }
        84..=88 => {
            let Some(to) = free(tree, random) else { return };
            tree.insert(to, file);
        }
        89..=92 if is_file => {
            file.mode = if file.mode == "100644" { "100755" } else { "100644" };
            tree.insert(path, file);
        }
        93 if is_file => {
            let link = File { mode: "120000", content: Rc::new(b"elsewhere".to_vec()) };
            tree.insert(path, link);
        }
        94..=97 if !gone.is_empty() => {
            let (path, file) = gone.swap_remove(random.below(gone.len()));
            if fits(tree, &path) {
                tree.insert(path, file);
            }
        }
        _ => {}
    }
}

/// What makes one tree of another, for `git fast-import`.
fn write_changes(stream: &mut Vec<u8>, before: &Tree, after: &Tree) {
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        stream.extend(b"D ");
        stream.extend(quoted(path));
        stream.push(b'\n');
    }
    for (path, file) in after.iter().filter(|(path, file)| before.get(*path) != Some(file)) {
        let is_submodule = file.mode == "160000";
        let id = if is_submodule {
            String::from_utf8_lossy(&file.content).into_owned()
        } else {
            "inline".to_owned()
        };
        stream.extend(format!("M {} {id} ", file.mode).bytes());
        stream.extend(quoted(path));
        stream.push(b'\n');
        if !is_submodule {
            stream.extend(format!("data {}\n", file.content.len()).bytes());
            stream.extend(file.content.iter());
            stream.push(b'\n');
        }
    }
}

/// A path in the quotation of git-fast-import(1).
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in path {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => out.extend(format!("\\{byte:03o}").bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

/// A repository with so many commits, most of them small: branches of a few commits that are
/// merged again.
pub(super) fn large(commits: usize) -> World {
    let world = World::new();
    let git = Git::new(&world.repository());
    let mut random = Random::new(50_000);
    let mut stream = Vec::new();
    let (mut mark, mut time, mut main) = (0, 1_000_000_000, 0);
    let mut one = |stream: &mut Vec<u8>,
                   parents: &[usize],
                   files: &[(usize, usize)],
                   time: usize| {
        mark += 1;
        let person = PEOPLE[mark % PEOPLE.len()];
        let message = format!("change {mark} of file {}\n", files.first().map_or(0, |file| file.0));
        stream.extend(format!(
            "commit refs/heads/main\nmark :{mark}\nauthor {person} {time} +0000\ncommitter {person} {time} +0000\ndata {}\n{message}",
            message.len()
        ).bytes());
        for (index, parent) in parents.iter().enumerate() {
            let joint = if index == 0 { "from" } else { "merge" };
            stream.extend(format!("{joint} :{parent}\n").bytes());
        }
        for (file, version) in files {
            let text = format!("file {file}\nversion {version}\n{}\n", "same\n".repeat(file % 7));
            let (top, folder) = (file % 10, file / 10 % 10);
            stream.extend(
                format!(
                    "M 100644 inline d{top}/e{folder}/f{file}.txt\ndata {}\n{text}\n",
                    text.len()
                )
                .bytes(),
            );
        }
        mark
    };
    while main < commits {
        time += random.below(1_000);
        // Few files change often, most seldom.
        let file = |random: &mut Random| {
            if random.percent(60) { random.below(8) } else { random.below(1_500) }
        };
        let start: Vec<usize> = (main > 0).then_some(main).into_iter().collect();
        let here = file(&mut random);
        let straight = one(&mut stream, &start, &[(here, main)], time);
        if main == 0 || random.percent(70) {
            main = straight;
            continue;
        }
        let mut side = main;
        let mut changed = Vec::new();
        for step in 0..=random.below(3) {
            changed.push((file(&mut random), side * 3));
            side = one(&mut stream, &[side], &changed[step..], time + step * 50);
        }
        main = one(&mut stream, &[straight, side], &changed, time + 400);
        if random.percent(1) {
            stream.extend(format!("reset refs/tags/t{main}\nfrom :{main}\n\n").bytes());
        }
    }
    stream.extend(b"done\n");
    git.feed(&["fast-import", "--quiet", "--done"], &stream);
    world
}
