//! What is saved, for whom and for how long.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::Sql;
use crate::query::Query;
use crate::testing::{Caller, Fake, call, server};

fn world(fake: &Fake) -> (TempDir, Sql) {
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], fake, folder.path());
    (folder, sql)
}

/// Everything below a folder, by its path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for (path, found) in entries(folder) {
        if found.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}

fn save(format: &str) -> serde_json::Value {
    json!({"statement": "SELECT * FROM t", "save": format})
}

/// The address in the answer of a save.
fn uri(answer: &str) -> String {
    let (_, rest) = answer.split_once("sql://sales/results/").expect("an address");
    format!("sql://sales/results/{}", rest.split(' ').next().expect("its end"))
}

/// The rows as CSV, as files have them.
fn csv(rows: std::ops::Range<u64>) -> String {
    let lines: Vec<String> = rows.map(|n| format!("{n},name {n}\n")).collect();
    format!("id,name\n{}", lines.concat())
}

#[tokio::test]
async fn all_rows_are_saved_and_the_first_are_shown() {
    let (folder, sql) = world(&Fake { rows: 2_345, ..Fake::default() });
    let answer = call::<Query>(&sql, save("csv")).await;
    let uri = uri(&answer);
    let text = csv(0..2_345);
    let size = digits(text.len() as u64);
    assert_eq!(
        answer,
        format!(
            "<sql://sales>\n{}saved 2,345 rows, {size} bytes: {uri} (gone in 60 min; read it with \
             sql_result)",
            csv(0..3)
        )
    );
    let [file] = files(folder.path()).try_into().expect("one file");
    assert_eq!(fs::read_to_string(&file).expect("its text"), text);
    let mode = |path: &Path| fs::metadata(path).expect("its rights").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().expect("a folder"))), (0o600, 0o700));
}

#[tokio::test]
async fn null_stays_apart_from_empty_in_files() {
    let fake = Fake {
        rows: 2,
        row: |n| vec![None, Some(if n == 0 { String::new() } else { "a \"b\"\n\u{202e}".into() })],
        ..Fake::default()
    };
    let (folder, sql) = world(&fake);
    call::<Query>(&sql, save("csv")).await;
    let text = fs::read_to_string(&files(folder.path())[0]).expect("its text");
    assert_eq!(text, "id,name\n,\"\"\n,\"a \"\"b\"\"\n\u{202e}\"\n");
}

#[tokio::test]
async fn a_result_ends_with_its_room_and_says_so() {
    let (folder, mut sql) = world(&Fake { rows: 1_000_000, ..Fake::default() });
    let settings = SavedSettings { rows: Some(500), ..SavedSettings::default() };
    sql.results = Arc::new(Results::new(folder.path(), &settings, Some(5)));
    let answer = call::<Query>(&sql, save("csv")).await;
    assert!(answer.contains("saved 500 rows") && answer.contains("; NOT all rows"), "{answer}");
    assert!(answer.contains("(gone in 5 min;"), "{answer}");
    let mut asked = save("csv");
    asked["limit"] = json!(20);
    let answer = call::<Query>(&sql, asked).await;
    assert!(answer.contains("saved 20 rows") && !answer.contains("NOT all"), "{answer}");
    let settings = SavedSettings { megabytes: Some(1), ..SavedSettings::default() };
    sql.results = Arc::new(Results::new(folder.path(), &settings, None));
    for format in ["csv", "arrow"] {
        let answer = call::<Query>(&sql, save(format)).await;
        assert!(answer.contains("; NOT all rows"), "{answer}");
    }
    let largest =
        files(folder.path()).iter().map(|path| fs::metadata(path).expect("it").len()).max();
    let largest = largest.expect("a file");
    assert!((900_000..=1_300_000).contains(&largest), "{largest}");
}

#[tokio::test]
async fn results_share_the_room_of_all() {
    let wide = Fake {
        rows: 100_000,
        row: |n| vec![Some(n.to_string()), Some("x".repeat(100))],
        ..Fake::default()
    };
    let (folder, mut sql) = world(&wide);
    let settings = SavedSettings { total_megabytes: Some(3), ..SavedSettings::default() };
    sql.results = Arc::new(Results::new(folder.path(), &settings, None));
    assert!(call::<Query>(&sql, save("csv")).await.contains("NOT all rows"));
    let error = call::<Query>(&sql, save("csv")).await;
    assert!(error.starts_with("unavailable: saved results take all of their 3 MB"), "{error}");
    assert_eq!(*sql.results.reserved.lock().expect("no panic"), 0);
    let later = SystemTime::now() + Duration::from_hours(1);
    sql.results.sweep(later);
    assert!(files(folder.path()).is_empty());
    assert!(call::<Query>(&sql, save("csv")).await.contains("saved "));
}

