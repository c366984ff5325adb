//! Addresses by every trick that another parser might fall for.

use super::*;

fn parsed(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn allowed(patterns: &[&str]) -> Allowed {
    let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
    Allowed::new(&patterns).expect("patterns")
}

#[test]
fn ordinary_addresses_are_read() {
    for (text, name, addr, shown) in [
        ("a@b.example", None, "a@b.example", "a@b.example"),
        (" Jane.Doe+x@B.Example ", None, "Jane.Doe+x@b.example", "Jane.Doe+x@b.example"),
        ("<a@b.example>", None, "a@b.example", "a@b.example"),
        (
            "Jane Q. Doe <j@b.example>",
            Some("Jane Q. Doe"),
            "j@b.example",
            "Jane Q. Doe <j@b.example>",
        ),
        (
            "\"Doe, Jane (QA)\" <j@b.example>",
            Some("Doe, Jane (QA)"),
            "j@b.example",
            "\"Doe, Jane (QA)\" <j@b.example>",
        ),
        (
            "Jürgen Weiß <j@Müller.example>",
            Some("Jürgen Weiß"),
            "j@xn--mller-kva.example",
            "Jürgen Weiß <j@müller.example (xn--mller-kva.example)>",
        ),
        (
            "j@XN--MLLER-KVA.example",
            None,
            "j@xn--mller-kva.example",
            "j@müller.example (xn--mller-kva.example)",
        ),
        ("o'neil_&~#=1@b.example", None, "o'neil_&~#=1@b.example", "o'neil_&~#=1@b.example"),
        ("Сергей <s@пример.испытание>", Some("Сергей"), "s@xn--e1afmkfd.xn--80akhbyknj4f", ""),
    ] {
        let address = parsed(text);
        assert_eq!((address.name(), address.addr().as_str()), (name, addr), "{text}");
        assert!(shown.is_empty() || address.shown() == shown, "{text}: {}", address.shown());
        assert_eq!(parsed(&address.to_string()), address, "{text}");
    }
}

#[test]
fn whatever_reads_in_two_ways_is_refused_and_says_why() {
    let long = format!("{}@b.example", "a".repeat(65));
    let whole = format!("{}@{}.example", "a".repeat(64), ["b".repeat(60).as_str(); 3].join("."));
    let deep = format!("a@{}example", "abcdefgh.".repeat(30));
    for (text, why) in [
        ("", "missing"),
        ("a", "name@domain"),
        ("a@b@c.example", "one @"),
        ("a@b.example, c@d.example", "several"),
        ("a@b.example c@d.example", "domain"),
        ("a@b.example;c@d.example", "several"),
        ("<a@b.example><c@d.example>", "several"),
        ("A <a@b.example>, B <c@d.example>", "several"),
        ("A <a@b.example> <c@d.example>", "several"),
        ("<a@b.example", "one mailbox"),
        ("<<a@b.example>>", "several"),
        ("friends: a@b.example, c@d.example;", "group"),
        ("undisclosed-recipients:;", "group"),
        ("friends: <a@b.example>", "group"),
        ("(hello) a@b.example", "comment"),
        ("a(x)@b.example", "comment"),
        ("a@b.example (boss@acme.example)", "comment"),
        ("Jane (QA) <j@b.example>", "comment"),
        ("\"a b\"@b.example", "quoted"),
        ("\"a@evil.example\"@b.example", "quoted"),
        ("x <\"a\"@b.example>", "quoted"),
        ("@relay.example:a@b.example", "route"),
        ("<@relay.example,@two.example:a@b.example>", "several"),
        ("a%b.example@relay.example", "routes"),
        ("b.example!a@relay.example", "routes"),
        ("=?utf-8?q?a=40evil.example?= <a@b.example>", "encoded word"),
        ("=?utf-8?q?a?=@b.example", "encoded word"),
        ("a@[127.0.0.1]", "number"),
        ("a@127.0.0.1", "number"),
        ("a@localhost", "single word"),
        ("a@b.example.", "dot too many"),
        ("a@.b.example", "dot too many"),
        ("a@b..example", "not a valid"),
        ("a@-b.example", "not a valid"),
        ("a@b_c.example", "not a valid"),
        ("a@xn--zzzzzz\u{e9}.example", "not a valid"),
        ("a@xn--a.example", "not a valid"),
        (".a@b.example", "dot too many"),
        ("a.@b.example", "dot too many"),
        ("a..b@b.example", "dot too many"),
        ("@b.example", "1 to 64"),
        (&long, "1 to 64"),
        (&deep, "not a valid"),
        (&whole, "254"),
        ("a b@c.example", "letters, digits"),
        ("ü@b.example", "ASCII"),
        ("-f@b.example", "hyphen"),
        ("|sh@b.example", "letters, digits"),
        ("*@b.example", "letters, digits"),
        ("a/c=us@b.example", "letters, digits"),
        ("a@b.example\r\nBcc: c@d.example", "control"),
        ("a\r\n <b@c.example>", "control"),
        ("a\n@b.example", "control"),
        ("a\t<a@b.example>", "control"),
        ("a\0@b.example", "control"),
        ("\x1b[2Ja <a@b.example>", "control"),
        ("a\u{200b}@b.example", "control"),
        ("a\u{202e} <a@b.example>", "control"),
        ("a@b\u{ad}c.example", "control"),
        ("a@ｂ.example", "write b.example"),
        ("a@b。example", "unusual"),
        ("a\u{a0}b <a@b.example>", "space"),
        ("a\"b <a@b.example>", "quotes"),
        ("a\\b <a@b.example>", "quotes"),
        ("\"a\\\" <x@y.example>, \" <a@b.example>", "quotes, brackets"),
        ("boss@acme.example <a@b.example>", "address in its name"),
    ] {
        let message = Address::parse(text).expect_err(text);
        assert!(message.contains(why), "{text:?}: {message}");
        assert!(inert::is_line(&message), "{message:?}");
    }
    assert!(Address::parse(&"a".repeat(10_000)).is_err());
    assert!(Address::parse(&format!("{} <a@b.example>", "n".repeat(101))).is_err());
}

#[test]
fn only_declared_recipients_are_allowed() {
    let list = allowed(&["Boss@acme.example", "*@müller.example", "*@*.corp.example"]);
    for yes in [
        "boss@acme.example",
        "BOSS@ACME.example",
        "x@xn--mller-kva.example",
        "x@MÜLLER.example",
        "x@a.corp.example",
        "x@a.b.corp.example",
    ] {
        assert_eq!(list.check(&parsed(yes)), Ok(()), "{yes}");
    }
    for no in [
        "boss2@acme.example",
        "boss@x.acme.example",
        "x@mueller.example",
        "x@a.müller.example",
        "x@corp.example",
        "x@xcorp.example",
        "x@a.corp.example.org",
    ] {
        assert!(list.check(&parsed(no)).is_err(), "{no}");
    }
    assert!(!Allowed::default().allows(&parsed("boss@acme.example")), "empty means nobody");
    assert!(!allowed(&[]).allows(&parsed("boss@acme.example")), "empty means nobody");
}

#[test]
fn patterns_that_mean_everybody_are_refused() {
    for bad in [
        "*",
        "*@*",
        "*@",
        "@acme.example",
        "*@*.com",
        "*@example",
        "b*@acme.example",
        "*@a*.example",
        "*@*.*.example",
        "acme.example",
        "Boss <boss@acme.example>",
        "",
        "*@acme.example\n",
    ] {
        let result = Allowed::new(&[bad.trim_end_matches(' ').to_owned()]);
        if bad.ends_with('\n') {
            assert!(result.is_ok(), "a line end around a pattern is no part of it");
        } else {
            assert!(result.is_err(), "{bad:?}");
        }
    }
}

#[test]
fn look_alikes_are_refused_even_where_a_pattern_covers_them() {
    let own = ["*@acme.example", "boss@modern-mail.example", "*@paypal.example", "*@*.test"];
    // `*@*.test` is no pattern on its own: one label.
    assert!(Allowed::new(&own.map(str::to_owned)).is_err());
    let list = allowed(&[
        "*@acme.example",
        "boss@modern-mail.example",
        "*@*.wide.example",
        "*@paypal.example",
        "*@tools.wide.example",
        "*@patient-records.example",
    ]);
    for (text, why) in [
        ("x@аcme.example", "mixes scripts"),
        ("x@xn--cme-5cd.example", "mixes scripts"),
        ("x@аррӏе.wide.example", "only looks like"),
        ("x@acrne.example", "resembles acme.example"),
        ("x@ac-me.example", "resembles acme.example"),
        ("x@acmé.example", "resembles acme.example"),
        ("x@mail.acrne.example", "resembles acme.example"),
        ("x@rnodern-mail.example", "resembles"),
        ("x@modern.mail.example", "resembles"),
        ("x@modernmail.example", "resembles"),
        ("x@m0dern-mail.example", "resembles"),
        ("x@paypa1.example", "resembles paypal.example"),
        ("x@paypai.example", "resembles paypal.example"),
        ("x@acme.example.evil.wide.example", "resembles acme.example"),
        ("x@acme-example.wide.example", "resembles acme.example"),
        ("x@login-acme.example", "resembles acme.example"),
        ("x@to0ls.vvide.example", "resembles wide.example"),
        ("x@patient-recorcls.example", "resembles patient-records.example"),
        ("x@to0ls.wide.example", "resembles tools.wide.example"),
        ("x@acme∕x.wide.example", "letters that names do not have"),
        ("x@ǃacme.wide.example", "letters that names do not have"),
    ] {
        let Ok(address) = Address::parse(text) else { continue };
        let found = suspicion(&address, &list).unwrap_or_else(|| panic!("{text}"));
        assert!(found.contains(why), "{text}: {found}");
        assert!(list.check(&address).is_err(), "{text}");
    }
    for fine in [
        "x@acme.example",
        "x@paypal.example",
        "boss@modern-mail.example",
        "x@büro.wide.example",
        "x@日本.wide.example",
        "x@tools.wide.example",
        "x@a.tools.wide.example",
        "x@привет.wide.example",
    ] {
        assert_eq!(suspicion(&parsed(fine), &list), None, "{fine}");
        assert_eq!(list.check(&parsed(fine)), Ok(()), "{fine}");
    }
    // Who declares a strange domain letter by letter means it.
    let strange = allowed(&["*@аррӏе.example", "*@apple.example"]);
    assert_eq!(strange.check(&parsed("x@аррӏе.example")), Ok(()));
    assert!(suspicion(&parsed("x@аррlе.example"), &strange).is_some());
}

#[test]
fn names_that_speak_for_another_address_are_refused() {
    let list = allowed(&["*@acme.example", "*@partner.example"]);
    for (text, why) in [
        ("\"boss@acme.example\" <x@partner.example>", "another address"),
        ("\"boss@acme.example via\" <boss@acme.example>", "another address"),
        ("\"boss＠acme.example\" <x@partner.example>", "another address"),
        ("Boss acme.example <x@partner.example>", "holds `acme.example`"),
        ("Boss (acrne.example) <x@partner.example>", ""),
        ("\"Boss (ACRNE.example)\" <x@partner.example>", "its domain is partner.example"),
        ("Аlice <x@acme.example>", "mixes scripts"),
        ("𝐀lice <x@acme.example>", "rare letters"),
    ] {
        let Ok(address) = Address::parse(text) else { continue };
        let found = suspicion(&address, &list).unwrap_or_else(|| panic!("{text}"));
        assert!(found.contains(why), "{text}: {found}");
    }
    for fine in [
        "\"x@acme.example\" <x@acme.example>",
        "Jürgen Weiß-Ölçer <x@acme.example>",
        "Сергей Иванов <x@acme.example>",
        "山田Taro <x@acme.example>",
        "Acme Team 2 🚀 <x@acme.example>",
        "Dr. Anna v. Berg <x@acme.example>",
        "acme.example <x@acme.example>",
    ] {
        assert_eq!(suspicion(&parsed(fine), &list), None, "{fine}");
    }
}
