//! A private Dovecot: IMAP, LMTP and submission for the accounts here, and an
//! observer that sees the mailboxes as another mail client would.

mod imap;
mod settings;
mod token;

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use imap::Client;
pub use imap::{Mailbox, Stored};
pub use settings::{Folders, Setting};
pub use token::Token;

use super::{AGENT, Account, Received, Sink, SinkOptions, ca_file, lmtp};
use crate::{
    PATIENCE, await_port, folder_of_this_program, for_life, free_port, program, unprivileged,
};

const PACKAGES: &str = "dovecot-imapd dovecot-lmtpd dovecot-submissiond";
const FOLDERS: &[&str] = &["/usr/sbin"];
const PREFIX: &str = "suite-dovecot-";

/// A running server, which ends with this program.
pub struct Dovecot {
    folder: PathBuf,
    ports: Ports,
    setting: Setting,
    relay: Sink,
    /// The master's.
    pid: AtomicU32,
}

/// Where it listens, on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
struct Ports {
    imap: u16,
    imaps: u16,
    lmtp: u16,
    submission: u16,
}

impl Dovecot {
    /// The one that the tests of one program share; its mailboxes have what any of them put there.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Dovecot> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one that nobody shares, with the folders `Drafts` and `Sent`.
    pub fn start() -> Self {
        Self::start_as(Setting::default())
    }

    /// Starts one with a setting of its own.
    pub fn start_as(setting: Setting) -> Self {
        let [imap, imaps, lmtp, submission] = [(); 4].map(|()| free_port());
        let ports = Ports { imap, imaps, lmtp, submission };
        let relay = Sink::start(SinkOptions::relay());
        let (folder, pid) = (folder_of_this_program(PREFIX), AtomicU32::new(0));
        let server = Self { folder, ports, setting, relay, pid };
        server.resume();
        server
    }

    /// The port of IMAP, which offers STARTTLS.
    pub fn imap_port(&self) -> u16 {
        self.ports.imap
    }

    /// The port of IMAP that is encrypted from the first byte.
    pub fn imaps_port(&self) -> u16 {
        self.ports.imaps
    }

    /// The port of submission, which offers STARTTLS, wants a sign-in, and hands every message
    /// to [`relay`](Self::relay) with a `Received` field before it.
    pub fn submission_port(&self) -> u16 {
        self.ports.submission
    }

    /// The authority that signed its certificate, which is for `localhost`.
    pub fn ca_file(&self) -> PathBuf {
        ca_file()
    }

