//! Signed notes (c2sp.org/signed-note) with Ed25519, and the checkpoints they carry
//! (c2sp.org/tlog-checkpoint).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::merkle::Hash;

/// The type of a signature: Ed25519.
const TYPE: u8 = 1;

/// What a signature line begins with.
const DASH: &str = "— ";

/// Why a note or key does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not a note.
    #[error("it is no signed note")]
    NoNote,
    /// The text of the note is not that of a checkpoint.
    #[error("its text is no checkpoint")]
    NoCheckpoint,
    /// It is not a key.
    #[error("it is no Ed25519 key in the form NAME+ID+BASE64")]
    NoKey,
    /// No signature is by a key that was asked for.
    #[error("it is signed by another key")]
    OtherKey,
    /// The signature is not that of the text.
    #[error("its signature is wrong")]
    WrongSignature,
}

/// The public half of a key, in the form `NAME+ID+BASE64` ("vkey").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifyingKey {
    fn new(name: &str, public: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(name);
        hash.update([b'\n', TYPE]);
        hash.update(public);
        let hash = hash.finalize();
        Self { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], public }
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is, by its name, the key of this server.
    pub fn is_of(&self, server: &str) -> bool {
        self.name == crate::key::key_name(server)
    }

    /// Whether it is, by its name, the key of the server that this note is of.
    pub fn is_of_note(&self, note: &str) -> bool {
        let checkpoint = Checkpoint::unverified(note);
        checkpoint.is_ok_and(|checkpoint| {
            checkpoint.origin.rsplit_once('/').is_some_and(|(name, _)| name == self.name)
        })
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, typed(&self.public))
    }
}

impl FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id) = (parts.next(), parts.next());
        let (name, id) = name.filter(|name| is_name(name)).zip(id).ok_or(NoteError::NoKey)?;
        let public = parts.next().and_then(untyped).ok_or(NoteError::NoKey)?;
        let key = Self::new(name, public);
        let is_right =
            id.len() == 8 && u32::from_str_radix(id, 16) == Ok(u32::from_be_bytes(key.id));
        if is_right { Ok(key) } else { Err(NoteError::NoKey) }
    }
}

/// Key bytes behind the byte that says what they are of.
fn typed(bytes: &[u8; 32]) -> String {
    let mut all = vec![TYPE];
    all.extend_from_slice(bytes);
    BASE64.encode(all)
}

fn untyped(text: &str) -> Option<[u8; 32]> {
    let bytes = BASE64.decode(text).ok()?;
    bytes.strip_prefix(&[TYPE])?.try_into().ok()
}

/// A name holds neither spaces nor `+`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The private half of a key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying)
    }
}

impl SigningKey {
    /// The key of this seed.
    pub(crate) fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::NoKey)?;
        let public: [u8; 32] =
            pair.public_key().as_ref().try_into().map_err(|_| NoteError::NoKey)?;
        Ok(Self { pair, verifying: VerifyingKey::new(name, public) })
    }

    /// Reads the form of [`SigningKey::encode`].
    pub(crate) fn decode(text: &str) -> Result<Self, NoteError> {
        let text = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(NoteError::NoKey)?;
        let (name, rest) = text.split_once('+').ok_or(NoteError::NoKey)?;
        let (_, seed) = rest.split_once('+').ok_or(NoteError::NoKey)?;
        Self::new(name, &untyped(seed).ok_or(NoteError::NoKey)?)
    }

    /// `PRIVATE+KEY+NAME+ID+BASE64`, as other programs for signed notes keep it.
    pub(crate) fn encode(name: &str, seed: &[u8; 32]) -> Result<String, NoteError> {
        let id = u32::from_be_bytes(Self::new(name, seed)?.verifying.id);
        Ok(format!("PRIVATE+KEY+{name}+{id:08x}+{}\n", typed(seed)))
    }

    /// The public half.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The note over `text`, which ends with a line feed.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = self.verifying.id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        let signature = BASE64.encode(signature);
        format!("{text}\n{DASH}{} {signature}\n", self.verifying.name)
    }
}

