//! Mistakes, for the person who edits the file.

use std::fmt;
use std::path::Path;

use contract::Location;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub at: Location,
    /// Which key, such as `servers.docs.owner`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, what was expected, and the remedy.
    pub message: String,
}

impl Fault {
    /// A mistake about a file as a whole.
    pub fn file(path: &Path, message: &str) -> Self {
        let at = Location { file: path.display().to_string(), line: 0, column: 0 };
        Self { at, key: String::new(), message: message.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.at, self.message)
        } else {
            write!(f, "{}: {}: {}", self.at, self.key, self.message)
        }
    }
}

/// All mistakes of one look at the configuration, in the order of the files.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Exactly one mistake.
    pub fn one(fault: Fault) -> Self {
        Self(vec![fault])
    }

    /// Adds a mistake, once.
    pub fn push(&mut self, fault: Fault) {
        if let Err(place) = self.0.binary_search(&fault) {
            self.0.insert(place, fault);
        }
    }

    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value, unless there are mistakes.
    pub fn or<T>(&mut self, value: T) -> Result<T, Faults> {
        if self.0.is_empty() { Ok(value) } else { Err(Faults(std::mem::take(&mut self.0))) }
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let end = if index + 1 == self.0.len() { "" } else { "\n" };
            write!(f, "{fault}{end}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
