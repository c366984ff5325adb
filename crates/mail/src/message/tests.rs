//! Messages as they leave: the same each time, and the envelope nothing but what was asked for.

use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders as _};

use super::scan::Scanned;
use super::*;
use crate::view::View;

pub(super) fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| Address::parse(text).expect("an address")).collect()
}

pub(super) fn file(name: &str, mime: &str, bytes: &[u8]) -> Attachment {
    Attachment { name: name.into(), mime: mime.into(), bytes: Bytes::copy_from_slice(bytes) }
}

pub(super) fn letter() -> Letter {
    Letter {
        from: addresses(&["Assistant <agent@acme.example>"]).remove(0),
        reply_to: None,
        to: addresses(&["Jane Doe <jane@acme.example>", "joe@partner.example"]),
        cc: addresses(&["\"Weiß, Jürgen\" <j@müller.example>"]),
        bcc: Vec::new(),
        subject: "Numbers for März".into(),
        markdown: "Hello **Jane**,\n\nsee https://acme.example/x.\n".into(),
        quoted: None,
        signature: None,
        attachments: Vec::new(),
        date: SystemTime::UNIX_EPOCH + Duration::from_hours(500_000),
        message_id: "<0123456789abcdef@acme.example>".into(),
        marker: "0123456789abcdef0123456789abcdef".into(),
        in_reply_to: Vec::new(),
        references: Vec::new(),
    }
}

/// Everything a letter can have.
fn full() -> Letter {
    Letter {
        reply_to: addresses(&["desk@acme.example"]).pop(),
        bcc: addresses(&["Audit <audit@acme.example>", "joe@partner.example"]),
        signature: Some("Jane Doe\nAcme".into()),
        quoted: Some(Quoted {
            line: "On 2026-11-22 09:30 +0100, Bob wrote:".into(),
            text: "When?\n\n> Soon".into(),
            ..Quoted::default()
        }),
        attachments: vec![
            file("Bericht März.pdf", "application/pdf", &[0, 1, 2, 255]),
            file("empty.txt", "text/plain", b""),
            file("x.bin", "application/octet-stream", &[b'x'; 10_000]),
        ],
        in_reply_to: vec!["<b@x.example>".into()],
        references: vec!["<a@x.example>".into(), "<b@x.example>".into()],
        ..letter()
    }
}

fn built(letter: &Letter) -> Built {
    Built::of(letter).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    for letter in [letter(), full()] {
        let (one, two) = (built(&letter), built(&letter.clone()));
        assert_eq!((&one.draft, &one.sent, one.digest()), (&two.draft, &two.sent, two.digest()));
    }
}

#[test]
fn every_octet_is_fit_for_the_wire() {
    for letter in [letter(), full()] {
        let built = built(&letter);
        for bytes in [&built.draft, &built.sent] {
            let scanned = Scanned::of(bytes);
            assert_eq!(scanned.field("MIME-Version"), Some("1.0"));
            assert_eq!(scanned.field(MARKER), Some("0123456789abcdef0123456789abcdef"));
            assert_eq!(View::of(bytes).defects, Vec::<String>::new());
        }
    }
}

#[test]
fn the_header_has_these_fields_and_no_others() {
    let scanned = Scanned::of(&built(&full()).draft);
    let expected = [
        "Date",
        "From",
        "Reply-To",
        "To",
        "Cc",
        "Bcc",
        "Subject",
        "Message-ID",
        "In-Reply-To",
        "References",
        MARKER,
        "MIME-Version",
        "Content-Type",
    ];
    assert_eq!(scanned.names(), expected);
    assert_eq!(scanned.field("Date"), Some("Fri, 15 Jan 2027 08:00:00 +0000"));
    assert_eq!(scanned.field("References"), Some("<a@x.example> <b@x.example>"));
    assert_eq!(scanned.field("Message-ID"), Some("<0123456789abcdef@acme.example>"));
}

#[test]
fn what_is_sent_is_the_draft_without_its_bcc() {
    let built = built(&full());
    let draft = std::str::from_utf8(&built.draft).expect("ASCII");
    let at = draft.find("\r\nBcc: ").expect("a field") + 2;
    let mut end = at;
    for line in draft[at..].split_inclusive("\r\n") {
        if end > at && !line.starts_with(' ') {
            break;
        }
        end += line.len();
    }
    let without = format!("{}{}", &draft[..at], &draft[end..]);
    assert_eq!(built.sent, without.as_bytes());
    let sent = String::from_utf8_lossy(&built.sent).to_ascii_lowercase();
    assert!(!sent.contains("bcc") && !sent.contains("audit"), "{sent}");
    let scanned = Scanned::of(&built.sent);
    assert_eq!(scanned.addresses("Bcc"), Vec::<String>::new());
    assert_eq!(
        Scanned::of(&built.draft).addresses("Bcc"),
        ["audit@acme.example", "joe@partner.example"]
    );
}

