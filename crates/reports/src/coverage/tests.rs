//! Coverage of real runs and of small ones.

use super::*;
use crate::fixtures::bytes;

fn read(format: CoverageFormat, text: &[u8]) -> Result<Coverage, CoverageError> {
    coverage(format, [text], &Bounds::default())
}

/// coverage.py printed `lines-valid="57" lines-covered="54"` for the run of both files.
#[test]
fn both_formats_say_the_same_of_one_run() {
    let lcov = read(CoverageFormat::Lcov, &bytes("coverage/lcov.info")).unwrap();
    let cobertura = read(CoverageFormat::Cobertura, &bytes("coverage/cobertura.xml")).unwrap();
    assert_eq!(lcov, cobertura);
    assert_eq!((lcov.total.lines, lcov.total.lines_hit), (57, 54));
    let worst: Vec<_> =
        lcov.worst(1).iter().map(|file| (file.file.as_str(), file.missed())).collect();
    assert_eq!(worst, [("test_shop.py", 2)]);
    assert!((lcov.total.rate() - 0.9474).abs() < 0.0001);
}

#[test]
fn branches_count_and_inputs_are_put_together() {
    let first = "SF:a.c\nDA:1,0\nDA:2,3\nBRDA:1,0,0,-\nBRDA:1,0,1,2\nLF:2\nLH:1\nend_of_record\n";
    let second = "SF:a.c\nDA:1,1\nBRDA:1,0,0,1\nend_of_record\nSF:b.c\nDA:9,0\nend_of_record\n";
    let inputs = [first.as_bytes(), second.as_bytes()];
    let coverage = coverage(CoverageFormat::Lcov, inputs, &Bounds::default()).unwrap();
    let total = &coverage.total;
    assert_eq!((total.lines, total.lines_hit, total.branches, total.branches_hit), (3, 2, 2, 2));
    let xml = "<coverage><class filename='a'><lines><line number='1' hits='2' branch='true' \
               condition-coverage='50% (1/2)'/></lines></class></coverage>";
    let total = read(CoverageFormat::Cobertura, xml.as_bytes()).unwrap().total;
    assert_eq!((total.lines_hit, total.branches, total.branches_hit), (1, 2, 1));
}

#[test]
fn a_part_is_no_coverage() {
    for (format, file) in [
        (CoverageFormat::Lcov, "coverage/lcov.info"),
        (CoverageFormat::Cobertura, "coverage/cobertura.xml"),
    ] {
        let whole = bytes(file);
        for at in (0..whole.len()).step_by(7) {
            if let Ok(coverage) = read(format, &whole[..at]) {
                // Only between two records of lcov, which has no end.
                let end = whole[..at].trim_ascii_end();
                assert!(end.ends_with(b"end_of_record") || end.ends_with(b"</coverage>"), "{at}");
                assert!(coverage.total.lines <= 57);
            }
        }
    }
    for text in [
        "",
        "SF:a\nend_of_record\n",
        "SF:a\nDA:x,1\nend_of_record\n",
        "SF:a\nDA:1,1\nLF:2\nend_of_record\n",
    ] {
        assert!(read(CoverageFormat::Lcov, text.as_bytes()).is_err(), "{text}");
    }
    assert!(read(CoverageFormat::Cobertura, b"<a/>").is_err());
}

#[test]
fn lines_are_bounded() {
    let bounds = Bounds { cases: 1, ..Bounds::default() };
    let lines = (1..100).map(|line| format!("DA:{line},1")).collect::<Vec<_>>().join("\n");
    let text = format!("SF:a\n{lines}\nend_of_record\n");
    let result = coverage(CoverageFormat::Lcov, [text.as_bytes()], &bounds);
    assert!(matches!(result, Err(CoverageError::TooLarge(_))), "{result:?}");
}
