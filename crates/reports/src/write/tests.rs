//! What is written is valid by the published schemas, and reads as what it was.

use std::collections::BTreeMap;

use super::*;
use crate::fixtures::{FIXTURES, Fixture, bytes};
use crate::format::{Format, parse};
use crate::report::{Bounds, Case, Failure, Report, Status};
use crate::xml::{Token, Xml};

const RUN: CtrfRun<'_> = CtrfRun { tool: "pytest", start: 1_000, stop: 2_000 };

fn read(fixture: &Fixture) -> Report {
    let inputs = fixture.bytes();
    parse(fixture.format, inputs.iter().map(Vec::as_slice), &Bounds::default())
}

fn junit(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    write_junit(report, &mut out).unwrap();
    out
}

fn ctrf(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    write_ctrf(report, &RUN, &mut out).unwrap();
    out
}

/// A report with everything that is hard to write.
fn hard() -> Report {
    let mut report = parse(Format::Tap, [&b"1..0\n"[..]], &Bounds::default());
    let failure = Failure {
        message: "<a> & \"b\" ']]>' \u{0}\u{1b}[31m\n\r\ttail \u{fffe}🥐".to_owned(),
        kind: "K&\"".to_owned(),
        text: "]]>\u{b}\n  <x/>".to_owned(),
        output: "\u{7}bell".to_owned(),
    };
    for (name, status, attempts) in [
        ("passed \n& \"late\"", Status::Passed, 3),
        ("failed <b>", Status::Failed, 2),
        ("", Status::Errored, 1),
        ("skipped", Status::Skipped, 1),
    ] {
        let failure = (status != Status::Skipped).then(|| Box::new(failure.clone()));
        let reason = (status == Status::Skipped).then(|| "no <till>".into());
        let case = Case::new("suite & \"co\"", name, status);
        report.cases.push(Case { attempts, failure, reason, line: Some(3), ..case });
        report.counts.add(status);
    }
    report
}

/// What is the same after a report was written and read again.
fn essence(report: &Report) -> Vec<(&str, &str, Status, u32)> {
    let mut cases: Vec<_> = report
        .cases
        .iter()
        .map(|case| (&*case.suite, case.name.trim(), case.status, case.attempts))
        .collect();
    // JUnit is written suite by suite.
    cases.sort_by_key(|case| (case.0.to_owned(), case.1.to_owned()));
    cases
}

#[test]
fn reports_read_as_what_they_were() {
    for fixture in FIXTURES {
        let report = read(fixture);
        for (format, written) in [(Format::Junit, junit(&report)), (Format::Ctrf, ctrf(&report))] {
            let again = parse(format, [written.as_slice()], &Bounds::default());
            // pytest does not name what passed, so the list is shorter than the counts.
            if report.unnamed > 0 {
                assert!(!again.faults.is_empty(), "{:?}", fixture.files);
                continue;
            }
            assert_eq!(again.faults, [], "{:?} {format}", fixture.files);
            let named =
                report.cases.iter().all(|case| !case.suite.is_empty() || format == Format::Junit);
            let has_file = report.cases.iter().any(|case| case.file.is_some());
            if named || !has_file {
                assert_eq!(essence(&again), essence(&report), "{:?} {format}", fixture.files);
            }
            assert_eq!(again.counts, report.counts, "{:?} {format}", fixture.files);
        }
    }
}

#[test]
fn failures_read_as_what_they_were() {
    let report = hard();
    let again = parse(Format::Ctrf, [ctrf(&report).as_slice()], &Bounds::default());
    let failure = again.failures().next().and_then(|case| case.failure.clone()).unwrap();
    assert_eq!(
        Some(failure.message),
        report.cases[1].failure.as_ref().map(|why| why.message.clone())
    );
    let again = parse(Format::Junit, [junit(&report).as_slice()], &Bounds::default());
    assert_eq!((&again.faults[..], again.counts.failing()), (&[][..], 2));
    let failure = again.failures().next().and_then(|case| case.failure.clone()).unwrap();
    assert_eq!(failure.message, "<a> & \"b\" ']]>' \u{fffd}\u{fffd}[31m\n\r\ttail \u{fffd}🥐");
    assert_eq!(failure.text, "]]>\u{fffd}\n  <x/>");
}

#[test]
fn ctrf_is_valid_by_its_schema() {
    let schema = serde_json::from_slice(&bytes("ctrf/ctrf-schema-0.0.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in FIXTURES.iter().map(read).chain([hard()]) {
        let document = serde_json::from_slice(&ctrf(&report)).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

/// What the schema allows of an element.
#[derive(Default)]
struct Allowed {
    /// Each attribute, and whether it must be there.
    attributes: BTreeMap<String, bool>,
    children: Vec<String>,
}

/// The elements of `junit-10.xsd`: those of its top and the type of a rerun.
fn schema() -> BTreeMap<String, Allowed> {
    let text = bytes("junit-10.xsd");
    let mut xml = Xml::new(text.as_slice(), 10_000, 50);
    let mut schema: BTreeMap<String, Allowed> = BTreeMap::new();
    let mut of_type = BTreeMap::new();
    let mut top = String::new();
    while let Ok(token) = xml.next() {
        match token {
            Token::Start(element) if xml.depth() == 2 => {
                top = element.get("name").unwrap_or_default().to_owned();
                schema.entry(top.clone()).or_default();
                if let Some(name) = element.get("type") {
                    of_type.insert(top.clone(), name.to_owned());
                }
            }
            Token::Start(element) => {
                let Some(allowed) = schema.get_mut(&top) else { continue };
                let name =
                    element.get("ref").or(element.get("name")).unwrap_or_default().to_owned();
                match element.name.as_str() {
                    "attribute" => {
                        allowed.attributes.insert(name, element.get("use") == Some("required"));
                    }
                    "element" => allowed.children.push(name),
                    _ => {}
                }
            }
            Token::Eof => break,
            _ => {}
        }
    }
    for (element, name) in of_type {
        if let Some(allowed) = schema.remove(&name) {
            schema.insert(
                element,
                Allowed {
                    attributes: allowed.attributes.clone(),
                    children: allowed.children.clone(),
                },
            );
            schema.insert(name, allowed);
        }
    }
    schema
}

#[test]
fn junit_is_valid_by_the_schema_of_jenkins() {
    let schema = schema();
    for report in FIXTURES.iter().map(read).chain([hard()]) {
        let written = junit(&report);
        let mut xml = Xml::new(written.as_slice(), 1 << 20, 50);
        let mut open: Vec<String> = Vec::new();
        loop {
            match xml.next().map_err(|broken| broken.detail).unwrap() {
                Token::Start(element) => {
                    let allowed = &schema[&element.name];
                    for (name, is_required) in &allowed.attributes {
                        assert!(!is_required || element.get(name).is_some(), "{name}");
                    }
                    for name in element.names() {
                        assert!(allowed.attributes.contains_key(name), "{}: {name}", element.name);
                    }
                    if let Some(parent) = open.last() {
                        assert!(
                            schema[parent].children.contains(&element.name),
                            "{}",
                            element.name
                        );
                    }
                    open.push(element.name);
                }
                Token::End => drop(open.pop()),
                Token::Eof => break,
                Token::Text(_) | Token::Comment(_) => {}
            }
        }
    }
}
