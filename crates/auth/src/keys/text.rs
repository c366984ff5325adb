//! What a key looks like: `suite_`, eight characters that name it, 43 random ones, six that check
//! the others. A mangled key is known as such without a look-up, and a scanner for leaked secrets
//! can tell a key from other text.

use contract::Secret;

/// What every key begins with.
const PREFIX: &str = "suite_";
const ID: usize = 8;
/// 43 characters of 62 are 256.03 bits.
const RANDOM: usize = 43;
const CHECK: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A fresh key and the public part that names it.
pub(super) fn fresh() -> Result<(String, Secret), getrandom::Error> {
    let mut text = String::with_capacity(PREFIX.len() + ID + RANDOM + CHECK);
    text.push_str(PREFIX);
    while text.len() < PREFIX.len() + ID + RANDOM {
        let mut random = [0u8; 64];
        getrandom::fill(&mut random)?;
        let room = PREFIX.len() + ID + RANDOM - text.len();
        // 248 is 4 × 62: every character is as likely as any other.
        let even = random.iter().filter(|byte| **byte < 248).take(room);
        text.extend(even.map(|byte| char::from(ALPHABET[usize::from(*byte % 62)])));
    }
    let check = check(&text);
    text.push_str(&check);
    Ok((text[PREFIX.len()..PREFIX.len() + ID].to_owned(), Secret::new(text)))
}

/// Whether a credential claims to be one of our keys, well-formed or not.
pub(super) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The public part of a well-formed key.
pub(super) fn id(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PREFIX)?;
    if rest.len() != ID + RANDOM + CHECK || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (body, given) = text.split_at(text.len() - CHECK);
    (check(body) == given).then_some(&rest[..ID])
}

/// The first 32 bits of SHA-256 in six characters. It guards against typing, not against forging.
fn check(body: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
    let first: [u8; 4] = std::array::from_fn(|index| digest.as_ref()[index]);
    let mut number = u32::from_be_bytes(first);
    let mut text = [0u8; CHECK];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    text.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_well_formed_and_no_other_is_like_it() {
        let (name, key) = fresh().expect("random");
        let (other, _) = fresh().expect("random");
        assert_eq!(id(key.expose()), Some(name.as_str()));
        assert!(is_key(key.expose()) && key.expose().len() == 63, "{}", key.expose());
        assert_ne!(name, other);
    }

    #[test]
    fn a_mangled_key_is_known_as_such() {
        let (_, key) = fresh().expect("random");
        let key = key.expose();
        let mut swapped = key.to_owned().into_bytes();
        swapped.swap(20, 21);
        let swapped = String::from_utf8(swapped).expect("text");
        assert!(swapped == key || id(&swapped).is_none(), "{swapped}");
        for wrong in [
            &key[..62],
            "suite_",
            "",
            &key.replace("suite_", "sweet_"),
            &format!("{key}0"),
            &key.replacen(&key[30..31], "é", 1),
        ] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
