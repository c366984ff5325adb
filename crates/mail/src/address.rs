//! One mailbox: the strictest reading of an address of RFC 5322 that ordinary mail needs. What
//! could be read in two ways is refused, with a word on what to write instead.

mod allowed;
mod domain;
mod suspicion;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use allowed::Allowed;
pub(crate) use suspicion::suspicion;

use crate::inert;

/// RFC 5321, 4.5.3.1.1: the longest local part, in octets.
const LOCAL: usize = 64;
/// RFC 5321, 4.5.3.1.3: the longest path, without its brackets.
const WHOLE: usize = 254;
/// The longest display name, in characters.
const NAME: usize = 100;

/// A mailbox, as [`Address::parse`] accepts it; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    name: Option<String>,
    local: String,
    domain: String,
}

impl Address {
    /// Reads `local@domain` or `Name <local@domain>`; else says what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_matches(' ');
        one_line(text)?;
        if text.contains("=?") {
            return Err(refused(text, "it holds an encoded word; write the name in plain letters"));
        }
        let (name, addr) = split(text)?;
        let name = name.map(|name| checked_name(text, name)).transpose()?.flatten();
        let (local, domain) = checked(text, addr)?;
        Ok(Self { name, local, domain })
    }

    /// The display name.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What is before the `@`.
    pub(crate) fn local(&self) -> &str {
        &self.local
    }

    /// What is after the `@`, in A-labels and lower case.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// `local@domain`, as an envelope has it.
    pub(crate) fn addr(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// For people: the domain in its own letters, with the A-labels beside it where they differ.
    pub(crate) fn shown(&self) -> String {
        let unicode = domain::unicode(&self.domain);
        let mut addr = format!("{}@{unicode}", self.local);
        if unicode != self.domain {
            addr += &format!(" ({})", self.domain);
        }
        self.named(&addr)
    }

    fn named(&self, addr: &str) -> String {
        match self.name() {
            Some(name) if name.contains([',', ';', ':', '(', ')', '@', '[', ']']) => {
                format!("\"{name}\" <{addr}>")
            }
            Some(name) => format!("{name} <{addr}>"),
            None => addr.to_owned(),
        }
    }
}

/// As [`Address::parse`] reads it again.
impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.named(&self.addr()))
    }
}

/// Nothing hidden, no second line, and no more than two addresses' worth of text.
fn one_line(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("an address is missing; write name@domain".into());
    }
    if text.len() > WHOLE + 4 * NAME {
        return Err(refused(text, "it is too long"));
    }
    if !inert::is_line(text) {
        return Err(refused(text, "it holds control or hidden characters; leave them out"));
    }
    Ok(())
}

/// The display name, where there is one, and the address without its angle brackets.
fn split(text: &str) -> Result<(Option<&str>, &str), String> {
    const SEVERAL: &str = "it must be one mailbox: name@domain or Name <name@domain>";
    if text.ends_with(';') {
        return Err(refused(text, "it is a group; name each address by itself"));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"').ok_or_else(|| refused(text, SEVERAL))?;
        if rest.starts_with('@') {
            return Err(refused(text, "its local part is quoted; write a plain one"));
        }
        let addr = rest.trim_matches(' ').strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        return Ok((Some(name), addr.ok_or_else(|| refused(text, SEVERAL))?));
    }
    let Some((name, addr)) = text.split_once('<') else { return Ok((None, text)) };
    let addr = addr.strip_suffix('>').ok_or_else(|| refused(text, SEVERAL))?;
    for (mark, why) in [
        ('(', "it holds a comment; leave the parentheses out"),
        (':', "it is a group; name each address by itself"),
        (',', "it is several addresses, or its name needs quotes: \"Doe, Jane\" <jane@domain>"),
        (';', "it is several addresses; give them one by one"),
        ('@', "there is an address in its name; write only the name before the <"),
    ] {
        if name.contains(mark) {
            return Err(refused(text, why));
        }
    }
    Ok((Some(name), addr))
}

/// A display name which every mail client reads alike.
fn checked_name(text: &str, name: &str) -> Result<Option<String>, String> {
    let name = name.trim_matches(' ');
    if name.contains(['"', '\\', '<', '>']) {
        return Err(refused(text, "its name holds quotes, brackets or a backslash"));
    }
    if name.chars().count() > NAME {
        return Err(refused(text, "its name is too long"));
    }
    if name.chars().any(|c| c.is_whitespace() && c != ' ') {
        return Err(refused(text, "its name holds an unusual space; write a plain one"));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// Local part and domain.
fn checked(text: &str, addr: &str) -> Result<(String, String), String> {
    let because = |why: &str| Err(refused(text, why));
    for (mark, why) in [
        ('"', "its local part is quoted; write a plain one"),
        ('(', "it holds a comment; leave the parentheses out"),
        ('<', "it is several addresses; give them one by one"),
        ('>', "it is several addresses; give them one by one"),
        ('[', "its domain is a number; write the name of a domain"),
        (',', "it is several addresses; give them one by one"),
        (';', "it is several addresses; give them one by one"),
    ] {
        if addr.contains(mark) {
            return because(why);
        }
    }
    if addr.contains(':') {
        return because(if addr.starts_with('@') {
            "it prescribes a route; write only name@domain"
        } else {
            "it is a group; name each address by itself"
        });
    }
    let Some((local, domain)) = addr.split_once('@').filter(|(_, domain)| !domain.contains('@'))
    else {
        return because("it must hold one @: name@domain");
    };
    local_part(local).map_err(|why| refused(text, &why))?;
    let domain = domain::ascii(domain).map_err(|why| refused(text, &why))?;
    if local.len() + 1 + domain.len() > WHOLE {
        return because("it is longer than 254 characters");
    }
    Ok((local.to_owned(), domain))
}

/// The atoms that ordinary addresses are made of, and nothing that some server routes by.
fn local_part(local: &str) -> Result<(), String> {
    if local.is_empty() || local.len() > LOCAL {
        return Err("its local part must have 1 to 64 characters".into());
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("its local part has a dot too many".into());
    }
    if local.contains(['%', '!']) {
        return Err("it routes by % or !; write the recipient's own address".into());
    }
    if !local.is_ascii() {
        return Err("its local part must be ASCII: not every server takes other letters".into());
    }
    if local.starts_with('-') {
        return Err("its local part begins with a hyphen".into());
    }
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b".+-_='&~#".contains(&c);
    if !local.bytes().all(is_plain) {
        return Err("its local part may hold letters, digits and .+-_='&~# only".into());
    }
    Ok(())
}

/// A message that names what is refused, in a form that is safe to show.
fn refused(text: &str, why: &str) -> String {
    format!("`{}` is refused: {why}.", inert::short(text, 80))
}
