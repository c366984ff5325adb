//! The address of a saved result: `sql://<database>/results/<id>.csv`.

use std::fmt;

use contract::text::hex;

use super::FileFormat;

/// Where a saved result is, without whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The database that was asked.
    pub(crate) database: String,
    id: String,
    pub(crate) format: FileFormat,
}

/// How many bytes of chance an id has: nobody guesses one.
const CHANCE: usize = 10;

impl Address {
    /// An address that no other result has.
    pub(super) fn new(database: &str, format: FileFormat) -> Result<Self, getrandom::Error> {
        let mut chance = [0u8; CHANCE];
        getrandom::fill(&mut chance)?;
        Ok(Self { database: database.to_owned(), id: hex(&chance), format })
    }

    /// The address that a text is; `None` where it is no such address, whatever else it is.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (database, file) = uri.strip_prefix("sql://")?.split_once("/results/")?;
        Self::of(database, file)
    }

    /// The address of a file.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let (database, file) = name.split_once('.')?;
        Self::of(database, file)
    }

    fn of(database: &str, file: &str) -> Option<Self> {
        let (id, ending) = file.split_once('.')?;
        let format = FileFormat::ALL.into_iter().find(|format| format.ending() == ending)?;
        let is_database = !database.is_empty()
            && database
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        let is_id = id.len() == 2 * CHANCE
            && id.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        let address = || Self { database: database.to_owned(), id: id.to_owned(), format };
        (is_database && is_id).then(address)
    }

    /// The name of its file, without the folder of its owner.
    pub(super) fn file(&self) -> String {
        format!("{}.{}.{}", self.database, self.id, self.format.ending())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sql://{}/results/{}.{}", self.database, self.id, self.format.ending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_files_name_each_other() {
        for format in FileFormat::ALL {
            let address = Address::new("sales-2", format).expect("an address");
            assert_eq!(Address::parse(&address.to_string()), Some(address.clone()));
            assert_eq!(Address::of_file(&address.file()), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_leads_nowhere() {
        let id = "0123456789abcdef0123";
        assert!(Address::parse(&format!("sql://a/results/{id}.csv")).is_some());
        for uri in [
            format!("sql://a/results/{id}.txt"),
            format!("sql://a/results/{id}"),
            format!("sql://a/results/../{id}.csv"),
            format!("sql://../results/{id}.csv"),
            format!("sql:///results/{id}.csv"),
            format!("sql://a/results/{}.csv", &id[1..]),
            format!("sql://a/results/{}.csv", id.to_uppercase()),
            format!("sql://a/results/{id}.csv.csv"),
            format!("docs://a/results/{id}.csv"),
            "sql://a/schema".to_owned(),
            String::new(),
        ] {
            assert_eq!(Address::parse(&uri), None, "{uri}");
        }
    }
}
