//! Counts what test binaries report, while their output passes through untouched.

use std::io::{BufRead as _, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::shown;

/// The sum over all `test result:` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs a test command, shows its output, and says how many tests passed.
///
/// A run in which no test ran at all fails: a suite that silently vanished is the worst kind of
/// green.
pub(crate) fn counted(command: &mut Command, out: &mut impl Write) -> Result<String> {
    let is_nextest = command.get_args().any(|argument| argument == "nextest");
    let is_doc = command.get_args().any(|argument| argument == "--doc");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        // Bytes, not lines of text: a test may print anything.
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            out.write_all(&line)?;
            out.flush()?;
            tally.add(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed (`{}`: {status})", tally.failed, shown(command));
    }
    if is_nextest {
        return Ok(String::new());
    }
    if tally.passed == 0 && !is_doc {
        bail!("no test ran at all (`{}`)", shown(command));
    }
    Ok(tally.sentence())
}

impl Tally {
    /// Adds one line of output; all but `test result:` lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.trim_start().strip_prefix("test result: ") else { return };
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn sentence(self) -> String {
        match self.ignored {
            0 => format!("{} passed", self.passed),
            ignored => format!("{} passed, {ignored} ignored", self.passed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut tally = Tally::default();
        tally.add("running 12 tests\n");
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s\n");
        tally.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s\n");
        tally.add("test something_passed ... ok\n");
        assert_eq!(tally, Tally { passed: 15, failed: 2, ignored: 1 });
        assert_eq!(tally.sentence(), "15 passed, 1 ignored");
    }

    #[test]
    fn a_run_without_tests_fails() {
        let mut command = Command::new("true");
        let message = counted(&mut command, &mut Vec::new()).expect_err("nothing ran").to_string();
        assert!(message.contains("no test ran at all"), "{message}");
    }

    #[test]
    fn a_failing_run_says_how_many() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: FAILED. 3 passed; 2 failed; 0 ignored'; exit 101"]);
        let message = counted(&mut command, &mut Vec::new()).expect_err("failed").to_string();
        assert!(message.starts_with("2 failed"), "{message}");
    }
}
