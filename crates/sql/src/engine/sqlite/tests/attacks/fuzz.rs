//! Statements that nobody wrote, and a public corpus, against the hostile schema of the attacks.

use super::*;
use crate::fuzz::catalogue::{Catalogue, Dialect, Routine, constants, relations};
use crate::fuzz::{Budget, Fuzzer, How, Question, World, corpus, run};

/// How long one statement may take.
const TIME: Duration = Duration::from_millis(300);

/// What honest statements are asked of, next to the tables of the attacks.
const VARIOUS: &str = "
    CREATE TABLE various (id INTEGER PRIMARY KEY, exact NUMERIC, rough REAL, word TEXT, day TEXT, data TEXT);
    INSERT INTO various SELECT i, i * 1.25, i / 3.0, 'word ' || (i % 9), date('2026-01-01', i || ' days'),
        json_object('n', i, 'list', json_array(i, 'x'))
        FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) SELECT i FROM n);
    CREATE TABLE visits (id INTEGER PRIMARY KEY, various INTEGER REFERENCES various, seconds INTEGER);
    INSERT INTO visits SELECT id, id % 7 + 1, id * 13 FROM various;
    CREATE VIEW summary AS SELECT various, count(*) AS n, sum(seconds) AS seconds FROM visits GROUP BY various;";

const CONSTANTS: &str = "\
    int: 1 | 7 | (-3) | 40 | 9000000000
    number: 1.5 | 12.25 | (-0.5) | 2.5e1
    text: 'a' | 'word 7' | '' | 'Ünï'
    date: '2026-03-01' | date('2026-10-25')
    json: json_array(1, 'x') | json_object('a', 2)";

const FUNCTIONS: &str = "\
    abs(number) number
    round(number, 2) number
    sign(number) int
    max(int, int) int
    min(number, number) number
    iif(int, text, text) text
    ifnull(int, int) int
    nullif(text, text) text
    length(text) int
    upper(text) text
    lower(text) text
    trim(text) text
    substr(text, int, int) text
    replace(text, text, text) text
    instr(text, text) int
    unicode(text) int
    hex(text) text
    quote(text) text
    typeof(number) text
    printf('%d', int) text
    date(date, '+1 day') date
    strftime('%Y', date) text
    julianday(date) number
    json_extract(json, '$[0]') json
    json_type(json) text
    json_array_length(json) int
    json_array(int, text) json
    json_valid(text) int
    glob(text, text) int";

const AGGREGATES: &str = "\
    count(int) int
    count(text) int
    sum(number) number
    total(number) number
    avg(number) number
    min(text) text
    max(int) int
    max(date) date
    group_concat(text) text
    json_group_array(int) json";

const WINDOWS: &str = "\
    row_number() int
    rank() int
    dense_rank() int
    ntile(3) int
    lag(text) text
    lead(int) int
    first_value(number) number
    cume_dist() number";

const OPERATORS: &str = "\
    +(int, int) int
    -(int, int) int
    *(int, number) number
    +(number, number) number
    /(number, number) number
    %(int, int) int
    &(int, int) int
    |(int, int) int
    =(int, int) int
    <(number, number) int
    >=(date, date) int
    <>(text, text) int
    IS(text, text) int
    IS NOT DISTINCT FROM(text, text) int
    AND(int, int) int
    OR(int, int) int
    ||(text, text) text
    LIKE(text, text) int
    GLOB(text, text) int
    ->(json, '$') json
    ->>(json, 0) text";

const CASTS: [(&str, &str); 5] =
    [("int", "text"), ("number", "int"), ("int", "number"), ("date", "text"), ("json", "text")];

/// Relations that anybody may ask.
const HONEST: [&str; 5] = ["orders", "various", "visits", "summary", "customers"];

/// What the file offers, with every function of this SQLite.
async fn offered(file: &File) -> Catalogue {
    let mut owner = file.owner().await;
    let columns = "SELECT s.name, '\"' || c.name || '\"', CASE WHEN c.type LIKE 'INT%' THEN 'int' \
            WHEN c.type IN ('REAL', 'NUMERIC') THEN 'number' WHEN c.name = 'day' THEN 'date' \
            WHEN c.name = 'data' THEN 'json' ELSE 'text' END \
        FROM (SELECT * FROM sqlite_schema WHERE name NOT LIKE 'evil_%' AND name NOT LIKE 'bomb%') s, \
            pragma_table_info(s.name) c \
        WHERE s.type IN ('table', 'view') AND s.name NOT LIKE 'sqlite_%' ORDER BY s.name, c.cid";
    let columns: Vec<(String, String, String)> =
        sqlx::query_as(columns).fetch_all(&mut owner).await.expect("its columns");
    let functions =
        "SELECT DISTINCT name FROM pragma_function_list WHERE name GLOB '[a-z]*' ORDER BY 1";
    let own: Vec<(String,)> =
        sqlx::query_as(functions).fetch_all(&mut owner).await.expect("its functions");
    sqlx::Connection::close(owner).await.expect("it closes");
    let hostile = ["evil_table", "evil_view", "bomb6", "evil_pragma", "sqlite_schema"];
    let hostile = hostile.map(|name| [name, "a", "text"].map(str::to_owned));
    let columns = columns.into_iter().map(|(name, column, of)| [name, column, of]);
    let (honest, others): (Vec<_>, Vec<_>) =
        columns.partition(|[name, ..]| HONEST.contains(&name.as_str()));
    Catalogue {
        dialect: Dialect::Sqlite,
        relations: relations(honest.into_iter()),
        doubtful: relations(others.into_iter().chain(hostile)),
        functions: Routine::parse_all(FUNCTIONS),
        aggregates: Routine::parse_all(AGGREGATES),
        windows: Routine::parse_all(WINDOWS),
        operators: Routine::parse_all(OPERATORS),
        constants: constants(CONSTANTS),
        casts: CASTS.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec(),
        everything: own.into_iter().map(|row| row.0).collect(),
    }
    .check()
}

