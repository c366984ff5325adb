//! The statements of `honest/sqlite.txt`: all run, and are right to the last digit.

use super::*;

const HONEST: &str = include_str!("../../../../honest/sqlite.txt");
const SALES: &str = include_str!("../../../../../../samples/sales.sql");

/// A statement and the lines that it answers.
struct Case<'a> {
    statement: &'a str,
    answer: Vec<&'a str>,
}

/// The fixture and the cases of the file.
fn cases() -> (&'static str, Vec<Case<'static>>) {
    let fixture = HONEST.split("## fixture\n").nth(1).expect("a fixture");
    let fixture = fixture.split("\n\n## ").next().expect("its end");
    let cases = HONEST.split("\n## statement\n").skip(1).map(|case| {
        let (statement, answer) = case.split_once("\n## answer").expect("an answer");
        let answer = answer.trim_start_matches('\n');
        Case { statement, answer: answer.lines().take_while(|line| !line.is_empty()).collect() }
    });
    (fixture, cases.collect())
}

/// Whether two cells are the same: real numbers to the last bit, however they are laid out.
fn same(found: &str, expected: &str) -> bool {
    let is_real = |cell: &str| cell.contains(['.', 'e']);
    let bits = |cell: &str| cell.parse::<f64>().ok().map(f64::to_bits);
    found == expected
        || (is_real(found)
            && is_real(expected)
            && bits(found).is_some()
            && bits(found) == bits(expected))
}

#[tokio::test]
async fn honest_statements_run_and_are_right_to_the_last_digit() {
    let (fixture, cases) = cases();
    assert!(cases.len() >= 110, "{}", cases.len());
    let file = File::of(&format!("{SALES}\n{fixture}")).await;
    let wrong = wrong(&file.engine(), &cases).await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // With a rule that concerns none of them the catalogue alone is closed.
    let rules = rules(&["main.elsewhere"], &[]);
    let wrong = self::wrong(&file.engine_with(rules, Layers::ALL), &cases).await;
    let wrong: Vec<_> = wrong.iter().filter(|text| !text.contains("FROM sqlite_")).collect();
    assert!(wrong.is_empty(), "with rules {} are wrong:\n{wrong:?}", wrong.len());
}

/// What is not answered as it should be.
async fn wrong(engine: &Sqlite, cases: &[Case<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Case { statement, answer } in cases {
        match ask(engine, statement).await {
            Err(error) => wrong.push(format!("{statement}\n  {error}")),
            Ok(found) => {
                let mut found = found;
                for cell in found.rows.iter_mut().flatten().flatten() {
                    *cell = cell.replace('\n', "\\n");
                }
                let lines = found.lines();
                let lines: Vec<&str> = lines.lines().collect();
                let is_right = lines.len() == answer.len()
                    && lines.iter().zip(answer).all(|(found, expected)| {
                        let (found, expected): (Vec<_>, Vec<_>) =
                            (found.split('|').collect(), expected.split('|').collect());
                        found.len() == expected.len()
                            && found
                                .iter()
                                .zip(&expected)
                                .all(|(found, expected)| same(found, expected))
                    });
                if !is_right {
                    wrong.push(format!("{statement}\n  found {lines:?}\n  expected {answer:?}"));
                }
            }
        }
    }
    wrong
}
