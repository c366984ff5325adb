//! Broken messages by the thousand, from a seed: whatever they are, a view and a quotation come of
//! them, inert and bounded.

use super::tests::check;
use super::*;
use crate::quote::Quoted;

/// A small generator of numbers (`SplitMix64`); the same seed gives the same messages.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("fits");
        usize::try_from(self.next() % end).expect("fits")
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// What messages are made of, and what breaks them.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"=",
    b"?",
    b"--",
    b"--b",
    b"--b--",
    b"--b\r\n",
    b"--c\r\n",
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"From: ",
    b"To: ",
    b"Cc: ",
    b"Bcc: ",
    b"Subject: ",
    b"Date: ",
    b"Message-ID: ",
    b"References: ",
    b"In-Reply-To: ",
    b"X-Suite-Marker: ",
    b"MIME-Version: 1.0\r\n",
    b"Content-Type: ",
    b"text/plain",
    b"text/html",
    b"multipart/mixed",
    b"multipart/alternative",
    b"multipart/digest",
    b"message/rfc822",
    b"message/global",
    b"; boundary=b",
    b"; boundary=\"c\"",
    b"; boundary=",
    b"; charset=utf-7",
    b"; charset=utf-16",
    b"; charset=iso-2022-jp",
    b"; charset=x-none",
    b"; name*0*=utf-8''%E2%80%AE; name*1*=%",
    b"; name*999999999999=x",
    b"; name*=''%zz",
    b"Content-Disposition: attachment; filename=",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"AAEC",
    b"=3D=",
    b"=\r\n",
    b"=?utf-8?q?",
    b"=?utf-8?b?",
    b"?=",
    b"=?x?y?z?=",
    b"a@b.example",
    b"Jane <j@b.example>",
    b"all: a@b, c@d;",
    b"(c(o(m",
    b"Sun, 22 Nov 2026 09:30:00 +0100",
    b"99 Foo 99999 99:99:99 -9999",
    b"<a@b>",
    b"<<>><",
    b"<p>",
    b"&#8238;",
    b"&#x110000;",
    b"&",
    b"<!--",
    b"-->",
    b"<script>",
    b"</style>",
    b"begin 644 x\r\n",
    b"x",
    b"\xf0\x9f\x91\xa9",
];

/// Messages of every shape that ordinary programs write.
fn real() -> Vec<Vec<u8>> {
    let nested = |depth: usize, kind: &str| {
        let mut out = String::from("From: a@b.example\r\n");
        for at in 0..depth {
            out +=
                &format!("Content-Type: multipart/{kind}; boundary=\"n{at}\"\r\n\r\n--n{at}\r\n");
        }
        out += "Content-Type: text/plain\r\n\r\ndeep\r\n";
        for at in (0..depth).rev() {
            out += &format!("--n{at}--\r\n");
        }
        out.into_bytes()
    };
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    let reply = b"From: =?utf-8?q?J=C3=BCrgen?= <j@b.example>\r\nTo: a@b.example, \"C, D\" <c@d.example>\r\n\
        Cc: all: e@f.example;\r\nBcc: g@h.example\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\
        Date: Sun, 22 Nov 2026 09:30:00 +0100\r\nMessage-ID: <m@b>\r\nReferences: <k@b>\r\n <l@b>\r\n\
        X-Suite-Marker: 00ff\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: multipart/alternative; boundary=\"c\"\r\n\r\n--c\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=C3=BC=C3=9Fe =\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>Hi &amp; <b>x</b></p>\r\n--c--\r\n\
        --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n \
        filename*0*=utf-8''Gr%C3%BC; filename*1=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y\r\nSubject: in\r\n\r\nx\r\n--b--\r\n";
    vec![
        reply.to_vec(),
        nested(3, "mixed"),
        b"From: a@b.example\r\nContent-Type: text/html; charset=windows-1252\r\n\r\n<p>\x93x\x94</p>".to_vec(),
        nested(1_000, "mixed"),
        nested(1_000, "digest"),
        format!("From: a@b.example\r\n{inner}x").into_bytes(),
    ]
}

fn holds(bytes: &[u8]) {
    check(&View::of(bytes), bytes);
    if let Ok(quoted) = Quoted::of(bytes) {
        assert!(inert::is_line(&quoted.line) && inert::is_line(&quoted.subject), "{bytes:?}");
        assert_eq!(visible(&quoted.text), quoted.text, "{bytes:?}");
        assert!(quoted.references.iter().all(|id| crate::message::is_id(id)), "{bytes:?}");
    }
}

#[test]
fn any_octets_give_a_view() {
    let mut numbers = Numbers(7);
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..=numbers.below(60) {
            bytes.extend_from_slice(numbers.pick(PIECES));
        }
        holds(&bytes);
    }
}

#[test]
fn broken_copies_of_real_messages_give_a_view() {
    let real = real();
    for whole in &real {
        holds(whole);
    }
    let mut numbers = Numbers(11);
    for round in 0..5_000 {
        // The deep ones are slow to read; each of them has its turn.
        let mut bytes =
            real[if round % 100 == 0 { numbers.below(real.len()) } else { round % 3 }].clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            match numbers.below(5) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
                2 => {
                    let end = (at + numbers.below(40)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + numbers.below(200)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => {
                    let piece = numbers.pick(PIECES);
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        holds(&bytes);
    }
}
