//! A private MariaDB, with TLS by an authority of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Decode, Row as _};

use crate::{
    await_port, certificates, finish, folder_of_this_program, for_life, free_port, program,
    unprivileged,
};

/// The password of every account but root, which has none.
pub const PASSWORD: &str = "correct horse battery staple";
/// The account that [`Mariadb::database`] lets read.
pub const READER: &str = "reader";

const PACKAGE: &str = "mariadb-server-core";
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/usr/libexec"];
/// Where the package keeps the SQL of the system's tables.
const SHARE: &str = "/usr/share/mysql";
const PREFIX: &str = "suite-mariadb-";

/// A running server, which ends with this program.
pub struct Mariadb {
    folder: PathBuf,
    port: u16,
}

/// The server that the tests of one program share. Make a database of your own in it.
pub fn shared() -> &'static Mariadb {
    static SHARED: OnceLock<Mariadb> = OnceLock::new();
    SHARED.get_or_init(Mariadb::start)
}

impl Mariadb {
    /// Starts one that nobody shares: for tests that stop or restart it.
    pub fn start() -> Self {
        let folder = folder_of_this_program(PREFIX);
        certificates::make(&folder);
        initialize(&folder);
        let server = Self { folder, port: free_port() };
        server.resume();
        server.query(&format!("CREATE USER {READER}@'%' IDENTIFIED BY '{PASSWORD}'"));
        server
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the unix socket, of the log and of all certificates.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the databases' own files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The authority that signed the server's certificate, which is for `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// An authority that signed nothing here.
    pub fn foreign_authority(&self) -> PathBuf {
        self.folder.join("foreign.pem")
    }

    /// The address over TCP, without the password.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}@localhost:{}/{database}", self.port)
    }

    /// The address over the unix socket, without the password.
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}@localhost/{database}?socket={}", self.socket().display())
    }

    /// Makes a database from SQL in which [`READER`] may read and no more.
    pub fn database(&self, name: &str, sql: &str) {
        self.query(&format!(
            "CREATE DATABASE {name} CHARACTER SET utf8mb4; USE {name};
             GRANT SELECT, SHOW VIEW ON {name}.* TO {READER}@'%'; {sql}"
        ));
    }

    /// Runs statements as root and returns the rows, a line each, with tabs between the values;
    /// a mistake fails the test.
    pub fn query(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        let shown = |cell: &Option<Vec<u8>>| match cell {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "NULL".to_owned(),
        };
        let line = |row: &Vec<_>| row.iter().map(shown).collect::<Vec<_>>().join("\t");
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Its version, such as 10, 11, 19.
    pub fn version(&self) -> Vec<u32> {
        let told = self.query("SELECT VERSION()");
        let numbers = told.split('-').next().unwrap_or_default().split('.');
        numbers.map(|number| number.parse().expect("a number")).collect()
    }

    /// The rows of statements that root runs, as the text protocol has them.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<Vec<u8>>>> {
        let options = MySqlConnectOptions::new()
            .socket(self.socket())
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
            .pipes_as_concat(false)
            .no_engine_substitution(false);
        let sql = sql.to_owned();
        // A thread of its own, since who asks may be inside of a runtime.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(ask(options, sql))
        })
        .join()
        .expect("no panic")
    }

    /// Stops it at once; who is connected is cut off.
    pub fn stop(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("its id");
        let pid = pid.trim();
        let ended = Command::new("kill").args(["-KILL", pid]).status();
        assert!(ended.is_ok_and(|status| status.success()), "it is killed");
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !stat().is_empty() && !stat().contains(") Z ") {
            std::thread::yield_now();
        }
        // Its other threads may end a little later, and until then its sockets are open.
        let is_open = || {
            std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
                || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        };
        while is_open() {
            std::thread::yield_now();
        }
    }

    /// Starts it again, on the same port.
    pub fn resume(&self) {
        let (folder, port) = (self.folder.clone(), self.port);
        for_life(move || {
            let log = folder.join("log");
            let mut child = spawn(&folder, port, &log);
            await_port(&mut child, port, &log);
        });
        // It listens at the port before it does at the socket.
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            std::thread::yield_now();
        }
    }

    /// Stops it at once and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.resume();
    }
}

async fn ask(options: MySqlConnectOptions, sql: String) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut connection: MySqlConnection = options.connect().await.expect("root connects");
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(&mut connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let _ = connection.close().await;
    rows.iter().map(cells).collect()
}

fn cells(row: &MySqlRow) -> Vec<Option<Vec<u8>>> {
    let raw = |index: usize| {
        <&[u8] as Decode<MySql>>::decode(row.try_get_raw(index).expect("a column")).ok()
    };
    (0..row.len()).map(|index| raw(index).map(<[u8]>::to_vec)).collect()
}

/// Makes the system's tables as `mariadb-install-db` does, which itself takes a program of the
/// client's package.
fn initialize(folder: &Path) {
    let mut sql = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_owned();
    for part in ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"] {
        let path = Path::new(SHARE).join(format!("{part}.sql"));
        let text = std::fs::read_to_string(&path);
        sql += &text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let script = folder.join("bootstrap.sql");
    std::fs::write(&script, sql).expect("a file");
    // A server that starts removes what it takes for its own in the folder of temporary files.
    for name in ["data", "temporary"] {
        std::fs::create_dir(folder.join(name)).expect("a folder");
    }
    let mut command = unprivileged(&program("mariadbd", PACKAGE, FOLDERS), folder);
    command
        .args([
            "--no-defaults",
            "--bootstrap",
            "--max-allowed-packet=8M",
            "--innodb-log-file-size=16M",
        ])
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--tmpdir={}", folder.join("temporary").display()))
        .stdin(std::fs::File::open(script).expect("the file"));
    finish(command);
}

fn spawn(folder: &Path, port: u16, log: &Path) -> Child {
    let mut command = unprivileged(&program("mariadbd", PACKAGE, FOLDERS), folder);
    let path = |name: &str| folder.join(name).display().to_string();
    command.arg("--no-defaults").arg(format!("--datadir={}", path("data")));
    command.args([
        format!("--tmpdir={}", path("temporary")),
        format!("--socket={}", path("socket")),
        format!("--pid-file={}", path("pid")),
        format!("--port={port}"),
        format!("--ssl-ca={}", path("ca.pem")),
        format!("--ssl-cert={}", path("server.pem")),
        format!("--ssl-key={}", path("server.key")),
    ]);
    command.args([
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0",
        "--max-connections=80",
        // Files may be written anywhere the server may: what is tested must not need this.
        "--secure-file-priv=",
    ]);
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().expect("mariadbd runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_server_has_what_it_had() {
        let server = Mariadb::start();
        server.database("kept", "CREATE TABLE t AS SELECT 7 AS n");
        server.restart();
        assert_eq!(server.query("SELECT n, NULL FROM kept.t"), "7\tNULL");
    }
}
