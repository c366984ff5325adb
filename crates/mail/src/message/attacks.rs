//! Attacks on every field of a letter: each is refused with a message that is safe to show, or it
//! leaves as harmless text, in the bytes, in the envelope and in what a person is shown.

use super::scan::Scanned;
use super::tests::{addresses, file, letter};
use super::*;
use crate::inert;
use crate::view::View;
use contract::text::visible;
use mail_parser::{MessageParser, MimeHeaders as _};

/// Texts that end a field, a header or a part, or that are seen otherwise than they are.
const ATTACKS: &[&str] = &[
    "x\r\nBcc: evil@evil.example",
    "x\nBcc: evil@evil.example",
    "x\rBcc: evil@evil.example",
    "x\r\n\r\n<script>alert(1)</script>",
    "x\r\n Bcc: evil@evil.example",
    "x\r\n.\r\nMAIL FROM:<evil@evil.example>",
    "x\u{85}Bcc: evil@evil.example",
    "x\u{2028}Bcc: evil@evil.example",
    "x\0y",
    "x\u{b}y\u{c}z",
    "x\ty",
    "\x1b[2J\x1b]0;title\x07x",
    "\u{9b}31mx",
    "\u{202e}gpj.exe",
    "x\u{2066}y\u{2069}",
    "x\u{200b}y\u{feff}",
    "x\u{e0049}\u{e0047}",
    "=?utf-8?q?x=0D=0ABcc:_evil=40evil.example?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQGV2aWwuZXhhbXBsZQ==?=",
    "=?utf-7?q?+AA0-?=",
    "--=_0123456789abcdef",
    "--boundary--",
    "\"; boundary=\"x",
    "x; filename=y.exe",
    "x\" <evil@evil.example>, \"",
    "x (comment) <evil@evil.example>",
    "evil@evil.example",
    "x, evil@evil.example;",
    "x\\\" evil",
    "%0d%0aBcc:%20evil@evil.example",
    "{{subject}} ${jndi:ldap://evil.example} $(id) `id`",
    "../../etc/passwd",
    "C:\\Windows\\x.exe",
    "\\\\evil.example\\share\\x",
    "utf-8''x%2Fy",
    "x%2Fy",
    "CON",
    "nul.txt",
    ".bashrc",
    "x.exe ",
    "x\u{2044}y",
    "https://evil.example/?q=x",
    "<img src=https://evil.example/p.gif>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "From evil@evil.example Thu Jan  1 00:00:00 1970",
    "begin 644 x.exe",
    ".",
];

/// Everything that must hold of a message that was built.
fn check(letter: &Letter, attack: &str) {
    let built = match Built::of(letter) {
        Ok(built) => built,
        Err(why) => {
            assert!(inert::is_line(&why) && why.len() > 15, "{attack:?}: {why:?}");
            return;
        }
    };
    // The envelope is the addresses of the letter and no other.
    let mut expected: Vec<String> = Vec::new();
    for address in [&letter.to, &letter.cc, &letter.bcc].into_iter().flatten() {
        if !expected.contains(&address.addr()) {
            expected.push(address.addr());
        }
    }
    assert_eq!(built.envelope.to, expected, "{attack:?}");
    for bytes in [&built.draft, &built.sent] {
        let scanned = Scanned::of(bytes);
        assert_eq!(scanned.addresses("To"), addrs(&letter.to), "{attack:?}");
        assert_eq!(scanned.addresses("Cc"), addrs(&letter.cc), "{attack:?}");
        assert_eq!(scanned.frame().len(), frame(letter), "{attack:?}");
        check_parts(bytes, letter, attack);
        check_view(&View::of(bytes), letter, attack);
    }
    assert_eq!(Scanned::of(&built.sent).addresses("Bcc"), Vec::<String>::new(), "{attack:?}");
    assert_eq!(Scanned::of(&built.draft).addresses("Bcc"), addrs(&letter.bcc), "{attack:?}");
}