    /// The name of [`AGENT`].
    pub fn user(&self) -> &'static str {
        AGENT.name
    }

    /// The password of [`AGENT`].
    pub fn password(&self) -> &'static str {
        AGENT.password
    }

    /// Where submitted mail goes.
    pub fn relay(&self) -> &Sink {
        &self.relay
    }

    /// A token for XOAUTH2 and OAUTHBEARER.
    pub fn oauth_token(&self, user: &str, token: Token) -> String {
        token::signed(user, token)
    }

    /// The mailboxes of a user with their attributes, in the order of their names.
    pub fn mailboxes(&self, user: &str) -> Vec<Mailbox> {
        self.client(user).mailboxes()
    }

    /// What is in a mailbox, in the order of its UIDs. Its name is the one of IMAP, as
    /// `Entw&APw-rfe`; one that is not there fails the test. Looking changes nothing.
    pub fn messages(&self, user: &str, mailbox: &str) -> Vec<Stored> {
        self.client(user).messages(mailbox)
    }

    /// Waits until that many messages are in a mailbox.
    pub fn await_messages(&self, user: &str, mailbox: &str, count: usize) -> Vec<Stored> {
        let began = Instant::now();
        let mut client = self.client(user);
        loop {
            let found = client.messages(mailbox);
            if found.len() >= count {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "it did not arrive; {mailbox} has {found:#?}");
            std::thread::yield_now();
        }
    }

    /// Puts a message into a mailbox, as another mail client would; returns its UID. Flags are
    /// those of IMAP, as `\Draft`.
    pub fn append(&self, user: &str, mailbox: &str, bytes: &[u8], flags: &[&str]) -> u32 {
        self.client(user).append(mailbox, bytes, &flags.join(" "))
    }

    /// Puts another message with the same flags in the place of one, as a mail client does that
    /// edits a draft; returns the new UID.
    pub fn edit(&self, user: &str, mailbox: &str, uid: u32, bytes: &[u8]) -> u32 {
        let mut client = self.client(user);
        let found = client.messages(mailbox).into_iter().find(|stored| stored.uid == uid);
        let flags = found.unwrap_or_else(|| panic!("{mailbox} has no UID {uid}")).flags.join(" ");
        let new = client.append(mailbox, bytes, &flags);
        client.delete(mailbox, uid);
        new
    }

    /// Sets the flags of a message, in place of those that it had.
    pub fn set_flags(&self, user: &str, mailbox: &str, uid: u32, flags: &[&str]) {
        self.client(user).set_flags(mailbox, uid, &flags.join(" "));
    }

    /// Removes a message from a mailbox for good.
    pub fn delete(&self, user: &str, mailbox: &str, uid: u32) {
        self.client(user).delete(mailbox, uid);
    }

    /// Makes a mailbox.
    pub fn create(&self, user: &str, mailbox: &str) {
        self.client(user).create(mailbox);
    }

    /// Removes a mailbox with all that is in it.
    pub fn remove(&self, user: &str, mailbox: &str) {
        self.client(user).remove(mailbox);
    }

    /// Lets a message arrive by LMTP, as mail from outside does: with `Return-Path`,
    /// `Delivered-To` and `Received` before it.
    pub fn deliver(&self, bytes: &[u8], to: &str) {
        let replies = lmtp::deliver(self.ports.lmtp, "", &[to.to_owned()], bytes);
        let replies = replies.unwrap_or_else(|error| panic!("LMTP: {error}"));
        assert!(replies.iter().all(|reply| reply.starts_with('2')), "LMTP: {replies:?}");
    }

    /// Lets everything that a sink takes arrive here, for those recipients that are known.
    pub fn receive_from(&self, sink: &Sink) {
        let port = self.ports.lmtp;
        sink.on_taken(move |message| {
            let Received { mail_from, rcpt_to, bytes, .. } = message;
            let done = lmtp::deliver(port, mail_from, rcpt_to, bytes);
            done.unwrap_or_else(|error| panic!("LMTP: {error}"));
        });
    }

    /// Puts a copy of everything that a sink takes from a user who signed in into a mailbox of
    /// theirs, as some providers do with `Sent`.
    pub fn keep_copies_from(&self, sink: &Sink, mailbox: &str) {
        let (port, mailbox) = (self.ports.imap, mailbox.to_owned());
        sink.on_taken(move |message| {
            if let Some(account) = message.auth.as_deref().and_then(Account::named) {
                let mut client = Client::sign_in(port, account);
                client.append(&mailbox, &message.bytes, r"\Seen");
            }
        });
    }

    /// What the server noted so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops it at once; who is connected is cut off.
    pub fn stop(&self) {
        let mut pids = vec![self.pid.load(Ordering::Relaxed).to_string()];
        let began = Instant::now();
        // The master first: it would start others in place of those that end.
        while !pids.is_empty() {
            assert!(began.elapsed() < PATIENCE, "it does not stop: {}", self.log());
            // Some may have ended meanwhile.
            let _ = Command::new("kill").arg("-KILL").args(&pids).stderr(Stdio::null()).status();
            pids = processes(&self.folder);
        }
        // A master that finds the file of another one's process does not start.
        std::fs::remove_dir_all(self.folder.join("run")).expect("its folder");
    }

    /// Starts it again, at the same ports.
    pub fn resume(&self) {
        settings::write(&self.folder, self.ports, self.relay.port(), self.setting);
        let (folder, ports, with_tls) = (self.folder.clone(), self.ports, self.setting.tls);
        let pid = for_life(move || {
            let mut child = spawn(&folder);
            let imaps = with_tls.then_some(ports.imaps);
            for port in [ports.imap, ports.lmtp, ports.submission].into_iter().chain(imaps) {
                await_port(&mut child, port, &folder.join("log"));
            }
            child.id()
        });
        self.pid.store(pid, Ordering::Relaxed);
    }

    fn client(&self, user: &str) -> Client {
        let account = Account::named(user).unwrap_or_else(|| panic!("there is no account {user}"));
        Client::sign_in(self.ports.imap, account)
    }
}

/// The processes of the server that are there: they all work in its folder.
fn processes(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let works_there = |entry: &DirEntry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(folder))
    };
    all.filter(works_there).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn spawn(folder: &Path) -> Child {
    // Before the folder becomes the server's, which opens the log once more.
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
    let log = log.expect("a log");
    let found = program("dovecot", PACKAGES, FOLDERS);
    // The others see when the master is gone, and end.
    let mut command = unprivileged(&found, folder);
    command.args(["-F", "-c"]).arg(folder.join("dovecot.conf")).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().expect("dovecot runs")
}

#[cfg(test)]
mod tests;
