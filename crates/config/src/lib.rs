//! servers.toml: its layers, the place of every mistake, and references to secrets.
//!
//! Layers, the later over the earlier: built-in defaults, the file, `servers.d/*.toml` beside it,
//! `SUITE_…` environment variables, flags. All mistakes are reported at once, each with file,
//! line, column, key, what was expected and the nearest known key.
//!
//! What it deliberately does not do: it knows no table. Whoever owns a table owns its type; this
//! crate checks values against the JSON Schema of those types.
//!
//! Where to start reading: [`Config::load`], then [`Config::check`].

mod fault;
mod layer;
mod literal;
mod secret;

use std::path::{Path, PathBuf};

use contract::Location;
use contract::schema::Validator;
use figment::Figment;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use fault::{Fault, Faults};
pub use layer::Layer;
pub use secret::{forget_all_but, reader, references, remember, secret_file};

/// The merged configuration, and where each value is from.
#[derive(Debug)]
pub struct Config {
    value: Value,
    /// From the weakest to the strongest.
    layers: Vec<Layer>,
    path: PathBuf,
}

/// What goes over and under the files.
#[derive(Debug, Default)]
pub struct Around {
    /// The built-in defaults, as TOML.
    pub defaults: &'static str,
    /// The environment: variables that begin with `SUITE_` count.
    pub environment: Vec<(String, String)>,
    /// Flags: JSON Pointer and value.
    pub flags: Vec<(String, Value)>,
    /// The files as somebody else read them ([`read_files`]), for a process that may not.
    pub files: Option<Vec<ReadFile>>,
}

/// One file of the configuration: its path, and its text or why it cannot be read.
pub type ReadFile = (PathBuf, Result<String, String>);

/// servers.toml and the files of `servers.d` beside it, by name.
pub fn read_files(path: &Path) -> Vec<ReadFile> {
    let read = |file: PathBuf| {
        let text = read_regular(&file).map_err(|error| error.to_string());
        (file, text)
    };
    files(path).into_iter().map(read).collect()
}

/// A pipe or a device would keep the reader waiting, perhaps for ever.
fn read_regular(file: &Path) -> std::io::Result<String> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    std::fs::read_to_string(file)
}

impl Config {
    /// Reads all layers. Fails on files that cannot be read or are not TOML, with every mistake
    /// of every file.
    pub fn load(path: &Path, around: &Around) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut layers = vec![Layer::parse("built-in defaults", around.defaults, &mut faults)];
        let read = around.files.clone().unwrap_or_else(|| read_files(path));
        for (file, text) in &read {
            layers.extend(Layer::file(file, text, &mut faults));
        }
        layers.extend(
            around.environment.iter().filter_map(|(name, value)| Layer::variable(name, value)),
        );
        layers.extend(around.flags.iter().map(|(pointer, value)| Layer::flag(pointer, value)));
        faults.or(())?;
        let merged = layers.iter().fold(Figment::new(), |merged, layer| merged.merge(layer));
        let value: Value = merged.extract().map_err(|error| {
            Faults::one(Fault {
                at: Location { file: path.display().to_string(), line: 0, column: 0 },
                key: String::new(),
                message: error.to_string(),
            })
        })?;
        Ok(Self { value, layers, path: path.to_owned() })
    }

    /// The folder that relative paths start from: the one of servers.toml.
    pub fn base(&self) -> PathBuf {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }

    /// The same configuration with no other server's table: what one server may see.
    #[must_use]
    pub fn only(mut self, server: &str) -> Self {
        if let Some(Value::Object(servers)) = self.value.get_mut("servers") {
            servers.retain(|name, _| name == server);
        }
        self
    }

    /// Every mistake: literal secrets, and values that break `schema`.
    pub fn check(&self, schema: &Validator) -> Faults {
        let literals = literal::find(&self.value);
        let mut faults = Faults::default();
        for (pointer, message) in &literals {
            faults.push(self.fault(pointer, None, message.clone()));
        }
        for fault in schema.faults(&self.value) {
            let whole = match &fault.field {
                Some(field) => format!("{}/{}", fault.pointer, escape(field)),
                None => fault.pointer.clone(),
            };
            // The literal itself must not be printed by a second complaint about it.
            if !literals.iter().any(|(pointer, _)| whole == *pointer) {
                faults.push(self.fault(&fault.pointer, fault.field.as_deref(), fault.message));
            }
        }
        faults
    }

    /// A mistake at a JSON Pointer; at the field, where the pointer has one of that name.
    pub fn fault(&self, pointer: &str, field: Option<&str>, message: String) -> Fault {
        let exact = field.map(|field| format!("{pointer}/{}", escape(field)));
        let found = exact.filter(|exact| self.value.pointer(exact).is_some());
        let place = found.as_deref().unwrap_or(pointer);
        Fault { at: self.locate(place), key: contract::schema::path(place), message }
    }

    /// Where the value at a JSON Pointer is set: in the strongest layer that sets it; for a value
    /// that no layer sets, where its nearest ancestor is.
    pub fn locate(&self, pointer: &str) -> Location {
        let mut place = pointer;
        loop {
            if let Some(at) = self.layers.iter().rev().find_map(|layer| layer.locate(place)) {
                return at;
            }
            match place.rsplit_once('/') {
                Some((parent, _)) if !parent.is_empty() => place = parent,
                _ => {
                    return Location { file: self.path.display().to_string(), line: 1, column: 1 };
                }
            }
        }
    }

    /// The value at a JSON Pointer as a type; the type's default when nothing is set. Call it
    /// after [`Config::check`] with the schema of the same type.
    pub fn get<T: DeserializeOwned + Default>(&self, pointer: &str) -> Result<T, Fault> {
        match self.value.pointer(pointer) {
            None => Ok(T::default()),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|error| self.fault(pointer, None, error.to_string())),
        }
    }

    /// The raw value at a JSON Pointer.
    pub fn raw(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }
}

/// One step of a JSON Pointer (RFC 6901).
pub fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// The file, and the files of `servers.d` beside it by name.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    let Ok(entries) = std::fs::read_dir(path.with_file_name("servers.d")) else { return files };
    files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    files[1..].sort();
    files.retain(|file| {
        file == path || file.extension().is_some_and(|extension| extension == "toml")
    });
    files
}

#[cfg(test)]
mod tests;
