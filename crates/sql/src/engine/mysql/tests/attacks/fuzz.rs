//! Statements that nobody wrote, and a public corpus, against the database of the attacks.

use contract::ToolError;

use super::*;
use crate::engine::Setup;
use crate::fuzz::catalogue::{Catalogue, Dialect, Routine, constants, relations};
use crate::fuzz::{Budget, Fuzzer, How, Question, corpus, run};

/// How long one statement may take.
const TIME: Duration = Duration::from_secs(1);

const CONSTANTS: &str = "\
    int: 1 | 7 | (-3) | 40 | 9000000000
    number: 1.5 | 12.25 | (-0.5) | 2.5e0
    text: 'a' | 'note 7' | '' | 'Ünï' | _utf8mb4'x'
    date: DATE '2026-03-01' | '2026-10-25' | CURRENT_DATE
    json: JSON_ARRAY(1, 'x') | JSON_OBJECT('a', 2)";

const FUNCTIONS: &str = "\
    ABS(number) number
    CEILING(number) int
    FLOOR(number) int
    ROUND(number, int) number
    SIGN(number) int
    MOD(int, int) int
    SQRT(number) number
    GREATEST(int, int) int
    LEAST(number, number) number
    IF(int, text, text) text
    IFNULL(int, int) int
    NULLIF(text, text) text
    LENGTH(text) int
    CHAR_LENGTH(text) int
    UPPER(text) text
    LOWER(text) text
    TRIM(text) text
    LEFT(text, int) text
    RIGHT(text, int) text
    SUBSTRING(text, int, int) text
    REPLACE(text, text, text) text
    CONCAT(text, int) text
    CONCAT_WS(text, text, text) text
    REVERSE(text) text
    LOCATE(text, text) int
    STRCMP(text, text) int
    FIELD(text, text, text) int
    ASCII(text) int
    HEX(text) text
    MD5(text) text
    YEAR(date) int
    MONTH(date) int
    DAYOFWEEK(date) int
    DAYNAME(date) text
    LAST_DAY(date) date
    DATEDIFF(date, date) int
    TO_DAYS(date) int
    DATE(date) date
    JSON_EXTRACT(json, '$[0]') json
    JSON_VALID(text) int
    JSON_LENGTH(json) int
    JSON_TYPE(json) text
    JSON_QUOTE(text) text
    JSON_ARRAY(int, text) json
    FORMAT(number, int) text
    CRC32(text) int
    BIT_COUNT(int) int
    INET_NTOA(int) text";

const AGGREGATES: &str = "\
    COUNT(int) int
    COUNT(text) int
    SUM(number) number
    SUM(int) number
    AVG(number) number
    MIN(int) int
    MAX(int) int
    MIN(text) text
    MAX(date) date
    GROUP_CONCAT(text) text
    STDDEV(number) number
    BIT_OR(int) int";

const WINDOWS: &str = "\
    ROW_NUMBER() int
    RANK() int
    DENSE_RANK() int
    LAG(text) text
    LEAD(int) int
    FIRST_VALUE(number) number";

const OPERATORS: &str = "\
    +(int, int) int
    -(int, int) int
    *(int, number) number
    +(number, number) number
    /(number, number) number
    DIV(int, int) int
    %(int, int) int
    &(int, int) int
    |(int, int) int
    =(int, int) int
    <(number, number) int
    >=(date, date) int
    <>(text, text) int
    <=>(text, text) int
    AND(int, int) int
    OR(int, int) int
    XOR(int, int) int
    LIKE(text, text) int
    REGEXP(text, 'a+') int";

const CASTS: [(&str, &str); 6] = [
    ("int", "text"),
    ("number", "int"),
    ("int", "number"),
    ("date", "text"),
    ("text", "number"),
    ("json", "text"),
];

/// What hangs on the statement layer alone, by attacks/mysql.layers.txt.
const ALONE: [&str; 3] = ["outfile", "dumpfile", "peephole"];

