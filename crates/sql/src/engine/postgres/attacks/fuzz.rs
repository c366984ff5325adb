//! Statements that nobody wrote, and a public corpus, against the database of the attacks.

use serde::de::DeserializeOwned;
use servers::postgres::Postgres as Server;

use super::*;
use crate::fuzz::catalogue::{Catalogue, Dialect, Routine, constants, relations};
use crate::fuzz::{Budget, Fuzzer, How, Question, World, corpus, run};

/// How long one statement may take.
const TIME: Duration = Duration::from_secs(1);

/// What honest statements are asked of, next to the tables of the attacks.
const VARIOUS: &str = "
    CREATE TABLE various (id int PRIMARY KEY, big int8, exact numeric(12,3), rough float8, word text,
        yes bool, day date, at timestamptz, span interval, body jsonb, list int[], words text[],
        range int4range, token uuid, address inet, raw bytea);
    INSERT INTO various SELECT n, n * 5000000000, n / 7.0, n / 3.0, 'word ' || n % 9, n % 2 = 0,
        date '2026-01-01' + n, timestamptz '2026-01-01 00:00+00' + n * interval '7 hours',
        n * interval '90 minutes', jsonb_build_object('n', n, 'list', jsonb_build_array(n, 'x')),
        ARRAY[n, n + 1], ARRAY['a', 'w' || n % 4], int4range(n, n + 5), md5(n::text)::uuid,
        ('10.0.0.' || n)::inet, decode(md5(n::text), 'hex')
        FROM generate_series(1, 60) n;
    INSERT INTO various (id) VALUES (99);
    CREATE VIEW summary AS SELECT customer, count(*) AS n, sum(amount) AS total FROM orders GROUP BY customer;
    GRANT SELECT ON various, summary TO reader;";

const CONSTANTS: &str = "\
    int4: 1 | 7 | (-3) | 40
    int8: 5::int8 | 9000000000
    numeric: 1.5 | 12.25 | (-0.5)::numeric
    float8: 2.5::float8 | 1e3::float8
    text: 'a'::text | 'name 7'::text | ''::text | 'Ünï'::text
    bool: true | false
    date: date '2026-03-01' | date '2026-10-25'
    timestamptz: timestamptz '2026-03-29 01:30:00+00' | now()
    interval: interval '3 days' | interval '90 minutes'
    jsonb: '{\"a\": [1, 2]}'::jsonb | '[1, \"x\", null]'::jsonb
    _int4: ARRAY[1, 2, 3] | '{}'::int4[]
    _text: ARRAY['a', 'b']::text[]
    int4range: int4range(1, 5) | 'empty'::int4range
    uuid: '00000000-0000-0000-0000-000000000001'::uuid
    inet: inet '10.0.0.1/24'
    bytea: '\\x0102'::bytea
    tsvector: to_tsvector('simple', 'a word')
    tsquery: to_tsquery('simple', 'a & b')";

const MORE_AGGREGATES: &str = "\
    count(int4) int8
    count(text) int8
    array_agg(int4) _int4
    array_agg(text) _text
    string_agg(text, text) text
    jsonb_agg(int4) jsonb";
const WINDOWS: &str = "\
    row_number() int8
    rank() int8
    dense_rank() int8
    ntile(int4) int4
    lag(int4) int4
    lead(text) text
    first_value(date) date
    cume_dist() float8";

/// Functions that no honest statement needs and the gate refuses by name or that mostly fail.
const ODD: &str = "^(pg_|has_|row_security|current_|session_|xml|query_|table_|schema_|database_|\
    cursor_|txid_|inet_|ts_|json_|setseed|convert|encode|decode|get_|to_reg|format_type|col_|obj_|\
    shobj_|brin|gin|hash|bt|float8_accum|numeric_|array_recv|date_|dsquery|array_to_ts|decode|\
    regexp|substring|similar|make_|isfinite|unknown|lo|daterange|getdatabase|parse_ident)";

