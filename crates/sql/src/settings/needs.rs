//! What the process must still reach once it is confined, known from the settings alone.

use std::path::{Path, PathBuf};

use contract::{Needs, Place};

use super::{DatabaseSettings, Settings};
use crate::database::{Address, Endpoint};

impl Settings {
    /// The ports, sockets and files of all databases.
    pub(crate) fn needs(&self, place: &Place) -> Needs {
        let mut needs = Needs::default();
        for database in self.databases.values() {
            database.need(place, &mut needs);
        }
        needs.connect.sort_unstable();
        needs.connect.dedup();
        needs
    }
}

impl DatabaseSettings {
    fn need(&self, place: &Place, needs: &mut Needs) {
        let tls = [&self.tls.ca, &self.tls.certificate, &self.tls.key];
        needs.read.extend(tls.into_iter().flatten().map(|path| place.path(path)));
        let urls = self.replicas.iter().chain([&self.url]);
        // A wrong address is told of when the server is opened.
        for address in urls.filter_map(|url| Address::parse(url).ok()) {
            match address.place {
                Endpoint::Tcp { port, .. } => needs.connect.push(port),
                Endpoint::Socket(path) => needs.write.extend(socket(path)),
                Endpoint::File(path) => needs.read.extend(file(&place.path(&path), place)),
            }
        }
    }
}

/// A socket, and its folder: a server that is started again makes its socket anew. A folder that
/// is everybody's stays out of reach.
fn socket(path: PathBuf) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !is_shared(folder)).map(Path::to_owned);
    folder.into_iter().chain([path]).collect()
}

fn is_shared(folder: &Path) -> bool {
    [Path::new("/"), Path::new("/tmp"), Path::new("/var/tmp")].contains(&folder)
}

/// A file of SQLite with its folder, where its log comes and goes and where it may be replaced;
/// without it where the configuration and its secrets may be in that folder.
fn file(path: &Path, place: &Place) -> Vec<PathBuf> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let base = place.path(Path::new(""));
    let folder = path.parent().filter(|folder| !is_shared(folder) && !base.starts_with(folder));
    match folder {
        Some(folder) => vec![folder.to_owned()],
        None => vec![path.to_owned(), beside("-wal"), beside("-shm"), beside("-journal")],
    }
}

#[cfg(test)]
mod tests {
    use contract::StartError;
    use serde_json::{Value, json};

    use super::*;

    fn check(database: Value, expected: Value) {
        let settings: Settings =
            serde_json::from_value(json!({"databases": {"a": database}})).expect("settings");
        let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
        let place = Place::new("/srv/suite".into(), "/srv/suite/state".into(), reader);
        let Needs { read, write, connect, execute } = settings.needs(&place);
        assert!(!execute);
        assert_eq!(json!([read, write, connect]), expected);
    }

    #[test]
    fn ports_sockets_and_files_are_needed_and_nothing_else() {
        check(
            json!({"url": "postgres://db/a", "replicas": ["postgres://r:5433/a", "postgres://s/a"]}),
            json!([[], [], [5432, 5433]]),
        );
        check(
            json!({"url": "mysql://db/a", "tls": {"ca": "ca.pem", "certificate": "/c.pem", "key": "k.pem"}}),
            json!([["/srv/suite/ca.pem", "/c.pem", "/srv/suite/k.pem"], [], [3306]]),
        );
        check(
            json!({"url": "postgres://%2Frun%2Fpg/a"}),
            json!([[], ["/run/pg", "/run/pg/.s.PGSQL.5432"], []]),
        );
        check(json!({"url": "postgres://%2Ftmp/a"}), json!([[], ["/tmp/.s.PGSQL.5432"], []]));
        check(json!({"url": "sqlite:data/a.db"}), json!([["/srv/suite/data"], [], []]));
        check(json!({"url": "sqlite:/var/lib/a.db"}), json!([["/var/lib"], [], []]));
        check(
            json!({"url": "sqlite:a.db"}),
            json!([
                [
                    "/srv/suite/a.db",
                    "/srv/suite/a.db-wal",
                    "/srv/suite/a.db-shm",
                    "/srv/suite/a.db-journal"
                ],
                [],
                []
            ]),
        );
        check(json!({"url": "nonsense"}), json!([[], [], []]));
    }
}
