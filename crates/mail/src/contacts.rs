//! The declared address book: vCard (RFC 6350, as far as names and addresses go) or CSV.

use std::path::Path;

use contract::ToolError;

use crate::address::Address;

/// The largest address book, in bytes.
const LARGEST: u64 = 8 << 20;

/// A person in the address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) address: Address,
}

/// Reads an address book; lines that name no proper address are left out.
pub(crate) fn read(path: &Path) -> Result<Vec<Contact>, ToolError> {
    let fault = |error: std::io::Error| {
        ToolError::unavailable("the address book cannot be read; tell the operator.", error)
    };
    if std::fs::metadata(path).map_err(fault)?.len() > LARGEST {
        return Err(fault(std::io::Error::other("it is too large")));
    }
    let text = std::fs::read_to_string(path).map_err(fault)?;
    let is_cards = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("vcf"));
    Ok(if is_cards { cards(&text) } else { lines(&text) })
}

fn contact(name: &str, address: &str) -> Option<Contact> {
    let address = Address::parse(address.trim()).ok()?;
    Some(Contact { name: crate::inert::short(name.trim(), 80), address })
}

/// `name,address` a line; a name may stand in quotes.
fn lines(text: &str) -> Vec<Contact> {
    let line = |line: &str| {
        let (name, address) = line.rsplit_once(',')?;
        contact(name.trim().trim_matches('"'), address.trim().trim_matches('"'))
    };
    text.lines().filter_map(line).collect()
}

/// `FN` and every `EMAIL` of each card; folded lines are joined.
fn cards(text: &str) -> Vec<Contact> {
    let text = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let (mut all, mut name, mut addresses) = (Vec::new(), String::new(), Vec::new());
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = key.split(';').next().unwrap_or_default();
        let key = key.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
        match key.as_str() {
            "BEGIN" => {
                name.clear();
                addresses.clear();
            }
            "FN" => name = value.replace("\\,", ",").replace("\\;", ";"),
            "EMAIL" => addresses.push(value.trim_start_matches("mailto:").to_owned()),
            "END" => all.extend(addresses.iter().filter_map(|address| contact(&name, address))),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(all: Vec<Contact>) -> Vec<String> {
        all.into_iter().map(|one| format!("{} {}", one.name, one.address.addr())).collect()
    }

    #[test]
    fn both_forms_are_read_and_what_is_no_address_is_left_out() {
        let csv = "name,address\nAda Example,ada@acme.example\n\"Example, Ben\",\"ben@acme.example\"\nx,nobody\n";
        assert_eq!(
            shown(lines(csv)),
            ["Ada Example ada@acme.example", "Example, Ben ben@acme.example"]
        );
        let vcf = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Cy Exam\r\n ple\r\nitem1.EMAIL;TYPE=work:cy@acme\r\n .example\r\n\
                   EMAIL:cy@home.example\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Nobody\r\nEND:VCARD\r\n";
        assert_eq!(shown(cards(vcf)), ["Cy Example cy@acme.example", "Cy Example cy@home.example"]);
    }
}
