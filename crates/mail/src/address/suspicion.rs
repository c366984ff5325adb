//! Look-alikes (UTS 39): a domain or a display name that a person may take for another. A domain
//! that was declared letter by letter is never taken for a look-alike of itself.

use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _, skeleton};

use super::allowed::is_below;
use super::{Address, Allowed, domain};

/// Why an address may be taken for another; nothing if it may not.
pub(crate) fn suspicion(address: &Address, allowed: &Allowed) -> Option<String> {
    let of_domain = || {
        if allowed.names(address.domain()) {
            return None;
        }
        scripts(address.domain()).or_else(|| {
            let other = allowed.domains().find(|own| resembles(address.domain(), own))?;
            Some(format!("its domain resembles {}, which is another", domain::unicode(other)))
        })
    };
    of_domain().or_else(|| of_name(address, allowed))
}

/// Letters of several scripts in one label, rare letters, or a label of another script that reads
/// like a Latin one.
fn scripts(ascii: &str) -> Option<String> {
    let unicode = domain::unicode(ascii);
    let is_latin_place = unicode.rsplit('.').next().is_some_and(str::is_ascii);
    for label in unicode.split('.').filter(|label| !label.is_ascii()) {
        if label.detect_restriction_level() > RestrictionLevel::HighlyRestrictive {
            return Some(format!(
                "`{label}` in its domain mixes scripts or has letters that names do not have"
            ));
        }
        let is_latin = ('a'..='z').any(|letter| label.contains(letter));
        if is_latin_place && !is_latin && skeleton(label).all(|c| c.is_ascii()) {
            let like: String = skeleton(label).collect();
            return Some(format!("`{label}` in its domain only looks like `{like}`"));
        }
    }
    None
}

/// Whether a domain may be taken for a declared one, or carries it where it does not belong.
fn resembles(other: &str, own: &str) -> bool {
    if other == own || is_below(other, own) {
        return false;
    }
    let (other, own) = (domain::unicode(other), domain::unicode(own));
    let (labels, wanted): (Vec<String>, Vec<String>) =
        (other.split('.').map(folded).collect(), own.split('.').map(folded).collect());
    if labels.ends_with(&wanted) {
        return true;
    }
    // acme.example.evil.com, acme-example.com, login-acme.example
    let tokens = |text: &str| text.split(['.', '-']).map(folded).collect::<Vec<_>>();
    let (tokens, wanted) = (tokens(&other), tokens(&own));
    tokens.windows(wanted.len()).any(|run| run == wanted)
}

/// What is left of a label when everything is taken away that an eye overlooks.
fn folded(label: &str) -> String {
    let plain: String = skeleton(label)
        .flat_map(char::to_lowercase)
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}' | '-' | '\u{2010}'..='\u{2015}'))
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' | 'ı' | '|' => 'l',
            '5' => 's',
            other => other,
        })
        .collect();
    // The skeleton of m is already rn.
    plain.replace("vv", "w").replace("cl", "d")
}

/// A display name that speaks for another address, or hides letters among others.
fn of_name(address: &Address, allowed: &Allowed) -> Option<String> {
    let name = address.name()?;
    let is_at = |c: char| matches!(c, '@' | '\u{ff20}' | '\u{fe6b}');
    let unicode = domain::unicode(address.domain());
    let own = [address.addr(), format!("{}@{unicode}", address.local())];
    if name.contains(is_at) && !own.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Some("its display name holds another address".into());
    }
    for word in name.split(|c: char| !c.is_alphanumeric()) {
        let letters: String = word.chars().filter(|c| c.is_alphabetic()).collect();
        let is_rare = letters.detect_restriction_level() > RestrictionLevel::HighlyRestrictive;
        if !letters.is_ascii() && is_rare {
            return Some(format!("`{word}` in its display name mixes scripts or has rare letters"));
        }
    }
    let is_foreign = |word: &&str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        word.contains('.')
            && word != address.domain()
            && word != unicode
            && allowed.domains().any(|own| {
                let labels = |text: &str| text.split('.').map(folded).collect::<Vec<_>>();
                labels(&word) == labels(&domain::unicode(own))
            })
    };
    let word = name.split(' ').find(is_foreign)?;
    Some(format!("its display name holds `{word}`, but its domain is {unicode}"))
}