/// The text of a note if one of these keys signed it. Signatures by others are passed over.
pub(crate) fn open<'a>(note: &'a str, keys: &[VerifyingKey]) -> Result<&'a str, NoteError> {
    let (text, signatures) = split(note)?;
    let mut is_signed = false;
    for line in signatures.lines() {
        let (name, signature) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .ok_or(NoteError::NoNote)?;
        let signature = BASE64.decode(signature).map_err(|_| NoteError::NoNote)?;
        let (id, signature) = signature.split_at_checked(4).ok_or(NoteError::NoNote)?;
        for key in keys.iter().filter(|key| key.name == name && key.id == id) {
            UnparsedPublicKey::new(&ED25519, &key.public)
                .verify(text.as_bytes(), signature)
                .map_err(|_| NoteError::WrongSignature)?;
            is_signed = true;
        }
    }
    if is_signed { Ok(text) } else { Err(NoteError::OtherKey) }
}

/// The text, with its last line feed, and the signature lines.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::NoNote)?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    let is_note =
        signatures.ends_with('\n') && !note.contains(|c: char| c.is_ascii_control() && c != '\n');
    if is_note { Ok((text, signatures)) } else { Err(NoteError::NoNote) }
}

/// What is signed of a segment: that its first `size` lines have this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is of: `suite/SERVER/SEGMENT`.
    pub origin: String,
    /// How many lines it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The checkpoint of a note that one of these keys signed.
    pub fn open(note: &str, keys: &[VerifyingKey]) -> Result<Self, NoteError> {
        Self::parse(open(note, keys)?)
    }

    /// The checkpoint of a note, whoever signed it: it proves nothing.
    pub fn unverified(note: &str) -> Result<Self, NoteError> {
        Self::parse(split(note)?.0)
    }

    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let mut next = || lines.next().filter(|line| !line.is_empty());
        let (origin, size, root) = (next(), next(), next());
        let size = size
            .filter(|size| *size == "0" || !size.starts_with(['0', '+']))
            .and_then(|size| size.parse().ok());
        let root = root.and_then(decode_hash);
        match (origin, size, root) {
            (Some(origin), Some(size), Some(root)) => {
                Ok(Self { origin: origin.to_owned(), size, root })
            }
            _ => Err(NoteError::NoCheckpoint),
        }
    }

    /// The note.
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        key.sign(&format!("{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root)))
    }
}

/// What the origin of a checkpoint of this program begins with.
const ORIGIN: &str = "suite/";

/// Whether a note of [`notes`] is the beginning of a checkpoint of this program: whoever wrote it
/// to the file died meanwhile, or the disk was full.
pub fn is_torn(note: &str) -> bool {
    // The key's id and an Ed25519 signature.
    const SIGNATURE: usize = (4 + 64usize).div_ceil(3) * 4;
    let first = note.lines().next().unwrap_or_default();
    let is_whole = |line: &str| {
        let signature = line.strip_prefix(DASH).and_then(|line| line.rsplit(' ').next());
        signature.is_some_and(|signature| signature.len() >= SIGNATURE)
    };
    let is_ours = first.starts_with(ORIGIN) || !first.is_empty() && ORIGIN.starts_with(first);
    is_ours && !note.lines().any(is_whole)
}