/// The parts are those of the letter, as another parser finds them.
fn check_parts(bytes: &[u8], letter: &Letter, attack: &str) {
    let message = MessageParser::default().parse(bytes).expect("a message");
    assert_eq!(message.attachment_count(), letter.attachments.len(), "{attack:?}");
    assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1), "{attack:?}");
    let texts = [message.body_text(0), message.body_html(0)].map(Option::unwrap_or_default);
    for text in texts.map(|text| text.replace("\r\n", "\n")) {
        assert_eq!(visible(&text), text, "{attack:?}");
    }
    for (part, file) in message.attachments().zip(&letter.attachments) {
        assert_eq!(part.attachment_name(), Some(file.name.as_str()));
        assert_eq!(part.contents(), &file.bytes[..], "{attack:?}");
    }
}

fn check_view(view: &View, letter: &Letter, attack: &str) {
    let lines = [&view.from, &view.reply_to, &view.to, &view.cc, &view.bcc].into_iter().flatten();
    for line in lines.chain([&view.subject, &view.date]) {
        assert!(inert::is_line(line), "{attack:?}: {line:?}");
    }
    assert_eq!(visible(&view.text), view.text, "{attack:?}");
    assert_eq!(view.to, letter.to.iter().map(Address::shown).collect::<Vec<_>>(), "{attack:?}");
    assert_eq!(view.cc, letter.cc.iter().map(Address::shown).collect::<Vec<_>>(), "{attack:?}");
    assert_eq!(view.defects, Vec::<String>::new(), "{attack:?}");
}

fn addrs(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(Address::addr).collect()
}

/// How many lines of the frame there are: one before each part and one at the end.
fn frame(letter: &Letter) -> usize {
    match letter.attachments.len() {
        0 => 3,
        files => 3 + 1 + files + 1,
    }
}

fn base() -> Letter {
    Letter {
        bcc: addresses(&["audit@acme.example"]),
        attachments: vec![file("a.txt", "text/plain", b"--=_x--\r\n.\r\nBcc: x\r\n")],
        ..letter()
    }
}

#[test]
fn text_stays_text() {
    let lines = "y".repeat(10_000);
    let many = "z\n".repeat(10_000);
    for attack in ATTACKS.iter().copied().chain([lines.as_str(), many.as_str()]) {
        check(&Letter { markdown: attack.into(), ..base() }, attack);
        check(&Letter { signature: Some(attack.into()), ..base() }, attack);
        let quoted =
            Quoted { line: inert::line(attack), text: visible(attack).into(), ..Quoted::default() };
        check(&Letter { quoted: Some(quoted), ..base() }, attack);
        let body = file("a.txt", "text/plain", attack.as_bytes());
        check(&Letter { attachments: vec![body], ..base() }, attack);
        let built = Built::of(&Letter { markdown: attack.into(), ..base() }).expect("a message");
        let text = View::of(&built.sent).text.replace("\r\n", "\n");
        assert_eq!(text.trim_end(), visible(attack).trim_end(), "{attack:?}");
    }
}

#[test]
fn boundaries_cannot_be_guessed_into_a_part() {
    let built = Built::of(&base()).expect("a message");
    let scanned = Scanned::of(&built.draft);
    let frame = scanned.frame().join("\r\n");
    for text in [frame.clone(), format!("\r\n{frame}\r\nContent-Type: text/html\r\n\r\n<p>x")] {
        let quoted = Quoted { line: "x".into(), text: visible(&text).into(), ..Quoted::default() };
        let letter = Letter {
            markdown: text.clone(),
            signature: Some(text.clone()),
            quoted: Some(quoted),
            attachments: vec![file("a.txt", "text/plain", text.as_bytes())],
            ..base()
        };
        check(&letter, &text);
    }
}

#[test]
fn fields_take_one_plain_line() {
    for &attack in ATTACKS {
        check(&Letter { subject: attack.into(), ..base() }, attack);
        check(&Letter { message_id: attack.into(), ..base() }, attack);
        check(&Letter { message_id: format!("<{attack}>"), ..base() }, attack);
        check(&Letter { in_reply_to: vec![attack.into()], ..base() }, attack);
        check(&Letter { references: vec![format!("<{attack}@x>")], ..base() }, attack);
        check(&Letter { marker: attack.into(), ..base() }, attack);
        let is_plain = inert::is_line(attack);
        let subject = Letter { subject: attack.into(), ..base() };
        assert_eq!(Built::of(&subject).is_ok(), is_plain, "{attack:?}");
    }
}