/// The columns of the honest relations, or of all others.
fn columns(server: &Mariadb, which: &str) -> Vec<[String; 3]> {
    let rows = server.query(&format!(
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), COLUMN_NAME,
            CASE WHEN DATA_TYPE IN ('int', 'bigint') THEN 'int'
                WHEN DATA_TYPE IN ('decimal', 'double') THEN 'number'
                WHEN DATA_TYPE IN ('date', 'datetime') THEN 'date'
                WHEN COLUMN_NAME = 'data' THEN 'json' ELSE 'text' END
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN ('shop', 'other')
            AND TABLE_NAME {which} ('orders', 'notes', 'various')
         ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    ));
    let row = |line: &str| -> [String; 3] {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        cells.try_into().expect("three")
    };
    rows.lines().map(row).collect()
}

/// What the world offers, with every function that the server has.
fn offered(server: &Mariadb) -> Catalogue {
    let own = server.query(
        "SELECT FUNCTION FROM information_schema.SQL_FUNCTIONS ORDER BY 1;
         SELECT CONCAT(ROUTINE_SCHEMA, '.', ROUTINE_NAME) FROM information_schema.ROUTINES ORDER BY 1",
    );
    Catalogue {
        dialect: Dialect::Mysql,
        relations: relations(columns(server, "IN").into_iter()),
        doubtful: relations(columns(server, "NOT IN").into_iter()),
        functions: Routine::parse_all(FUNCTIONS),
        aggregates: Routine::parse_all(AGGREGATES),
        windows: Routine::parse_all(WINDOWS),
        operators: Routine::parse_all(OPERATORS),
        constants: constants(CONSTANTS),
        casts: CASTS.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec(),
        everything: own.lines().map(str::to_owned).collect(),
    }
    .check()
}

/// An engine with whoever looks at the database.
struct Watched {
    world: World,
    setup: Setup,
    engine: Mysql,
    bystander: Bystander,
    before: String,
}

impl Watched {
    async fn new(mut world: World, layers: Layers) -> Self {
        let mut setup = setup(&world.server, READER, "shop");
        setup.layers = layers;
        setup.rules = Rules { allow: vec!["shop.*".to_owned()], ..Rules::default() };
        let bystander = Ask::new("SELECT CONNECTION_ID()").bystander(&setup).await;
        world.bystander.clone_from(&bystander.id);
        let engine = Mysql::new(setup.clone()).expect("an engine");
        let before = world.look();
        Self { world, setup, engine, bystander, before }
    }
}

impl Watched {
    /// What runs on at the server long after its time; it is ended, so that it is not blamed on
    /// others.
    fn running(&self) -> Option<String> {
        let began = std::time::Instant::now();
        loop {
            let running = self.world.server.query(&format!(
                "SELECT ID, STATE, TIME_MS, INFO FROM information_schema.PROCESSLIST
                 WHERE USER = '{READER}' AND COMMAND <> 'Sleep'"
            ));
            let id = running.split('\t').next().filter(|id| !id.is_empty())?;
            if began.elapsed() > TIME * 15 {
                self.world.server.query(&format!("KILL {id}"));
                return Some(running);
            }
            std::thread::yield_now();
        }
    }
}

impl crate::fuzz::World for Watched {
    async fn ask(&mut self, question: &Question) -> Result<Option<String>, ToolError> {
        let ask = Ask { time: TIME, most: 50, ..Ask::new(&question.text) };
        let shown = match question.how {
            How::Run => format!("{:?}", ask.of(&self.engine).await?.rows),
            how => ask.plan(&self.engine, how == How::Analyze).await?.text,
        };
        // Without the statement layer only the credential hides what others have.
        let leak = ["SECRET-FILE", "SECRET-TENANT"].into_iter().find(|word| shown.contains(word));
        Ok(leak.map(str::to_owned))
    }

    async fn changes(&mut self) -> Vec<String> {
        if let Some(running) = self.running() {
            return vec![format!("still runs {running}")];
        }
        let after = self.world.look();
        if after == self.before {
            return Vec::new();
        }
        let changes = vec![difference(&self.before, &after)];
        self.world.fill();
        self.world.server.query(VARIOUS);
        self.bystander = Ask::new("SELECT CONNECTION_ID()").bystander(&self.setup).await;
        self.world.bystander.clone_from(&self.bystander.id);
        self.engine = Mysql::new(self.setup.clone()).expect("an engine");
        self.before = self.world.look();
        changes
    }
}