/// Two engines, one with rules that hide something, and what is to stay as it is.
struct Watched<'a> {
    file: &'a File,
    plain: Sqlite,
    ruled: Sqlite,
    before: (BTreeMap<String, String>, [String; 2]),
}

impl<'a> Watched<'a> {
    async fn new(file: &'a File, layers: Layers) -> Self {
        let plain = file.engine_with(Rules::default(), layers);
        let ruled = file.engine_with(hiding(), layers);
        let mut watched = Self { file, plain, ruled, before: Default::default() };
        watched.before = watched.look().await;
        watched
    }

    async fn look(&self) -> (BTreeMap<String, String>, [String; 2]) {
        let connections = [inside(&self.plain).await, inside(&self.ruled).await];
        (outside(self.file), connections)
    }
}

impl World for Watched<'_> {
    async fn ask(&mut self, question: &Question) -> Result<Option<String>, ToolError> {
        let engine = if question.is_ruled { &self.ruled } else { &self.plain };
        let shown = answer(engine, question).await;
        if shown.as_ref().is_err_and(|error| error.kind == contract::Kind::Timeout) {
            // There is one connection: what was stopped has ended when this answers.
            inside(engine).await;
        }
        let is_leak = shown?.contains("SECRET") && question.is_ruled;
        Ok((is_leak && !question.text.contains("SECRET")).then(|| "a secret".to_owned()))
    }

    async fn changes(&mut self) -> Vec<String> {
        let now = self.look().await;
        let mut changes = Vec::new();
        if now.0 != self.before.0 {
            changes.push(format!("the folder: {:?}", now.0));
        }
        if now.1 != self.before.1 {
            changes.push(format!("the connection: {:?} from {:?}", now.1, self.before.1));
        }
        self.before = now;
        changes
    }
}

async fn answer(engine: &Sqlite, question: &Question) -> Result<String, ToolError> {
    let statement = question.text.as_str();
    if question.how == How::Run {
        let ask = Ask { time: TIME, cell: 50, most: 50, ..Ask::new(statement) };
        return Ok(ask.of(engine).await?.lines());
    }
    let deadline = Instant::now() + TIME;
    let run = Run { statement, params: &[], session: &[], skip: 0, cell: 50, deadline };
    Ok(engine.explain(&run, question.how == How::Analyze).await?.text)
}

/// What others wrote, to be changed: attacks and honest questions.
fn written(folder: &str) -> Vec<String> {
    let attacks = attacks(folder).into_iter().map(|(_, statement)| statement);
    let honest = include_str!("../../../../../honest/sqlite.txt").split("\n## statement\n").skip(1);
    let honest = honest.filter_map(|case| case.split("\n## answer").next()).map(str::to_owned);
    attacks.chain(honest).filter(|text| !text.is_empty() && text.len() < 4_000).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_that_nobody_wrote_changes_anything() {
    let file = File::of(&format!("{HOSTILE}{VARIOUS}")).await;
    let (offer, written) = (offered(&file).await, written(&file.folder.path().to_string_lossy()));
    let all = Layers::ALL;
    let mut findings = Vec::new();
    for (name, count, layers) in [
        ("all layers", 400, all),
        ("no credential layer", 100, Layers { credential: false, ..all }),
        ("no statement layer", 200, Layers { statement: false, ..all }),
        ("no session layer", 100, Layers { session: false, ..all }),
        ("no engine layer", 100, Layers { engine: false, ..all }),
    ] {
        let budget = Budget::of(count);
        let fuzzer = Fuzzer::new(&offer, &written, budget);
        let report = run(&mut Watched::new(&file, layers).await, fuzzer, budget).await;
        eprintln!("SQLite, {name}, seed {}: {report}", budget.seed);
        if layers == all {
            report.check(40);
        }
        findings.extend(report.findings.iter().map(|finding| format!("{name}: {finding}")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_a_public_corpus_changes_anything() {
    let schema = corpus::schema(Dialect::Sqlite, &["orders"]);
    let file = File::of(&format!("{HOSTILE}{schema}")).await;
    let questions = corpus::statements(Dialect::Sqlite);
    let budget = Budget::whole(questions.len());
    let mut watched = Watched::new(&file, Layers::ALL).await;
    let report = run(&mut watched, questions.into_iter(), budget).await;
    eprintln!("SQLite, the corpus: {report}");
    assert!(report.findings.is_empty(), "{}", report.findings.join("\n"));
    report.check(25);
}