/// What the types above offer, by PostgreSQL's own catalogue.
fn offered(server: &Server) -> Catalogue {
    let constants = constants(CONSTANTS);
    let types: Vec<String> = constants.keys().map(|name| format!("'{name}'")).collect();
    let types = format!("({})", types.join(", "));
    let routines = |kind: &str, more: &str| {
        asked::<Vec<(String, Vec<String>, String)>>(
            server,
            &format!(
                "SELECT p.proname, ARRAY(SELECT typname FROM unnest(p.proargtypes) WITH ORDINALITY a(o, n) \
                    JOIN pg_type ON pg_type.oid = a.o ORDER BY n), t.typname \
                 FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype \
                 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = '{kind}' \
                    AND p.provolatile IN ('i', 's') AND NOT p.proretset AND t.typname IN {types} \
                    AND p.proname !~ '{ODD}' AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) a(o) \
                        JOIN pg_type ON pg_type.oid = a.o WHERE typname NOT IN {types}) \
                    AND p.pronargs > 0 ORDER BY p.oid"
            ),
        )
        .into_iter()
        .map(|(name, arguments, result)| Routine { name, arguments, result })
        .chain(Routine::parse_all(more))
        .collect::<Vec<_>>()
    };
    let operators = asked::<Vec<(String, Vec<String>, String)>>(
        server,
        &format!(
            "SELECT oprname, ARRAY[l.typname, r.typname], t.typname FROM pg_operator o \
             JOIN pg_type l ON l.oid = oprleft JOIN pg_type r ON r.oid = oprright \
             JOIN pg_type t ON t.oid = oprresult JOIN pg_proc p ON p.oid = oprcode \
             WHERE oprnamespace = 'pg_catalog'::regnamespace AND p.provolatile IN ('i', 's') \
                AND l.typname IN {types} AND r.typname IN {types} AND t.typname IN {types} \
                AND oprname NOT IN ('/', '%', '^') AND oprname !~ '~' ORDER BY o.oid"
        ),
    );
    let casts = asked::<Vec<(String, String)>>(
        server,
        &format!(
            "SELECT s.typname, t.typname FROM pg_cast JOIN pg_type s ON s.oid = castsource \
             JOIN pg_type t ON t.oid = casttarget WHERE castcontext <> 'e' AND s.typname IN {types} \
             AND t.typname IN {types} AND s.oid <> t.oid ORDER BY pg_cast.oid"
        ),
    );
    let names = "SELECT DISTINCT quote_ident(proname) FROM pg_proc ORDER BY 1";
    Catalogue {
        dialect: Dialect::Postgres,
        relations: relations(columns(server, "IN").into_iter()),
        doubtful: relations(columns(server, "NOT IN").into_iter()),
        functions: routines("f", ""),
        aggregates: routines("a", MORE_AGGREGATES),
        windows: Routine::parse_all(WINDOWS),
        operators: operators
            .into_iter()
            .map(|(name, arguments, result)| Routine { name, arguments, result })
            .collect(),
        constants,
        casts,
        everything: asked::<Vec<(String,)>>(server, names).into_iter().map(|row| row.0).collect(),
    }
    .check()
}

/// The columns of the honest relations, or of all others.
fn columns(server: &Server, which: &str) -> Vec<[String; 3]> {
    asked(
        server,
        &format!(
            "SELECT quote_ident(relname), quote_ident(attname), typname FROM pg_attribute \
             JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid \
             WHERE c.relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 \
                AND has_table_privilege('reader', c.oid, 'SELECT') \
                AND relname {which} ('customers', 'orders', 'various', 'summary') \
             ORDER BY relname, attnum"
        ),
    )
}

/// The rows of a query.
fn asked<T: DeserializeOwned>(server: &Server, query: &str) -> T {
    // Rows as arrays, since an object has no order.
    let arrays = format!(
        "SELECT json_agg(ARRAY(SELECT value FROM json_each(row_to_json(q)))) FROM ({query}) q"
    );
    serde_json::from_str(&server.psql("attacked", &arrays)).expect("rows")
}

/// What hangs on the statement layer alone: functions that write through connections of their own,
/// and what calls them.
fn alone(server: &Server) -> Vec<String> {
    let names = "SELECT DISTINCT proname FROM pg_proc p LEFT JOIN pg_depend d \
        ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' \
        WHERE provolatile = 'v' OR (pronamespace = 'public'::regnamespace AND d.objid IS NULL) \
        UNION SELECT oprname FROM pg_operator WHERE oprnamespace = 'public'::regnamespace \
            AND oprname IN ('===', '<<>>', '==!', '@@@@', '<<<<')";
    let names = asked::<Vec<(String,)>>(server, names).into_iter().map(|row| row.0);
    let views = "touching touching_twice counting comparing guarded wallet wallets held checked \
        holds_checked dblink crosstab connectby xpath_table _to_xml ts_stat ts_rewrite txid_current \
        pg_current_xact_id badge CANARY";
    // A NUL byte ends a statement early, and with it the connection.
    let words = views.split_whitespace().chain(["\0"]);
    names.chain(words.map(str::to_owned)).collect()
}

/// The engines of a run with whoever looks at the database.
struct Watched {
    engines: Engines,
    witness: Witness,
    /// Whether what is shown counts, too: without the statement layer there are no rules.
    is_secret: bool,
}