#[test]
fn a_letter_without_bcc_is_sent_as_it_was_drafted() {
    let built = built(&letter());
    assert_eq!(built.draft, built.sent);
    assert_eq!(built.draft.as_ptr(), built.sent.as_ptr(), "one copy");
}

#[test]
fn the_envelope_is_exactly_the_recipients() {
    let envelope = built(&full()).envelope;
    assert_eq!(envelope.from, "agent@acme.example");
    let expected = [
        "jane@acme.example",
        "joe@partner.example",
        "j@xn--mller-kva.example",
        "audit@acme.example",
    ];
    assert_eq!(envelope.to, expected);
}

#[test]
fn hashes_are_of_what_they_say() {
    let built = built(&full());
    let (draft, sent) = (Sha256::digest(&built.draft), Sha256::digest(&built.sent));
    assert_eq!(built.sent_sha256(), hex(&sent));
    assert_eq!(built.digest(), hex(&built.envelope.digest(&draft, &sent)));
}

/// One change of a letter.
type Change = fn(&mut Letter);

#[test]
fn the_digest_changes_with_everything() {
    let changes: [Change; 14] = [
        |one| one.from = addresses(&["Assistant <agent2@acme.example>"]).remove(0),
        |one| one.from = addresses(&["agent@acme.example"]).remove(0),
        |one| one.reply_to = None,
        |one| one.to.swap(0, 1),
        |one| drop(one.to.pop()),
        |one| drop(one.cc.pop()),
        |one| drop(one.bcc.pop()),
        |one| std::mem::swap(&mut one.cc, &mut one.bcc),
        |one| one.subject.push('.'),
        |one| one.markdown.insert(0, '.'),
        |one| one.date += Duration::from_secs(1),
        |one| one.marker = "1".repeat(32),
        |one| one.attachments[0].bytes = Bytes::from_static(&[0, 1, 3, 255]),
        |one| one.signature = None,
    ];
    let mut seen = vec![built(&full()).digest().to_owned()];
    for (at, change) in changes.into_iter().enumerate() {
        let mut letter = full();
        change(&mut letter);
        let digest = built(&letter).digest().to_owned();
        assert!(!seen.contains(&digest), "change {at}");
        seen.push(digest);
    }
}

#[test]
fn the_digest_covers_the_envelope_by_itself() {
    let envelope = |from: &str, to: &[&str]| Envelope {
        from: from.into(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
    };
    let digest = |envelope: Envelope| envelope.digest(&[1; 32], &[2; 32]);
    let all = [
        digest(envelope("a", &["b", "c"])),
        digest(envelope("a", &["bc"])),
        digest(envelope("ab", &["c"])),
        digest(envelope("a", &["b"])),
        digest(envelope("a", &["c", "b"])),
        envelope("a", &["b", "c"]).digest(&[2; 32], &[1; 32]),
        envelope("a", &["b", "c"]).digest(&[1; 32], &[1; 32]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "{at}");
    }
}

#[test]
fn another_parser_reads_what_was_written() {
    let letter = full();
    let built = built(&letter);
    let message = MessageParser::default().parse(&built.draft[..]).expect("a message");
    assert_eq!(message.subject(), Some("Numbers for März"));
    let cc = message.cc().and_then(|cc| cc.first()).expect("an address");
    assert_eq!((cc.name(), cc.address()), (Some("Weiß, Jürgen"), Some("j@xn--mller-kva.example")));
    let text = message.body_text(0).expect("text").replace("\r\n", "\n");
    assert_eq!(
        text.trim_end(),
        "Hello **Jane**,\n\nsee https://acme.example/x.\n\nOn 2026-11-22 09:30 +0100, Bob wrote:\n\
         > When?\n>\n>> Soon\n\n-- \nJane Doe\nAcme"
    );
    let html = message.body_html(0).expect("HTML").replace("\r\n", "\n");
    assert!(html.contains("<p>Hello <strong>Jane</strong>,</p>"), "{html}");
    assert!(html.contains("<blockquote>\n<p>When?<br>"), "{html}");
    for (part, file) in message.attachments().zip(&letter.attachments) {
        assert_eq!(part.attachment_name(), Some(file.name.as_str()));
        assert_eq!(part.contents(), &file.bytes[..]);
    }
    assert_eq!(message.attachment_count(), 3);
    let kinds: Vec<String> = message
        .parts
        .iter()
        .filter_map(|part| part.content_type())
        .map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()))
        .collect();
    assert_eq!(kinds[..4], ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]);
}

