//! Attacks: after each, a second connection finds everything as it was.

mod fuzz;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use servers::mariadb::{Mariadb, PASSWORD, READER};

use super::world::{Ask, setup};
use crate::engine::mysql::Mysql;
use crate::engine::{Layers, Rules};
use crate::settings::Accept;

/// The account that may do everything: what people paste.
const OWNER: &str = "owner";

const EVERYTHING: [Accept; 6] = [
    Accept::Superuser,
    Accept::Writes,
    Accept::Owns,
    Accept::Creates,
    Accept::Files,
    Accept::Others,
];

/// A hostile world: functions that write, views over them, a sequence, another tenant's secrets.
struct World {
    server: Mariadb,
    /// A folder where the server may write.
    folder: PathBuf,
    /// A connection of somebody else, as the account under test.
    bystander: String,
}

impl World {
    fn new() -> Self {
        let server = Mariadb::start();
        let folder = server.folder().join("files");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("secret"), "SECRET-FILE").expect("a file");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&folder, open).expect("its mode");
        let world = Self { server, folder, bystander: String::new() };
        world.fill();
        world
    }

    /// Makes, or makes again, everything that an attack may change.
    fn fill(&self) {
        let folder = self.folder.display();
        self.server.query(&format!(
            "DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS other;
             DROP DATABASE IF EXISTS made;
             CREATE DATABASE shop; CREATE DATABASE other; USE shop;
             CREATE TABLE orders (id INT PRIMARY KEY, customer INT, total DECIMAL(10,2),
                 note VARCHAR(50), KEY by_customer (customer));
             INSERT INTO orders SELECT seq, seq % 7, seq * 1.25, CONCAT('note ', seq)
                 FROM seq_1_to_60;
             CREATE TABLE notes (id INT, body TEXT) ENGINE = MyISAM;
             INSERT INTO notes VALUES (1, 'one'), (2, 'two');
             CREATE TABLE log (id INT) ENGINE = Aria;
             CREATE SEQUENCE numbers START WITH 5;
             CREATE TABLE other.secrets (id INT, body VARCHAR(50));
             INSERT INTO other.secrets VALUES (1, 'SECRET-TENANT');
             CREATE FUNCTION evil() RETURNS INT MODIFIES SQL DATA
                 BEGIN INSERT INTO shop.notes VALUES (99, 'evil'); INSERT INTO shop.log VALUES (9);
                 RETURN 1; END;
             CREATE FUNCTION sneaky(n INT) RETURNS INT DETERMINISTIC NO SQL
                 BEGIN DELETE FROM shop.orders WHERE id = n; RETURN n; END;
             CREATE PROCEDURE wipe() DELETE FROM shop.orders;
             CREATE VIEW innocent AS SELECT evil() AS n;
             CREATE VIEW twice AS SELECT n FROM innocent;
             CREATE VIEW sleepy AS SELECT SLEEP(20) AS n;
             CREATE VIEW leak AS SELECT LOAD_FILE('{folder}/secret') AS body;
             CREATE VIEW peephole AS SELECT body FROM other.secrets;
             CREATE USER IF NOT EXISTS {OWNER}@'%'; ALTER USER {OWNER}@'%' IDENTIFIED BY '{PASSWORD}';
             CREATE USER IF NOT EXISTS bystander@'%';
             ALTER USER {READER}@'%' IDENTIFIED BY '{PASSWORD}';
             GRANT ALL PRIVILEGES ON *.* TO {OWNER}@'%' WITH GRANT OPTION;
             GRANT SELECT, SHOW VIEW ON shop.* TO {READER}@'%'"
        ));
    }

    /// Everything that must stay as it is, as text.
    fn look(&self) -> String {
        let mut seen = self.server.query(
            "CHECKSUM TABLE shop.orders, shop.notes, shop.log, other.secrets, mysql.global_priv,
                 mysql.db, mysql.tables_priv, mysql.proc, mysql.event, mysql.plugin, mysql.func;
             SELECT * FROM shop.numbers;
             SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_TYPE FROM information_schema.TABLES
                 WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys')
                 ORDER BY 1, 2;
             SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS
                 WHERE TABLE_SCHEMA IN ('shop', 'other') ORDER BY 1, 2;
             SELECT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS
                 WHERE TABLE_SCHEMA = 'shop' ORDER BY 1, 2;
             SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA;
             SELECT ROUTINE_NAME FROM information_schema.ROUTINES ORDER BY 1;
             SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES
                 WHERE VARIABLE_NAME NOT LIKE 'GTID%' ORDER BY 1;
             SELECT IS_FREE_LOCK('attack');
             SELECT TRX_STATE FROM information_schema.INNODB_TRX WHERE TRX_ROWS_LOCKED > 0",
        );
        let bystander = &self.bystander;
        let sql =
            format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = '{bystander}'");
        let _ = write!(seen, "\nbystanders {}", self.server.query(&sql));
        let files: BTreeSet<String> = std::fs::read_dir(&self.folder)
            .expect("the folder")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        let _ = write!(seen, "\nfiles {files:?}");
        seen
    }

    /// Waits until nothing of an attack runs any longer. An idle connection whose statement is to be
    /// killed counts as killed until it is used.
    fn settle(&self, user: &str, statement: &str) {
        let sql = format!(
            "SELECT ID, COMMAND, STATE, INFO FROM information_schema.PROCESSLIST
             WHERE USER = '{user}' AND COMMAND <> 'Sleep' AND ID <> '{}'",
            self.bystander
        );
        let began = std::time::Instant::now();
        loop {
            let running = self.server.query(&sql);
            if running.is_empty() {
                return;
            }
            let waited = began.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "{statement}: of {user} still runs: {running}"
            );
        }
    }
}

