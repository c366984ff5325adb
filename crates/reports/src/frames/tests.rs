//! Traces of every language, from real runs.

use super::*;
use crate::fixtures::bytes;
use crate::format::{Format, parse};
use crate::report::Bounds;

#[track_caller]
fn check(text: &str, expected: &[(&str, u32, Option<&str>)]) {
    let is_ours = |file: &str| {
        let others =
            ["/rustc/", "/usr/", "node:", "node_modules", "site-packages", "java/", "org/junit"];
        !others.iter().any(|other| file.contains(other))
    };
    let frames = ours(text, &is_ours);
    let found: Vec<_> = frames
        .iter()
        .map(|frame| (frame.file.as_str(), frame.line, frame.function.as_deref()))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn rust() {
    let text = "thread 'second_time_lucky' (3605) panicked at tests/flaky.rs:8:9:\nthe first time\n\
                stack backtrace:\n   0: __rustc::rust_begin_unwind\n             at \
                /rustc/5980/library/std/src/panicking.rs:689:5\n   2: flaky::second_time_lucky\n  \
                           at ./tests/flaky.rs:8:10\n   3: flaky::other\n             at \
                ./tests/flaky.rs:4:23\n";
    check(
        text,
        &[
            ("tests/flaky.rs", 8, None),
            ("./tests/flaky.rs", 8, Some("flaky::second_time_lucky")),
            ("./tests/flaky.rs", 4, Some("flaky::other")),
        ],
    );
    check("thread 'main' panicked at 'no: way', src/lib.rs:10:5", &[("src/lib.rs", 10, None)]);
    check("error[E0308]: mismatched\n  --> src/lib.rs:10:5", &[("src/lib.rs", 10, None)]);
}

#[test]
fn python_and_pytest() {
    let text = "Traceback (most recent call last):\n  File \"/src/py/shop.py\", line 25, in price\n    \
                x()\n  File \"/usr/lib/python3/unittest.py\", line 3, in run\nValueError: x";
    check(text, &[("/src/py/shop.py", 25, Some("price"))]);
    check("test_shop.py:25: AssertionError\n", &[("test_shop.py", 25, None)]);
    check("test_shop.py:34: in broken\n", &[("test_shop.py", 34, Some("broken"))]);
}

#[test]
fn javascript() {
    let text = "AssertionError: x\n    at TestContext.<anonymous> (file:///src/shop.test.mjs:13:10)\n    \
                at Test.run (node:internal/test_runner/test:796:25)\n    at async \
                Promise.all (index 0)\n    at /src/a.js:1:2\n ❯ shop.test.js:9:49\n ❯ price shop.ts:2:1";
    check(
        text,
        &[
            ("/src/shop.test.mjs", 13, Some("TestContext.<anonymous>")),
            ("/src/a.js", 1, None),
            ("shop.test.js", 9, None),
            ("shop.ts", 2, Some("price")),
        ],
    );
}

#[test]
fn java_and_its_kin() {
    let text = "java.lang.IllegalStateException: no bread\n\tat shop.ShopTest.raises(ShopTest.java:19)\n\
                \tat java.base/java.util.ArrayList.forEach(ArrayList.java:1541)\n\tat \
                app//shop.oven.Oven$Door.open(Oven.kt:7)\n\tat jdk.Native(Native Method)";
    check(
        text,
        &[
            ("shop/ShopTest.java", 19, Some("shop.ShopTest.raises")),
            ("shop/oven/Oven.kt", 7, Some("shop.oven.Oven$Door.open")),
        ],
    );
}

#[test]
fn go() {
    let text = "    shop_test.go:14: two Brötchen\npanic: runtime error\n\ngoroutine 19 [running]:\n\
                panic({0x518a00, 0xc0000d0000})\n\t/usr/lib/go/src/runtime/panic.go:884 +0x212\n\
                example.org/shop/crash.TestPanics(0xc000098680?)\n\t/src/crash_test.go:9 +0x1a\n";
    check(
        text,
        &[
            ("shop_test.go", 14, None),
            ("/src/crash_test.go", 9, Some("example.org/shop/crash.TestPanics")),
        ],
    );
}

#[test]
fn c_plus_plus_and_php() {
    check("/src/shop_test.cpp:9: Failure\nExpected", &[("/src/shop_test.cpp", 9, None)]);
    check("a.c:9:3: error: x", &[("a.c", 9, None)]);
    let text = "Failed\n\n/src/php/ShopTest.php:8\n#0 /src/php/Shop.php(12): Shop->price()\n";
    check(
        text,
        &[("/src/php/ShopTest.php", 8, None), ("/src/php/Shop.php", 12, Some("Shop->price()"))],
    );
}

#[test]
fn what_is_no_place_is_none() {
    for text in
        ["at 12:30:45 it rained", "http://a.example:80", "127.0.0.1:80: x", "a: b", ":1", "x.y:0"]
    {
        check(text, &[]);
    }
}

#[test]
fn there_are_not_too_many() {
    let lines: Vec<_> = (1..1_000).map(|line| format!("at /src/a.js:{line}:1")).collect();
    let text = lines.join(
        "
",
    );
    assert_eq!(ours(&text, &|_| true).len(), MOST);
}

/// In each report of a real run, of each failure that has a place.
#[test]
fn failures_of_real_runs_have_frames() {
    for (format, file, without) in [
        (Format::Junit, "junit/nextest.xml", 1),
        (Format::Junit, "junit/pytest.xml", 1),
        (Format::Junit, "junit/node.xml", 0),
        (Format::Junit, "junit/surefire-shop.xml", 0),
        (Format::Junit, "junit/gotestsum.xml", 1),
        (Format::Junit, "junit/gtest.xml", 1),
        (Format::Junit, "junit/jest-junit.xml", 0),
        (Format::Junit, "junit/vitest.xml", 0),
        (Format::Junit, "junit/phpunit.xml", 0),
        (Format::Libtest, "libtest/libtest.json", 1),
        (Format::Libtest, "libtest/text.txt", 1),
        (Format::GoTest, "go/failed.json", 2),
        (Format::Tap, "tap/node.tap", 0),
        (Format::Pytest, "pytest/failed.txt", 1),
        (Format::Ctrf, "ctrf/jest-ctrf.json", 0),
    ] {
        let report = parse(format, [bytes(file).as_slice()], &Bounds::default());
        let is_ours = |path: &str| !path.contains("node_modules") && !path.contains("/lib/");
        let placeless: Vec<_> = report
            .failures()
            .filter(|case| {
                let why = case.failure.as_deref().unwrap();
                ours(&format!("{}\n{}", why.message, why.text), &is_ours).is_empty()
            })
            .map(|case| &case.name)
            .collect();
        assert_eq!(placeless.len(), without, "{file}: {placeless:?}");
    }
}