#[test]
fn a_view_shows_every_list_by_itself() {
    let letter = full();
    let view = View::of(&built(&letter).draft);
    assert_eq!(view.from, ["Assistant <agent@acme.example>"]);
    assert_eq!(view.reply_to, ["desk@acme.example"]);
    assert_eq!(view.to, ["Jane Doe <jane@acme.example>", "joe@partner.example"]);
    assert_eq!(view.cc, ["\"Weiß, Jürgen\" <j@müller.example (xn--mller-kva.example)>"]);
    assert_eq!(view.bcc, ["Audit <audit@acme.example>", "joe@partner.example"]);
    assert_eq!(view.message_id.as_deref(), Some("<0123456789abcdef@acme.example>"));
    assert_eq!(view.marker.as_deref(), Some(letter.marker.as_str()));
    assert_eq!(view.references, ["<a@x.example>", "<b@x.example>"]);
    for (seen, file) in view.attachments.iter().zip(&letter.attachments) {
        assert_eq!((&seen.name, &seen.mime), (&file.name, &file.mime));
        assert_eq!(seen.sha256, hex(&Sha256::digest(&file.bytes)));
        assert_eq!(seen.size, file.bytes.len());
    }
    assert_eq!(view.defects, Vec::<String>::new());
}

#[test]
fn files_of_every_length_arrive_whole() {
    for length in (0..=200u32).chain([3_647, 3_648, 3_649, 7_296, 100_000]) {
        let bytes: Vec<u8> =
            (0..length).map(|at| (at * 31 % 251).try_into().expect("a byte")).collect();
        let letter =
            Letter { attachments: vec![file("a.bin", "application/x-b", &bytes)], ..letter() };
        let body = part::Body::of(&letter).expect("a body");
        let mut out = Vec::new();
        body.write(&mut out);
        assert_eq!(out.len(), body.len(), "{length}");
        let built = built(&letter);
        assert!(Scanned::of(&built.sent).body.iter().all(|line| line.len() <= 76));
        let view = View::of(&built.sent);
        assert_eq!(view.attachments[0].sha256, hex(&Sha256::digest(&bytes)), "{length}");
    }
}

#[test]
fn many_and_long_recipients_are_folded() {
    let many: Vec<Address> = (0..196)
        .map(|at| {
            format!(
                "Person Number {at} of the Long Department <person.{at}@{}.example>",
                "d".repeat(60)
            )
        })
        .map(|text| Address::parse(&text).expect("an address"))
        .collect();
    let letter = Letter { to: many.clone(), ..letter() };
    let scanned = Scanned::of(&built(&letter).sent);
    assert_eq!(scanned.addresses("To"), many.iter().map(Address::addr).collect::<Vec<_>>());
    let too_many = Letter { bcc: many[..10].to_vec(), ..letter };
    assert!(Built::of(&too_many).is_err());
    let nobody = Letter { to: Vec::new(), cc: Vec::new(), ..tests::letter() };
    assert!(Built::of(&nobody).expect_err("nobody").contains("recipients"));
}

#[test]
fn subjects_are_read_as_they_were_written() {
    for subject in [
        "plain",
        "two  spaces",
        " spaces around ",
        "Grüße aus Köln",
        "=?utf-8?b?QmNjOiB4QHkuZXhhbXBsZQ==?=",
        "a =?iso-8859-1?q?=0D=0ABcc:_x=40y.example?= b",
        "日本語の件名はとても長いので折り返されなければなりません。日本語の件名はとても長いので",
        &"x".repeat(250),
        "wort ".repeat(49).trim_end(),
        "👩\u{200d}💻 at work",
        "a?=",
        "Re: Fwd: [x] (y) <z> \"q\" \\ , ; :",
    ] {
        let built = built(&Letter { subject: subject.into(), ..letter() });
        Scanned::of(&built.sent);
        let lines = std::str::from_utf8(&built.sent).expect("ASCII").lines();
        let lines = lines.skip_while(|line| !line.starts_with("Subject:"));
        let mut lines = lines.take_while(|line| !line.starts_with("Message-ID:"));
        assert!(lines.all(|line| line.len() <= 78), "{subject:?}");
        let message = MessageParser::default().parse(&built.sent[..]).expect("a message");
        assert_eq!(message.subject().unwrap_or_default().trim(), subject.trim(), "{subject:?}");
        assert_eq!(View::of(&built.sent).subject, inert_line(subject), "{subject:?}");
    }
}

fn inert_line(text: &str) -> String {
    crate::inert::line(text)
}

#[test]
fn a_date_that_has_no_form_is_refused() {
    let epoch = SystemTime::UNIX_EPOCH;
    for date in [epoch - Duration::from_secs(1), epoch + Duration::from_hours(70_389_528)] {
        assert!(Built::of(&Letter { date, ..letter() }).expect_err("a date").contains("date"));
    }
    built(&Letter { date: epoch + Duration::from_secs(253_402_300_799), ..letter() });
}