/// The statements of the list by class, and some that are too long for a list. Who `{bystander}` is
/// changes while they run.
fn attacks(world: &World) -> Vec<(String, String)> {
    let list = include_str!("../../../../attacks/mysql.txt");
    let folder = world.folder.display().to_string();
    let mut class = String::new();
    let mut attacks = Vec::new();
    for line in list.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            class = name.to_owned();
        } else if !line.is_empty() {
            let text = line
                .replace("\\\\", "\u{e000}")
                .replace("\\n", "\n")
                .replace("\\u00a0", "\u{a0}")
                .replace("\\u2028", "\u{2028}")
                .replace("\\0", "\0")
                .replace("\\x1a", "\x1a")
                .replace('\u{e000}', "\\")
                .replace("{tmp}", &folder);
            attacks.push((class.clone(), text));
        }
    }
    let mut long = |text: String| attacks.push(("long and deep".to_owned(), text));
    long(format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000)));
    long(format!("SELECT 1{}", " + 1".repeat(4_900)));
    long(format!("SELECT {}1", "NOT ".repeat(4_900)));
    long(format!("SELECT {}1", "- ".repeat(9_000)));
    long(format!("SELECT {}1{}", "ABS(".repeat(2_000), ")".repeat(2_000)));
    long(format!("SELECT {} 1 {}", "(SELECT".repeat(500), ")".repeat(500)));
    long(format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(1_200)));
    long(format!("SELECT {} FROM DUAL", vec!["REPEAT('a', 60000)"; 900].join(", ")));
    long(format!("SELECT CONCAT({})", vec!["REPEAT('a', 60000)"; 900].join(", ")));
    long(format!("SELECT {}", vec!["CASE WHEN 1 THEN"; 1_000].join(" ")));
    attacks
}

/// What came of one attack.
async fn attempt(engine: &Mysql, statement: &str) -> Option<&'static str> {
    let ask = Ask { time: Duration::from_millis(400), most: 50, ..Ask::new(statement) };
    let answer = ask.of(engine).await;
    let shown = answer.map_or_else(|error| error.text(), |kept| format!("{:?}", kept.rows));
    shown.contains("SECRET-").then_some("reads a secret")
}