#[test]
fn names_of_files_and_their_types_are_plain() {
    for &attack in ATTACKS {
        for name in [attack.to_owned(), format!("{attack}.txt"), format!("a{attack}")] {
            check(&Letter { attachments: vec![file(&name, "text/plain", b"x")], ..base() }, attack);
        }
        for mime in
            [attack.to_owned(), format!("text/{attack}"), format!("text/plain; name={attack}")]
        {
            check(&Letter { attachments: vec![file("a", &mime, b"x")], ..base() }, attack);
        }
    }
    for (name, why) in [
        ("../../x", "/"),
        ("C:\\x", "\\"),
        ("..", "begins with"),
        ("a\"b", "\""),
        ("a%2fb", "encoded"),
        ("=?utf-8?q?..=2Fx?=", "?"),
        ("utf-8''x", "encoded"),
        ("a\r\nb", "control"),
        ("\u{202e}fdp.exe", "hidden"),
        ("aux.pdf", "device"),
        ("com1", "device"),
        ("", "1 to 200"),
        (&"n".repeat(201), "1 to 200"),
    ] {
        let letter = Letter { attachments: vec![file(name, "text/plain", b"x")], ..base() };
        let message = Built::of(&letter).expect_err(name);
        assert!(message.contains(why) && message.contains("name"), "{name:?}: {message}");
    }
    for name in [
        "Bericht 2026 (final), 100% – März.pdf",
        "O'Neil; a=b.txt",
        "日本語.txt",
        "a[1]{2}.x",
        &"n".repeat(200),
        &"ü".repeat(100),
    ] {
        let letter = Letter { attachments: vec![file(name, "text/plain", b"x")], ..base() };
        let built = Built::of(&letter).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(View::of(&built.sent).attachments[0].name, name);
        check(&letter, name);
    }
    for mime in
        ["message/rfc822", "Multipart/mixed", "text", "text/", "/", "text/plain/x", "text /x"]
    {
        let letter = Letter { attachments: vec![file("a", mime, b"x")], ..base() };
        assert!(Built::of(&letter).is_err(), "{mime}");
    }
}

#[test]
fn addresses_are_refused_or_exact() {
    for &attack in ATTACKS {
        for text in [
            attack.to_owned(),
            format!("{attack} <jane@acme.example>"),
            format!("\"{attack}\" <jane@acme.example>"),
            format!("jane{attack}@acme.example"),
            format!("jane@acme.example{attack}"),
            format!("jane@{attack}.acme.example"),
        ] {
            let address = match Address::parse(&text) {
                Ok(address) => address,
                Err(why) => {
                    assert!(inert::is_line(&why) && why.contains("refused"), "{why:?}");
                    continue;
                }
            };
            let one = || address.clone();
            check(&Letter { to: vec![one()], ..base() }, &text);
            check(&Letter { cc: vec![one()], ..base() }, &text);
            check(&Letter { bcc: vec![one()], ..base() }, &text);
            check(&Letter { from: one(), reply_to: Some(one()), ..base() }, &text);
        }
    }
}

#[test]
fn a_hostile_original_changes_nothing_but_the_quotation() {
    for &attack in ATTACKS {
        let original = format!(
            "From: \"{attack}\" <a@b.example>\r\nReply-To: evil@evil.example\r\nSubject: {attack}\r\n\
             Message-ID: <{attack}>\r\nReferences: {attack} <x@y>\r\n\r\n{attack}\r\n"
        );
        let quoted = Quoted::of(original.as_bytes()).expect("a message");
        let letter = Letter {
            subject: quoted.subject.clone(),
            in_reply_to: quoted.message_id.clone().into_iter().collect(),
            references: quoted.references.clone(),
            quoted: Some(quoted),
            ..base()
        };
        assert!(Built::of(&letter).is_ok(), "{attack:?}: {:?}", Built::of(&letter).err());
        check(&letter, attack);
    }
}
