//! What is taken from a message that is answered, and what never is.

use super::*;

fn of(original: &str) -> Quoted {
    Quoted::of(original.replace('\n', "\r\n").as_bytes()).expect("a message")
}

const ORIGINAL: &str = "From: \"Jane Doe\" <jane@partner.example>
Reply-To: <attacker@evil.example>
To: agent@acme.example
Cc: more@evil.example
Date: Sun, 22 Nov 2026 09:30:00 +0100
Subject: Re: AW: RE[2]: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <three@partner.example>
References: <one@acme.example>
 <two@partner.example>

Hello,\x20\x20
> earlier words

world
";

#[test]
fn a_reply_continues_the_thread() {
    let quoted = of(ORIGINAL);
    assert_eq!(quoted.message_id.as_deref(), Some("<three@partner.example>"));
    let thread = ["<one@acme.example>", "<two@partner.example>", "<three@partner.example>"];
    assert_eq!(quoted.references, thread);
    assert_eq!(quoted.subject, "Re: Grüße");
    assert_eq!(quoted.line, "On 2026-11-22 09:30 +0100, Jane Doe wrote:");
    assert_eq!(quoted.text, "Hello,\n> earlier words\n\nworld");
    assert_eq!(marked(&quoted.text), "> Hello,\n>> earlier words\n>\n> world\n");
}

#[test]
fn it_yields_no_recipients() {
    let everything = format!("{:?}", of(ORIGINAL));
    assert!(!everything.contains("evil"), "{everything}");
    assert!(!everything.contains("jane@"), "{everything}");
}

#[test]
fn subjects_get_one_mark() {
    for (subject, reply) in [
        ("x", "Re: x"),
        ("re:re: RE : x", "Re: x"),
        ("Fwd: x", "Re: Fwd: x"),
        ("Regarding: x", "Re: Regarding: x"),
        ("Antw: Sv: x", "Re: x"),
        ("Re:", "Re: (no subject)"),
        ("", "Re: (no subject)"),
        ("=?utf-8?b?QQ0KQmNjOiB4QHkuZXhhbXBsZQ==?=", "Re: A[U+000D] Bcc: x@y.example"),
        ("a\u{202e}b", "Re: a[U+202E]b"),
    ] {
        let quoted = of(&format!("From: a@b.example\nSubject: {subject}\n\nx\n"));
        assert!(inert::is_line(&quoted.subject), "{:?}", quoted.subject);
        assert_eq!(quoted.subject.replace("A Bcc", "A[U+000D] Bcc"), reply, "{subject:?}");
    }
    let long = of(&format!("From: a@b.example\nSubject: {}\n\nx\n", "x".repeat(5_000)));
    assert_eq!(long.subject.chars().count(), SUBJECT + 1);
}

#[test]
fn chains_are_bounded_and_keep_both_ends() {
    let id = |n: usize| format!("<{n}@{}.example>", "x".repeat(20));
    let many: Vec<String> = (0..500).map(id).collect();
    let quoted = of(&format!(
        "From: a@b.example\nMessage-ID: <last@b.example>\nReferences: {}\n\nx\n",
        many.join("\n ")
    ));
    assert_eq!(quoted.references.len(), CHAIN.0);
    assert_eq!(quoted.references.last().map(String::as_str), Some("<last@b.example>"));
    let long: Vec<String> =
        (0..10).map(|n| format!("<{n}{}@b.example>", "y".repeat(230))).collect();
    let quoted = of(&format!(
        "From: a@b.example\nMessage-ID: <last@b.example>\nReferences: {}\n\nx\n",
        long.join("\n ")
    ));
    let octets: usize = quoted.references.iter().map(|id| id.len() + 1).sum();
    assert!(octets <= 998 && quoted.references.len() >= 3, "{octets}");
    assert_eq!(quoted.references[0], long[0]);
    assert_eq!(quoted.references.last().map(String::as_str), Some("<last@b.example>"));
    // A loop in the thread, no References but In-Reply-To, ids that are none.
    let quoted = of("From: a@b.example\nMessage-ID: <a@b>\nReferences: <a@b> <c@d> <a@b>\n\nx\n");
    assert_eq!(quoted.references, ["<c@d>", "<a@b>"]);
    let quoted = of("From: a@b.example\nMessage-ID: <a@b>\nIn-Reply-To: <p@q>\n\nx\n");
    assert_eq!(quoted.references, ["<p@q>", "<a@b>"]);
    let quoted = of("From: a@b.example\nMessage-ID: <a\u{e9} b@c>\n\nx\n");
    assert_eq!((quoted.message_id, quoted.references), (None, Vec::new()));
}

#[test]
fn html_is_reduced_to_its_text() {
    let quoted = of("From: a@b.example\nContent-Type: text/html\n\n<html><head><style>p{}</style>\
        <script>alert(1)</script></head><body><p>Hi &amp; &lt;b&gt; <img src=\"https://evil.example/x\">\
        <a href=\"https://evil.example\">link</a></p><p>&#x202e;end</p></body></html>\n");
    assert!(quoted.text.starts_with("Hi & <b>"), "{}", quoted.text);
    assert!(quoted.text.contains("link") && !quoted.text.contains("evil"), "{}", quoted.text);
    assert!(quoted.text.contains("[U+202E]end"), "{}", quoted.text);
}

#[test]
fn plain_text_is_preferred_and_foreign_charsets_are_read() {
    let quoted = of("From: =?iso-2022-jp?b?GyRCOzNFRBsoQg==?= <y@b.example>\nMIME-Version: 1.0\n\
        Content-Type: multipart/alternative; boundary=b\n\n--b\n\
        Content-Type: text/html\n\n<p>html</p>\n--b\n\
        Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
        Gr=FC=DFe\n--b--\n");
    assert_eq!((quoted.text.as_str(), quoted.line.as_str()), ("Grüße", "山田 wrote:"));
}

#[test]
fn hostile_words_are_inert_and_bounded() {
    let quoted = of(&format!(
        "From: \"x\x1b[2J\u{202e}\" <a@b.example>\nDate: Foo, 99 Bar 2026 99:99:99 +9999\n\n\
         \x1b[31m\u{200b}a\rb\0\n{}\n",
        "line of words\n".repeat(2_000)
    ));
    assert_eq!(contract::text::visible(&quoted.text), quoted.text);
    assert!(inert::is_line(&quoted.line) && quoted.line.ends_with(" wrote:"), "{:?}", quoted.line);
    assert!(quoted.text.ends_with("…\n[…]"));
    assert!(quoted.text.chars().count() <= TEXT + 5);
    for none in ["", "\r\n\r\n", "no header here"] {
        let _ = Quoted::of(none.as_bytes());
    }
    assert!(Quoted::of(b"").is_err());
}