/// What honest statements are asked of, next to the tables of the attacks.
const VARIOUS: &str = "USE shop; CREATE TABLE IF NOT EXISTS shop.various (id INT PRIMARY KEY, exact
    DECIMAL(12,3), rough DOUBLE, word VARCHAR(40), day DATE, at DATETIME, data JSON);
    REPLACE INTO shop.various SELECT seq, seq / 7, seq / 3e0, CONCAT('word ', seq % 9),
        DATE '2026-01-01' + INTERVAL seq DAY, '2026-01-01 00:30:00' + INTERVAL seq * 7 HOUR,
        JSON_OBJECT('n', seq, 'list', JSON_ARRAY(seq, 'x')) FROM seq_1_to_60";

/// What others wrote, to be changed: attacks and honest questions.
fn written(world: &World) -> Vec<String> {
    let attacks = attacks(world).into_iter().map(|(_, statement)| statement);
    let honest = include_str!("../../../../../honest/mysql.txt").lines().map(str::to_owned);
    attacks.chain(honest).filter(|text| !text.is_empty() && text.len() < 4_000).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_that_nobody_wrote_changes_anything() {
    let mut world = World::new();
    world.server.query(VARIOUS);
    let (offer, written) = (offered(&world.server), written(&world));
    let all = Layers::ALL;
    let mut findings = Vec::new();
    for (name, count, layers) in [
        ("all layers", 400, all),
        ("no statement layer", 200, Layers { statement: false, ..all }),
        ("no session layer", 100, Layers { session: false, ..all }),
        ("no engine layer", 100, Layers { engine: false, ..all }),
    ] {
        let budget = Budget::of(count);
        let mut fuzzer = Fuzzer::new(&offer, &written, budget);
        if !layers.statement {
            fuzzer = fuzzer.avoiding(ALONE.map(str::to_owned));
        }
        if !layers.session {
            // The session is where this is set otherwise: see below what it is for.
            world
                .server
                .query("SET GLOBAL optimizer_switch = 'condition_pushdown_for_derived=off'");
        }
        let mut watched = Watched::new(world, layers).await;
        let report = run(&mut watched, fuzzer, budget).await;
        world = watched.world;
        eprintln!("MariaDB, {name}, seed {}: {report}", budget.seed);
        if layers == all {
            report.check(40);
        }
        findings.extend(report.findings.iter().map(|finding| format!("{name}: {finding}")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_a_public_corpus_changes_anything() {
    let world = World::new();
    world.server.query(&format!("USE shop; {}", corpus::schema(Dialect::Mysql, &["orders"])));
    let questions = corpus::statements(Dialect::Mysql);
    let budget = Budget::whole(questions.len());
    let mut watched = Watched::new(world, Layers::ALL).await;
    let report = run(&mut watched, questions.into_iter(), budget).await;
    eprintln!("MariaDB, the corpus: {report}");
    assert!(report.findings.is_empty(), "{}", report.findings.join("\n"));
    report.check(25);
}

/// What the fuzzer found once ended MariaDB 10.11.14, where conditions are pushed into subqueries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_comparison_of_rows_ends_the_server() {
    let server = servers::mariadb::shared();
    server.database("ended", "CREATE TABLE t AS SELECT seq AS id, 'a' AS word FROM seq_1_to_60");
    let engine = Mysql::new(setup(server, READER, "ended")).expect("an engine");
    let ask = Ask::new(
        "SELECT 1 FROM (SELECT MIN(v.word) AS a FROM t JOIN t v GROUP BY t.id) q
         WHERE (CAST('x' AS CHAR), q.a) = (q.a, q.a)",
    );
    for _ in 0..2 {
        assert!(ask.of(&engine).await.expect("an answer").rows.is_empty());
    }
}