impl World for Watched {
    async fn ask(&mut self, question: &Question) -> Result<Option<String>, ToolError> {
        let engine = if question.is_ruled { &self.engines.ruled } else { &self.engines.plain };
        let mut looker = Looker::default();
        let deadline = Instant::now() + TIME;
        let statement = question.text.as_str();
        let run = Run { statement, params: &[], session: &[], skip: 0, cell: 2_000, deadline };
        let found = match question.how {
            How::Run => {
                engine.run(&run, &mut looker).await?;
                looker.leaked
            }
            how => {
                let plan = engine.explain(&run, how == How::Analyze).await?;
                plan.text.find(CANARY).map(|at| plan.text[at..].chars().take(16).collect())
            }
        };
        // Without rules the tables that they hide may be read, by the credential.
        let open = ["CANARY-tenant", "CANARY-hidden", "CANARY-child", "CANARY-card"];
        let is_open =
            |word: &str| !question.is_ruled && open.iter().any(|open| word.starts_with(open));
        Ok(found
            .filter(|word| self.is_secret && !is_open(word) && !statement.contains(word.as_str())))
    }

    async fn changes(&mut self) -> Vec<String> {
        self.witness.changes().await
    }
}

impl Watched {
    async fn new(server: &Server, layers: Layers) -> Self {
        let engines = Engines::new(server, READER, layers);
        engines.warm().await;
        let witness = Witness::new(server, READER).await;
        Self { engines, witness, is_secret: layers == Layers::ALL }
    }
}

/// The database of the attacks with more in it.
fn attacked(more: &str) -> Server {
    let server = Server::start();
    server.psql("postgres", "ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf();");
    std::fs::write(server.data().join("canary.txt"), "CANARY-file").expect("a file");
    let fixture = file("attacks/postgres.fixture.sql").replace("{link}", &link(&server));
    server.database("attacked", &format!("{fixture};{more}"));
    server
}

/// What others wrote, to be changed: attacks and honest questions.
fn written(server: &Server) -> Vec<String> {
    let link = link(server);
    let short = |text: &String| text.len() < 4_000;
    let attacks = Attack::all().into_iter().filter(|attack| attack.class != "memory");
    let attacks = attacks.map(|attack| attack.statement(&link, 0));
    let questions = file("honest/postgres.txt");
    let questions =
        questions.split("\n\n").map(str::to_owned).filter(|text| !text.starts_with("##"));
    attacks.chain(questions).filter(short).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_that_nobody_wrote_changes_anything() {
    let server = attacked(VARIOUS);
    let (offer, written, alone) = (offered(&server), written(&server), alone(&server));
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
            fuzzer = fuzzer.avoiding(alone.clone());
        }
        let report = run(&mut Watched::new(&server, layers).await, fuzzer, budget).await;
        eprintln!("PostgreSQL, {name}, seed {}: {report}", budget.seed);
        if layers == all {
            report.check(40);
        }
        findings.extend(report.findings.iter().map(|finding| format!("{name}: {finding}")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Without the layer that they hang on, some statements do harm, and these tests see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fuzzer_sees_what_gets_through() {
    let server = attacked(VARIOUS);
    let (offer, written) = (offered(&server), written(&server));
    let budget = Budget::whole(200);
    let mut watched = Watched::new(&server, Layers { statement: false, ..Layers::ALL }).await;
    let report = run(&mut watched, Fuzzer::new(&offer, &written, budget), budget).await;
    let found = report.findings.join("\n");
    assert!(found.contains("changes public.audit"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_a_public_corpus_changes_anything() {
    let server = attacked(&format!(
        "{}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; REVOKE SELECT ON audit FROM reader",
        corpus::schema(Dialect::Postgres, &["orders"])
    ));
    let questions = corpus::statements(Dialect::Postgres);
    let budget = Budget::whole(questions.len());
    let mut watched = Watched::new(&server, Layers::ALL).await;
    let report = run(&mut watched, questions.into_iter(), budget).await;
    eprintln!("PostgreSQL, the corpus: {report}");
    assert!(report.findings.is_empty(), "{}", report.findings.join("\n"));
    report.check(25);
}

/// What the fuzzer found once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_is_the_callers_mistake() {
    let server = servers::postgres::shared();
    server.database("found", "");
    let mut setup = Engines::new(server, READER, Layers::ALL).plain.setup;
    setup.urls = vec![server.url(READER, "found")];
    let engine = Postgres::new(setup).expect("right settings");
    // PostgreSQL cuts the text that it complains of amidst a character.
    let cut = "SELECT to_date('Ünï', 'word 1')";
    // It calls this an internal error.
    let odd = "SELECT satisfies_hash_partition(0, 4, 0, NULL)";
    for statement in [cut, odd, "", " \n", "\u{b}"] {
        let deadline = Instant::now() + Duration::from_secs(30);
        let run = Run { statement, params: &[], session: &[], skip: 0, cell: 9, deadline };
        let error = engine.run(&run, &mut Looker::default()).await.expect_err("a mistake");
        assert_eq!(error.kind, Kind::Invalid, "{statement:?}: {error}");
    }
}
