//! Starting real processes and speaking to them, over pipes and over HTTP.

pub mod acting;
mod git;
pub mod http;
pub mod idp;
pub mod otlp;
mod person;
mod service;
mod silent;
mod stdio;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

pub use git::{git, git_as};
pub use http::{HttpServer, Reply};
pub use idp::{Idp, RESOURCE};
pub use person::{Decided, approval};
pub use service::Service;
pub use silent::Silent;
pub use stdio::Session;

/// How long anything may take before a test calls it a hang.
pub const HANG: Duration = Duration::from_mins(1);

/// The protocol revisions the product serves.
pub const REVISIONS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];

/// A program built from this workspace, beside the running test.
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("the path of this test");
    let folder = here.ancestors().find(|folder| folder.join(name).is_file());
    let folder = folder.unwrap_or_else(|| {
        panic!("`{name}` is not built; build it with: cargo build --workspace --bins")
    });
    folder.join(name)
}

/// The product.
pub fn suite() -> PathBuf {
    program("suite")
}

/// The product's command line with the fixture server.
pub fn fixture() -> PathBuf {
    program("fixture")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace").to_owned()
}

/// The folder of the installed clients.
pub fn installed() -> PathBuf {
    let folder = std::env::var_os("JUDGES_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| repository().join("target/judges"));
    assert!(
        folder.join("node_modules").is_dir(),
        "the clients are not installed in {}; install them with: cargo xtask judges",
        folder.display()
    );
    folder
}

/// A temporary folder with a servers.toml.
pub struct Folder {
    /// The folder.
    pub dir: tempfile::TempDir,
}

impl Folder {
    /// A folder with this servers.toml.
    pub fn new(servers: &str) -> Self {
        let folder = Self { dir: tempfile::tempdir().expect("a folder") };
        folder.write("servers.toml", servers);
        folder
    }

    /// A folder for the fixture server, where everybody may do everything.
    pub fn fixture(extra: &str) -> Self {
        Self::new(&format!(
            "[people]\n\"*\" = [\"all\"]\n[roles.all]\ntools = [\"*\"]\n\
             [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n{extra}"
        ))
    }

    /// A folder with a small collection of documents, which everybody may read.
    pub fn docs() -> Self {
        let folder = Self::new(
            "[people]\n\"*\" = [\"reader\"]\n[roles.reader]\ntools = [\"docs_*\"]\n\
             targets = { collection = [\"handbook\"] }\n\
             [servers.docs]\npurpose = \"Answer from the handbook.\"\nowner = \"tests\"\n\
             [[servers.docs.collections]]\nname = \"handbook\"\npath = \"handbook\"\n\
             [[servers.docs.collections]]\nname = \"secret\"\npath = \"secret\"\n",
        );
        folder.write(
            "handbook/leave.md",
            "# Leave\n\n## Parental leave\n\nParents take sixteen weeks of leave.\n\n\
             ## Sick leave\n\nTell your team before ten o'clock.\n",
        );
        folder.write(
            "handbook/travel.html",
            "<main><h1 id=\"t\">Travel</h1>\n<p>Book trains first.</p></main>\n",
        );
        folder.write("handbook/notes.txt", "Lunch is at noon.\n");
        folder.write(
            "secret/salaries.md",
            "# Salaries\n\nNobody may read about parental salaries.\n",
        );
        folder
    }

    /// A folder with the sample database as `sales`, which everybody may ask everything.
    pub fn sql() -> Self {
        let folder = Self::new(
            "[people]\n\"*\" = [\"analyst\"]\n[roles.analyst]\ntools = [\"sql_*\"]\n\
             targets = { database = [\"sales\"] }\n\
             [servers.sql]\npurpose = \"Answer questions about sales.\"\nowner = \"tests\"\n\
             [servers.sql.databases.sales]\nurl = \"sqlite:sales.db\"\n",
        );
        folder.sample("sales.db");
        folder
    }

    /// A folder with copies of the sample repository, of which everybody may read one.
    pub fn repo(extra: &str) -> Self {
        let folder = Self::new(&format!(
            "[people]\n\"*\" = [\"developer\"]\n[roles.developer]\ntools = [\"repo_*\"]\n\
             targets = {{ repository = [\"shop\"] }}\n\
             [servers.repo]\npurpose = \"Answer questions about source.\"\nowner = \"tests\"\n\
             [servers.repo.repositories.secret]\npath = \"secret\"\n\
             [servers.repo.repositories.shop]\npath = \"shop\"\n\
             hidden = [\"**/*.key\"]\n{extra}"
        ));
        folder.repositories();
        folder
    }

    /// A folder where everybody may file tickets in the project `web`, kept on this machine, and
    /// none in `secret`; bob and cy may approve. `extra` are further keys and tables of the server.
    pub fn tickets(extra: &str) -> Self {
        Self::new(&format!(
            "[people]\n\"*\" = [\"agent\"]\nbob = [\"lead\"]\ncy = [\"lead\"]\n\
             [roles.agent]\ntools = [\"ticket_*\"]\ntargets = {{ project = [\"web\"] }}\n\
             [roles.lead]\napproves = [\"ticket_*\"]\n\
             [servers.tickets]\npurpose = \"File tickets.\"\nowner = \"tests\"\n{extra}"
        ))
    }

    /// A folder where everybody may write mail from the account `work`, and none from `secret`; bob
    /// and cy may approve. `extra` are further keys and tables of the server.
    pub fn mail(extra: &str) -> Self {
        Self::new(&format!(
            "[people]\n\"*\" = [\"agent\"]\nbob = [\"lead\"]\ncy = [\"lead\"]\n\
             [roles.agent]\ntools = [\"mail_*\"]\ntargets = {{ account = [\"work\"] }}\n\
             [roles.lead]\napproves = [\"mail_*\"]\n\
             [servers.mail]\npurpose = \"Write mail.\"\nowner = \"tests\"\n{extra}"
        ))
    }

    /// A folder where everybody may run the suite `web`, and nobody `secret`. `extra` are further
    /// keys and tables of the server.
    pub fn testrun(extra: &str) -> Self {
        Self::new(&format!(
            "[people]\n\"*\" = [\"agent\"]\nbob = [\"lead\"]\n\
             [roles.agent]\ntools = [\"test_*\"]\ntargets = {{ suite = [\"web\"] }}\n\
             [roles.lead]\napproves = [\"test_*\"]\n\
             [servers.testrun]\npurpose = \"Run tests.\"\nowner = \"tests\"\n{extra}"
        ))
    }

    /// Puts two copies of the sample repository there, each with a working tree that has no file.
    pub fn repositories(&self) {
        for name in ["shop", "secret"] {
            let git = self.path(name).join(".git");
            copy(&repository().join("samples/shop.git"), &git);
            let config = git.join("config");
            let text = std::fs::read_to_string(&config).expect("a configuration");
            std::fs::write(config, text.replace("bare = true", "bare = false")).expect("written");
        }
    }

    /// Puts a copy of the sample database there.
    pub fn sample(&self, name: &str) {
        let sample = repository().join("samples/sales.db");
        std::fs::copy(sample, self.path(name)).expect("the sample is copied");
    }

    /// Writes a file, making its folders.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("written");
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// servers.toml.
    pub fn config(&self) -> PathBuf {
        self.path("servers.toml")
    }

    /// The records that a server left, oldest first.
    pub fn records(&self, server: &str) -> Vec<Value> {
        let folder = self.path(&format!("state/{server}/records"));
        if folder.is_dir() {
            state::tail(&folder, usize::MAX).expect("records")
        } else {
            Vec::new()
        }
    }

    /// The records of calls only.
    pub fn calls(&self, server: &str) -> Vec<Value> {
        let mut records = self.records(server);
        records.retain(|record| record["event"] == "call");
        records
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// `_meta` of a request of revision 2026-07-28.
pub fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}
    })
}

/// The parameters of `initialize`.
pub fn initialize(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "e2e", "version": "1"}
    })
}

/// Runs SQL on a SQLite file by SQLite's own program, and returns its rows as objects.
pub fn sqlite(file: &Path, sql: &str) -> Vec<Value> {
    let mut command = std::process::Command::new("sqlite3");
    // Whoever was killed may still be going, and holds its locks until then.
    command.args(["-cmd", ".timeout 60000", "-json"]).arg(file).arg(sql);
    let output = command.output().expect("sqlite3; cargo xtask test installs it");
    assert!(output.status.success(), "{output:?}");
    let rows = serde_json::from_slice(&output.stdout);
    if output.stdout.is_empty() { Vec::new() } else { rows.expect("rows") }
}

/// The first text of a tool's answer.
pub fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}