/// Runs all attacks; returns those that got through.
async fn through(world: &mut World, user: &str, layers: Layers) -> Vec<String> {
    let mut setup = setup(&world.server, user, "shop");
    setup.layers = layers;
    setup.rules = Rules { allow: vec!["shop.*".to_owned()], ..Rules::default() };
    setup.accept = if user == OWNER { EVERYTHING.to_vec() } else { Vec::new() };
    let mut found = Vec::new();
    let mut bystander = Ask::new("SELECT CONNECTION_ID()").bystander(&setup).await;
    world.bystander = bystander.id.clone();
    let mut engine = Mysql::new(setup.clone()).expect("an engine");
    let mut before = world.look();
    for (class, attack) in attacks(world) {
        let statement = attack.replace("{bystander}", &world.bystander);
        let read = attempt(&engine, &statement).await;
        world.settle(user, &statement);
        let after = world.look();
        let what = if after == before { read } else { Some("changes something") };
        let Some(what) = what else { continue };
        let shown =
            attack.replace('\n', "\\n").replace(&world.folder.display().to_string(), "{tmp}");
        let shown: String = shown.chars().take(80).collect();
        found.push(format!("{class}: {shown}: {what}"));
        if after != before {
            eprintln!("{statement}: {}", difference(&before, &after));
            world.fill();
            bystander = Ask::new("SELECT CONNECTION_ID()").bystander(&setup).await;
            world.bystander = bystander.id.clone();
            engine = Mysql::new(setup.clone()).expect("an engine");
            before = world.look();
        }
    }
    drop(bystander);
    found
}

fn difference(before: &str, after: &str) -> String {
    let lines: BTreeSet<&str> = before.lines().collect();
    after.lines().filter(|line| !lines.contains(line)).collect::<Vec<_>>().join(" | ")
}

/// Somebody else's connection of the same account.
struct Bystander {
    _link: sqlx::mysql::MySqlConnection,
    id: String,
}

impl Ask<'_> {
    async fn bystander(&self, setup: &crate::engine::Setup) -> Bystander {
        use sqlx::ConnectOptions as _;
        let options: sqlx::mysql::MySqlConnectOptions = setup.urls[0].parse().expect("an address");
        let options = options.password(PASSWORD).ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
        let mut link = options.connect().await.expect("a connection");
        let row =
            sqlx::raw_sql("SELECT CONNECTION_ID()").fetch_one(&mut link).await.expect("a row");
        Bystander { id: crate::engine::mysql::text_of(&row, 0), _link: link }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_gets_through_and_single_layers_hold() {
    let mut world = World::new();
    let off = |change: fn(&mut Layers)| {
        let mut layers = Layers::ALL;
        change(&mut layers);
        layers
    };
    let runs = [
        ("all layers, an account that may only read", READER, Layers::ALL),
        (
            "credential off: an account that may do everything",
            OWNER,
            off(|layers| layers.credential = false),
        ),
        ("session off", READER, off(|layers| layers.session = false)),
        ("statement off", READER, off(|layers| layers.statement = false)),
        ("engine off", READER, off(|layers| layers.engine = false)),
    ];
    let mut table = String::new();
    for (name, user, layers) in runs {
        let found = through(&mut world, user, layers).await;
        let _ = writeln!(table, "# {name}");
        for line in found {
            let _ = writeln!(table, "{line}");
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/attacks/mysql.layers.txt");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let expected: String =
        kept.lines().filter_map(|line| of_version(line, &world.server.version())).collect();
    if std::env::var_os("GOLDEN").is_some() && table != expected {
        std::fs::write(path, &table).expect("the table is written");
    }
    assert_eq!(
        table, expected,
        "what gets through is another: look at it, then GOLDEN=1, and put back by hand what only \
         another version lets through"
    );
}

/// A line of the table as a server of this version has it; none where it has been mended since.
fn of_version(line: &str, version: &[u32]) -> Option<String> {
    let Some((class, rest)) = line.split_once(" (MariaDB before ") else {
        return Some(format!("{line}\n"));
    };
    let (mended, rest) = rest.split_once(')').expect("a version in parentheses");
    let mended: Vec<u32> =
        mended.split('.').map(|number| number.parse().expect("a number")).collect();
    (version < mended.as_slice()).then(|| format!("{class}{rest}\n"))
}

#[test]
fn what_was_mended_is_expected_of_older_servers() {
    let line = "files (MariaDB before 10.11.19): WITH: changes something";
    let older = of_version(line, &[10, 11, 18]);
    assert_eq!(older.as_deref(), Some("files: WITH: changes something\n"));
    assert_eq!(of_version(line, &[10, 11, 19]), None);
    assert_eq!(of_version("# all", &[11, 4, 0]).as_deref(), Some("# all\n"));
}

#[test]
fn there_are_at_least_two_hundred_attacks() {
    let list = include_str!("../../../../attacks/mysql.txt");
    let attacks: BTreeSet<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(attacks.len() >= 200, "{}", attacks.len());
}
