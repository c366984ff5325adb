//! Where a database is: what its address says, checked before anything connects.

use std::fmt;
use std::path::{Path, PathBuf};

use contract::{Place, StartError};
use url::{Host, Url};

use crate::settings::{DatabaseSettings, TlsMode};

/// Which dialect a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    Sqlite,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Postgres => "PostgreSQL",
            Family::Mysql => "MySQL",
            Family::Sqlite => "SQLite",
        })
    }
}

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) family: Family,
    pub(crate) place: Endpoint,
}

/// Where the database answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A port of TCP; whether it is on this machine.
    Tcp { port: u16, is_local: bool },
    /// A Unix socket.
    Socket(PathBuf),
    /// A file; relative to servers.toml.
    File(PathBuf),
}

impl Address {
    /// The address of a database, once all of its addresses and its TLS are checked.
    pub(crate) fn of(id: &str, settings: &DatabaseSettings) -> Result<Self, StartError> {
        let fault =
            |key: &str, text: &str| StartError::new(format!("databases.{id}.{key}: {text}"));
        let address = Self::parse(&settings.url).map_err(|text| fault("url", &text))?;
        let mut all = vec![address.clone()];
        for replica in &settings.replicas {
            let other = Self::parse(replica).map_err(|text| fault("replicas", &text))?;
            if other.family != address.family || address.family == Family::Sqlite {
                return Err(fault(
                    "replicas",
                    "a replica is a server of the same kind as `url`; remove it",
                ));
            }
            all.push(other);
        }
        let tls = &settings.tls;
        let is_remote = |one: &Address| matches!(one.place, Endpoint::Tcp { is_local: false, .. });
        if tls.mode == TlsMode::Off && all.iter().any(is_remote) {
            return Err(fault(
                "tls.mode",
                "`off` is for this machine and sockets: everything, the password too, would cross \
                 the network in the clear; remove it, and name the authority in `tls.ca` where it \
                 is your own",
            ));
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            return Err(fault("tls", "`certificate` and `key` belong together; give both or none"));
        }
        if address.family == Family::Sqlite && settings.password.is_some() {
            return Err(fault("password", "SQLite knows none; remove it"));
        }
        Ok(address)
    }

    /// Parses one address; the error says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = sqlite_path(text) {
            let path = path.split('?').next().unwrap_or_default();
            if path.is_empty() || path == ":memory:" {
                return Err("name a file, such as `sqlite:data/sales.db`".to_owned());
            }
            let place = Endpoint::File(PathBuf::from(path));
            return Ok(Self { family: Family::Sqlite, place });
        }
        let url = Url::parse(text).map_err(|error| {
            format!("no address ({error}); write it like `postgres://user@host/database`")
        })?;
        let (family, default_port) = match url.scheme() {
            "postgres" | "postgresql" => (Family::Postgres, 5432),
            "mysql" | "mariadb" => (Family::Mysql, 3306),
            other => {
                return Err(format!(
                    "`{other}:` is no database that is known; begin it with postgres://, \
                     mysql:// or sqlite:"
                ));
            }
        };
        if url.password().is_some() {
            return Err("it holds a password; move it to where `password` points, such as \
                        password = { env = \"SALES_PASSWORD\" }"
                .to_owned());
        }
        let port = url.port().unwrap_or(default_port);
        let place = socket(&url, family, port)
            .map_or_else(|| tcp(&url, port), |path| Ok(Endpoint::Socket(path)))?;
        Ok(Self { family, place })
    }
}

fn sqlite_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("sqlite:")?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// An address whose path, if it is a file, no longer depends on where servers.toml is.
pub(crate) fn absolute(url: &str, place: &Place) -> String {
    let Some(path) = sqlite_path(url) else { return url.to_owned() };
    format!("sqlite:{}", place.path(Path::new(path)).display())
}

fn tcp(url: &Url, port: u16) -> Result<Endpoint, String> {
    // An address of a scheme that is no web's has its host as an unparsed name.
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err("it names no host; write it like `postgres://user@host/database`".to_owned());
    }
    let is_local = match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    };
    Ok(Endpoint::Tcp { port, is_local })
}

/// The socket that an address names: of PostgreSQL in a folder, of MySQL itself.
fn socket(url: &Url, family: Family, port: u16) -> Option<PathBuf> {
    let asked = |key: &str| {
        let value = url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value);
        value.filter(|value| value.starts_with('/')).map(std::borrow::Cow::into_owned)
    };
    match family {
        Family::Postgres => {
            let host = unescape(url.host_str().unwrap_or_default());
            let folder = if host.starts_with('/') { Some(host) } else { asked("host") }?;
            Some(Path::new(&folder).join(format!(".s.PGSQL.{port}")))
        }
        Family::Mysql => asked("socket").map(PathBuf::from),
        Family::Sqlite => None,
    }
}

/// A host whose slashes are written as `%2F`.
fn unescape(host: &str) -> String {
    host.replace("%2F", "/").replace("%2f", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match Address::parse(text) {
            Ok(Address { family, place: Endpoint::Tcp { port, is_local } }) => {
                format!("{family} {} {port}", if is_local { "here" } else { "there" })
            }
            Ok(Address { family, place: Endpoint::Socket(path) | Endpoint::File(path) }) => {
                format!("{family} {}", path.display())
            }
            Err(text) => text,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn an_address_names_a_port_a_socket_or_a_file() {
        check("postgres://ann@db.example/sales", "PostgreSQL there 5432");
        check("postgresql://ann@127.0.0.1:6543/sales", "PostgreSQL here 6543");
        check("postgres://ann@[::1]/sales", "PostgreSQL here 5432");
        check("mysql://ann@localhost/sales", "MySQL here 3306");
        check("mariadb://ann@localhost.example/sales", "MySQL there 3306");
        check("postgres://ann@%2Frun%2Fpg/sales", "PostgreSQL /run/pg/.s.PGSQL.5432");
        check("postgres:///sales?host=/run/pg", "PostgreSQL /run/pg/.s.PGSQL.5432");
        check("mysql://ann@localhost/s?socket=/run/my.sock", "MySQL /run/my.sock");
        check("sqlite:data/sales.db", "SQLite data/sales.db");
        check("sqlite:///srv/sales.db?mode=rw", "SQLite /srv/sales.db");
    }

    #[test]
    fn a_wrong_address_is_told_with_its_remedy() {
        check(
            "postgres://ann:secret@db/sales",
            "it holds a password; move it to where `password` points, such as password = { env = \
             \"SALES_PASSWORD\" }",
        );
        check(
            "oracle://db/sales",
            "`oracle:` is no database that is known; begin it with postgres://, mysql:// or sqlite:",
        );
        check(
            "sales.db",
            "no address (relative URL without a base); write it like \
             `postgres://user@host/database`",
        );
        check(
            "postgres:///sales",
            "it names no host; write it like `postgres://user@host/database`",
        );
        check("sqlite::memory:", "name a file, such as `sqlite:data/sales.db`");
    }
}
