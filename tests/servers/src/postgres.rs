//! A private PostgreSQL, with TLS by an authority of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::{
    await_port, certificates, finish, folder_of_this_program, for_life, free_port, program,
    unprivileged,
};

/// The password of every role.
pub const PASSWORD: &str = "correct horse battery staple";
/// The role that [`Postgres::database`] lets read.
pub const READER: &str = "reader";
/// The role that proves itself by [`Postgres::client_certificate`] alone, over TLS.
pub const CERTIFIED: &str = "certified";

const PACKAGE: &str = "postgresql";
const FOLDERS: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql"];
const PREFIX: &str = "suite-postgres-";

/// A running server, which ends with this program.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
}

/// The server that the tests of one program share. Make a database of your own in it.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(Postgres::start)
}

impl Postgres {
    /// Starts one that nobody shares: for tests that stop or restart it.
    pub fn start() -> Self {
        let folder = folder_of_this_program(PREFIX);
        certificates::make(&folder);
        certificates::make_client(&folder, CERTIFIED);
        initialize(&folder);
        let server = Self { folder, port: free_port() };
        server.resume();
        server.psql(
            "postgres",
            &format!(
                "CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}';
                 CREATE ROLE {CERTIFIED} LOGIN;"
            ),
        );
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

    /// The authority that signed the server's certificate, which is for `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// An authority that signed nothing here.
    pub fn foreign_authority(&self) -> PathBuf {
        self.folder.join("foreign.pem")
    }

    /// The certificate and the key of the role [`CERTIFIED`].
    pub fn client_certificate(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("client.pem"), self.folder.join("client.key"))
    }

    /// The address over TCP, without the password.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@localhost:{}/{database}", self.port)
    }

    /// The address over the unix socket, without the password.
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/{database}", self.port)
    }

    /// Makes a database from SQL in which [`READER`] may read the schema `public` and no more.
    pub fn database(&self, name: &str, sql: &str) {
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        self.psql(
            name,
            &format!(
                "REVOKE ALL ON DATABASE {name} FROM PUBLIC;
                 GRANT CONNECT ON DATABASE {name} TO {READER};
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {READER};
                 {sql}"
            ),
        );
    }

    /// What psql answers the superuser `postgres`, unaligned and without headings; a mistake
    /// fails the test.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new(program("psql", "postgresql-client", FOLDERS));
        command
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
            ])
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string()])
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql runs");
        let mut input = child.stdin.take().expect("its input");
        let text = sql.to_owned();
        // A thread of its own, since psql may answer before it has read everything.
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("psql reads");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "psql: {complaint}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Stops it at once; who is connected is cut off.
    pub fn stop(&self) {
        let mut command = unprivileged(&server_program("pg_ctl"), &self.folder);
        command.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.data());
        finish(command);
    }

    /// Starts it again, on the same port.
    pub fn resume(&self) {
        let (folder, port) = (self.folder.clone(), self.port);
        for_life(move || {
            let log = folder.join("log");
            let mut child = spawn(&folder, port, &log);
            await_port(&mut child, port, &log);
        });
        self.await_ready();
    }

    /// Stops it at once and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.resume();
    }

    /// Waits until it takes connections: it listens before.
    fn await_ready(&self) {
        let ready = || {
            Command::new(program("pg_isready", "postgresql-client", FOLDERS))
                .args(["-q", "-p", &self.port.to_string(), "-h"])
                .arg(&self.folder)
                .status()
                .is_ok_and(|status| status.success())
        };
        while !ready() {
            std::thread::yield_now();
        }
    }
}

fn server_program(name: &str) -> PathBuf {
    program(name, PACKAGE, FOLDERS)
}

fn initialize(folder: &Path) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("a file");
    let mut command = unprivileged(&server_program("initdb"), folder);
    command
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"])
        .args(["--no-sync", "--no-instructions"])
        .arg("--locale=C.UTF-8")
        .arg(format!("--pwfile={}", password.display()))
        .arg("--pgdata")
        .arg(folder.join("data"));
    finish(command);
    let rules = format!(
        "local all all scram-sha-256\n\
         hostssl all {CERTIFIED} 127.0.0.1/32 cert\n\
         host all all 127.0.0.1/32 scram-sha-256\n"
    );
    std::fs::write(folder.join("data/pg_hba.conf"), rules).expect("a file");
}

fn spawn(folder: &Path, port: u16, log: &Path) -> Child {
    let mut command = unprivileged(&server_program("postgres"), folder);
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.display()),
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "max_connections=60".to_owned(),
        "shared_buffers=64MB".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_ca_file={}", folder.join("ca.pem").display()),
        format!("ssl_cert_file={}", folder.join("server.pem").display()),
        format!("ssl_key_file={}", folder.join("server.key").display()),
    ];
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
    command
        .args(["-p", &port.to_string(), "-D"])
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    command.spawn().expect("postgres runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_server_has_what_it_had() {
        let server = Postgres::start();
        server.database("kept", "CREATE TABLE t AS SELECT 7 AS n");
        server.restart();
        assert_eq!(server.psql("kept", "SELECT n FROM t"), "7");
    }
}
