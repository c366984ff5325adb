//! Files as they are found: in WAL mode, replaced, locked, missing, damaged.

use contract::Kind as ErrorKind;

use super::*;

/// What is in the file's folder.
fn listing(file: &File) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(file.folder.path())
        .expect("a folder")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("its bytes"))
        })
        .collect();
    found.sort();
    found
}

const WAL: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)";

#[tokio::test]
async fn reading_a_file_in_wal_mode_leaves_nothing_beside_it() {
    let file = File::of(WAL).await;
    let before = listing(&file);
    assert_eq!(before.len(), 1);
    let engine = file.engine();
    check(&engine, "SELECT a FROM t", "1").await;
    assert_eq!(listing(&file), before);
    drop(engine);
    assert_eq!(listing(&file), before);
}

#[tokio::test]
async fn a_writer_is_seen_at_once_in_wal_mode_too() {
    let file = File::of(WAL).await;
    let engine = file.engine();
    check(&engine, "SELECT sum(a) FROM t", "1").await;
    let mut writer = file.owner().await;
    sqlx::query("INSERT INTO t VALUES (2)").execute(&mut writer).await.expect("a row");
    check(&engine, "SELECT sum(a) FROM t", "3").await;
    sqlx::query("INSERT INTO t VALUES (4)").execute(&mut writer).await.expect("a row");
    check(&engine, "SELECT sum(a) FROM t", "7").await;
    sqlx::Connection::close(writer).await.expect("it closes");
    check(&engine, "SELECT sum(a) FROM t", "7").await;
    file.write("INSERT INTO t VALUES (8)").await;
    check(&engine, "SELECT sum(a) FROM t", "15").await;
}

#[tokio::test]
async fn a_checkpoint_between_statements_is_seen() {
    let file = File::of(WAL).await;
    let engine = file.engine();
    check(&engine, "SELECT sum(a) FROM t", "1").await;
    file.write("INSERT INTO t VALUES (2)").await;
    check(&engine, "SELECT sum(a) FROM t", "3").await;
}

#[tokio::test]
async fn writers_are_not_kept_waiting_and_their_rows_are_seen() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let engine = file.engine();
    check(&engine, "SELECT sum(a) FROM t", "1").await;
    file.write("INSERT INTO t VALUES (2)").await;
    check(&engine, "SELECT sum(a) FROM t", "3").await;
}

#[tokio::test]
async fn another_file_in_its_place_is_opened() {
    let (file, other) = (
        File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await,
        File::of("CREATE TABLE t (a); INSERT INTO t VALUES (5)").await,
    );
    let engine = file.engine();
    check(&engine, "SELECT a FROM t", "1").await;
    std::fs::rename(other.path(), file.path()).expect("it is replaced");
    check(&engine, "SELECT a FROM t", "5").await;
}

#[tokio::test]
async fn a_lock_is_waited_for_until_the_deadline() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let engine = file.engine();
    let mut writer = file.owner().await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut writer).await.expect("a lock");
    let hurried = Ask { time: Duration::from_millis(100), ..Ask::new("SELECT a FROM t") };
    let error = hurried.of(&engine).await.expect_err("a lock");
    assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
    let patient = Ask::new("SELECT a FROM t");
    let (answer, ended) =
        tokio::join!(patient.of(&engine), sqlx::raw_sql("ROLLBACK").execute(&mut writer));
    ended.expect("it ends");
    assert_eq!(answer.expect("a row").lines(), "1");
}

#[tokio::test]
async fn no_file_is_ever_made() {
    let file = File { folder: tempfile::tempdir().expect("a folder") };
    let engine = file.engine();
    let error = ask(&engine, "SELECT 1").await.expect_err("no file");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!error.message.contains("data.db"), "{error}");
    assert!(error.log.is_some_and(|log| log.contains("data.db")));
    assert!(engine.vet().await.is_err());
    assert_eq!(listing(&file), []);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_so() {
    let file = File { folder: tempfile::tempdir().expect("a folder") };
    std::fs::write(file.path(), vec![b'x'; 4096]).expect("a file");
    let error = ask(&file.engine(), "SELECT * FROM sqlite_schema").await.expect_err("no database");
    assert!(error.message.contains("damaged, or no SQLite database"), "{error}");
    assert!(file.engine().vet().await.is_err());
}

#[tokio::test]
async fn the_operator_can_say_that_nobody_writes() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let url = format!("sqlite://{}?immutable=true", file.path().display());
    let engine = Sqlite::new(setup(&url, Rules::default(), Layers::ALL)).expect("an engine");
    check(&engine, "SELECT a FROM t", "1").await;
}

#[tokio::test]
async fn a_journal_left_by_a_crash_is_told() {
    let file =
        File::of("PRAGMA journal_mode = DELETE; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
            .await;
    let mut writer = file.owner().await;
    sqlx::raw_sql("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; \
        INSERT INTO t SELECT zeroblob(5000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50) SELECT i FROM n)")
        .execute(&mut writer).await.expect("pages are written");
    let copy = File { folder: tempfile::tempdir().expect("a folder") };
    std::fs::copy(file.path(), copy.path()).expect("a copy");
    let journal = |file: &File| file.folder.path().join("data.db-journal");
    std::fs::copy(journal(&file), journal(&copy)).expect("its journal");
    let before = listing(&copy);
    let error = ask(&copy.engine(), "SELECT count(*) FROM t").await.expect_err("a hot journal");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.message.contains("left its journal"), "{error}");
    assert_eq!(listing(&copy), before);
}