/// The notes of a file that holds many, one after the other. One that is torn is handed out as it
/// is, and takes nothing away from the one behind it.
pub fn notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = String::new();
    let mut is_signed = false;
    for line in text.lines() {
        let is_signature = line.starts_with(DASH);
        let is_text = !line.starts_with(DASH.trim_end()) && !line.trim().is_empty();
        // Only signatures follow an empty line, and an origin stands in front.
        let is_new = is_text && note.ends_with("\n\n")
            || line.starts_with(ORIGIN) && decode_hash(line).is_none();
        if !note.is_empty() && (is_new || is_signed && !is_signature) {
            notes.push(std::mem::take(&mut note));
        }
        // Blank lines between notes belong to none.
        if !(note.is_empty() && line.trim().is_empty()) {
            note.push_str(line);
            note.push('\n');
        }
        is_signed = is_signature && !note.is_empty();
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

/// A hash as it stands in checkpoints and records: base64.
pub fn encode_hash(hash: &Hash) -> String {
    BASE64.encode(hash)
}

pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the note package of Go's checksum database, where the format is from.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_note_is_verified() {
        let key: VerifyingKey = KEY.parse().expect("a key");
        assert_eq!(key.to_string(), KEY);
        assert_eq!(key.name(), "PeterNeumann");
        let keys = [key];
        let text = open(NOTE, &keys).expect("signed");
        assert!(text.ends_with("problem is.\n"), "{text}");
        let changed = NOTE.replace("answer", "Answer");
        assert_eq!(open(&changed, &keys), Err(NoteError::WrongSignature));
        assert_eq!(open(NOTE, &[]), Err(NoteError::OtherKey));
        assert_eq!(open("no note\n", &keys), Err(NoteError::NoNote));
        assert_eq!(open(&NOTE.replace("to your", "to\tyour"), &keys), Err(NoteError::NoNote));
    }

    #[test]
    fn a_key_whose_id_is_not_its_own_is_refused() {
        for wrong in [
            KEY.replace("c74f20a3", "c74f20a4"),
            KEY.replace("+ARpc", "+Arpc"),
            KEY.replace("PeterNeumann", "Peter Neumann"),
            "PeterNeumann".to_owned(),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<VerifyingKey>(), Err(NoteError::NoKey), "{wrong}");
        }
    }

    #[test]
    fn a_private_key_is_kept_in_the_form_others_read() {
        // Also of the note package.
        let text =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n";
        let key = SigningKey::decode(text).expect("a key");
        assert_eq!(key.verifying().to_string(), KEY);
        let seed = untyped("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").expect("a seed");
        assert_eq!(SigningKey::encode("PeterNeumann", &seed).as_deref(), Ok(text));
        let (text, _) = split(NOTE).expect("a note");
        assert_eq!(key.sign(text), NOTE);
    }

    #[test]
    fn a_checkpoint_is_the_published_one() {
        let note = "example.com/behind-the-sofa\n20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let read = Checkpoint::unverified(note).expect("a checkpoint");
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        let key = SigningKey::new("suite/docs", &[7; 32]).expect("a key");
        let ours = read.sign(&key);
        let keys = [key.verifying().clone()];
        assert_eq!(Checkpoint::open(&ours, &keys), Ok(read));
        assert_eq!(Checkpoint::open(note, &keys), Err(NoteError::OtherKey));
        for wrong in ["020852163", "+1", "-1", "x", ""] {
            let note = note.replace("20852163", wrong);
            assert!(Checkpoint::unverified(&note).is_err(), "{wrong}");
        }
        let many = format!("{note}{ours}\n\n{note}");
        assert_eq!(notes(&many), [note, &ours, note]);
        assert_eq!(notes("\n"), [""; 0]);
        assert!(key.verifying().is_of("docs") && !key.verifying().is_of("other"));
    }

    #[test]
    fn a_torn_note_takes_nothing_away_from_the_one_behind_it() {
        let key = SigningKey::new("suite/docs", &[7; 32]).expect("a key");
        let origin = "suite/docs/20261122T103436123Z-0a1b2c3d".to_owned();
        let ours = Checkpoint { origin, size: 42, root: [7; 32] }.sign(&key);
        assert!(!is_torn(&ours) && key.verifying().is_of_note(&ours));
        for end in (1..ours.len() - 1).filter(|end| ours.is_char_boundary(*end)) {
            let torn = &ours[..end];
            let all = notes(&format!("{ours}\n{torn}\n\n{ours}\n"));
            assert_eq!((all.len(), &all[0], &all[2]), (3, &ours, &ours), "{torn:?}: {all:?}");
            assert!(is_torn(&all[1]), "{torn:?}");
            if torn.ends_with('\n') {
                assert_eq!(notes(&format!("{torn}{ours}")).last(), Some(&ours), "{torn:?}");
            }
        }
        assert!(!is_torn("anything else\n") && !is_torn(NOTE));
    }
}
