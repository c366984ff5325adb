//! What the lexer makes of text.

use super::*;

fn check(statement: &str, expected: &str) {
    assert_eq!(lex(statement).expect("it is divided").text, expected, "{statement}");
}

fn refused(statement: &str, reason: &str) {
    let error = lex(statement).expect_err(statement);
    assert!(error.message.contains(reason), "{statement}: {error}");
}

#[test]
fn comments_are_space() {
    check("SELECT/* a */1 -- b\n+ 2 # c\n", "SELECT 1 + 2");
    check("SELECT 5--1", "SELECT 5- -1");
    check("SELECT '/* a */', `-- b`", "SELECT '/* a */', `-- b`");
    check("SELECT /* /* */ 1", "SELECT 1");
    check("SELECT /*+ MAX_EXECUTION_TIME(0) */ 1", "SELECT 1");
    refused("SELECT 1 /* b", "does not end");
}

#[test]
fn versioned_comments_are_refused() {
    for comment in ["/*!50000 x */", "/*! x */", "/*M!100000 x */", "/*!*/"] {
        refused(&format!("SELECT 1 {comment}"), "versioned comment");
    }
    check("SELECT '/*! x */'", "SELECT '/*! x */'");
}

#[test]
fn strings_are_written_one_way() {
    check(r#"SELECT "it's""#, "SELECT 'it''s'");
    check(r"SELECT 'a\'b\\'", r"SELECT 'a''b\\'");
    check(r"SELECT 'a\%\n'", r"SELECT 'a\\%\n'");
    check("SELECT 'a''b'", "SELECT 'a''b'");
    check(r#"SELECT 'a'"b""#, "SELECT 'a' 'b'");
    check(r#"SELECT x"41", x'41'"#, "SELECT x '41', x'41'");
    check("SELECT _latin1'a', N'b', b'01'", "SELECT _latin1 'a', N'b', b'01'");
    refused(r"SELECT 'a\'", "does not end");
}

#[test]
fn one_statement_at_a_time() {
    check("SELECT 1;", "SELECT 1");
    check("SELECT 1; -- done\n ;", "SELECT 1");
    check("SELECT ';'", "SELECT ';'");
    refused("SELECT 1; DROP TABLE t", "One statement at a time");
    refused("SELECT 1;;SELECT 2", "One statement at a time");
}

#[test]
fn variables_are_refused_but_for_harmless_ones() {
    check("SELECT @@version, @@SESSION.time_zone", "SELECT @@version, @@SESSION.time_zone");
    refused("SELECT @a", "user variables");
    refused("SELECT @'a'", "user variables");
    refused("SELECT a:=1", "assignments");
    refused("SELECT @@datadir", "@@datadir");
    refused("SELECT @@`version`", "@@");
}

#[test]
fn numbers_end_where_names_begin() {
    check("SELECT 1.5e-3,.5,t.a,0x1F,0b01,5.", "SELECT 1.5e-3,.5,t.a,0x1F,0b01,5.");
    refused("SELECT 1a", "between backticks");
    refused("SELECT 0xZZ", "between backticks");
    refused("SELECT 1e", "between backticks");
}

#[test]
fn odd_signs_are_refused() {
    for sign in ["\\N", "{", "}", "[", "]", ":", "\0", "\u{a0}", "\u{2028}", "😀"] {
        refused(&format!("SELECT {sign} 1"), "not part of");
    }
    check("SELECT größe FROM 表", "SELECT größe FROM 表");
}

#[test]
fn depth_and_length_are_bounded() {
    refused(&format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100)), "nested");
    refused(&format!("SELECT 1{}", "+1".repeat(3000)), "operators");
}

#[test]
fn a_span_is_where_the_token_stands() {
    let lexed = lex("SELECT  größe , `x`").expect("it is divided");
    let shown: Vec<&str> =
        lexed.tokens.iter().map(|token| &lexed.text[bytes(token.span)]).collect();
    assert_eq!(shown, ["SELECT", "größe", ",", "`x`"]);
}