#[tokio::test]
async fn nothing_is_left_of_a_call_that_fails_or_is_dropped() {
    let fails = Fake { error: Some(|| ToolError::invalid("no such table")), ..Fake::default() };
    let (folder, sql) = world(&fails);
    assert_eq!(call::<Query>(&sql, save("csv")).await, "invalid: no such table");
    assert!(files(folder.path()).is_empty());
    let hangs = Fake { hangs: true, ..Fake::default() };
    let (folder, sql) = world(&hangs);
    let caller = Caller::default();
    {
        let mut running = pin!(caller.call::<Query>(&sql, save("csv")));
        while hangs.heard.lock().expect("no panic").is_empty() {
            assert!(futures_util::poll!(&mut running).is_pending());
        }
        assert_eq!(files(folder.path()).len(), 1, "a partial file, while it runs");
    }
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn values_that_do_not_fit_their_column_leave_nothing() {
    let fake = Fake { row: |_| vec![Some("abc".into()), None], ..Fake::default() };
    let (folder, sql) = world(&fake);
    let answer = call::<Query>(&sql, save("arrow")).await;
    assert!(answer.starts_with("invalid: column `id` has a value that is no whole"), "{answer}");
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_of() {
    let (folder, sql) = world(&Fake::default());
    fs::write(folder.path().join("results"), "in the way").expect("a file");
    let answer = call::<Query>(&sql, save("csv")).await;
    assert_eq!(
        answer,
        "unavailable: the result could not be saved; nothing was kept. Ask without `save`."
    );
    let full = unwritten(io::Error::from(io::ErrorKind::StorageFull));
    assert!(full.message.contains("the disk for saved results is full; nothing was kept"));
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_is_being_written_is_not() {
    let (folder, sql) = world(&Fake::default());
    let owner = sql.results.owner("ann");
    fs::create_dir_all(&owner).expect("a folder");
    let (left, held) = (owner.join("a.0.partial"), owner.join("a.1.partial"));
    fs::write(&left, "half").expect("a file");
    let lock = File::create(&held).expect("a file");
    lock.lock().expect("a lock");
    sql.results.sweep(SystemTime::now());
    assert_eq!(files(folder.path()).len(), 2, "both may just have been made");
    let later = SystemTime::now() + FRESH;
    sql.results.sweep(later);
    assert_eq!(files(folder.path()), [held]);
    drop(lock);
    sql.results.sweep(later);
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn results_are_listed_for_their_owner_and_while_they_last() {
    let (_folder, sql) = world(&Fake::default());
    let saved = uri(&call::<Query>(&sql, save("csv")).await);
    let listed: Vec<String> =
        sql.results.of("ann").iter().map(|saved| saved.address.to_string()).collect();
    assert_eq!(listed, [saved]);
    assert_eq!(sql.results.of("bob"), []);
}

#[tokio::test]
async fn a_save_has_no_cursor() {
    let (_folder, sql) = world(&Fake::default());
    let mut args = save("csv");
    args["cursor"] = json!("{\"from\":1}");
    let answer = call::<Query>(&sql, args).await;
    assert_eq!(answer, "invalid: `save` keeps all rows; call again without `cursor`.");
}

#[tokio::test(start_paused = true)]
async fn a_long_save_says_how_far_it_is() {
    let hangs = Fake { hangs: true, ..Fake::default() };
    let (_folder, sql) = world(&hangs);
    let caller = Caller::default();
    let error = caller.call::<Query>(&sql, save("csv")).await.expect_err("a time-out");
    assert_eq!(error.kind, Kind::Timeout);
    let heard = caller.heard.lock().expect("no panic");
    assert!(heard.len() >= 5 && heard.iter().all(|line| line == "0 rows"), "{heard:?}");
}

#[test]
fn numbers_are_grouped() {
    for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(digits(number), expected);
    }
}
