//! What a plan names works, and what is next to it does not: tried by a process that is confined
//! to it.

use std::fs;
use std::io::{self, Error};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use confine::{ConfineError, Fetcher, Plan, confine};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// What an attempt came to, in a process confined to the plan.
fn tried(plan: &Plan, attempt: impl Fn() -> io::Result<String>) -> String {
    let answer = |_| match attempt() {
        Ok(what) => what.into_bytes(),
        Err(error) => match error.raw_os_error() {
            Some(nix::libc::EACCES | nix::libc::EPERM) => b"refused".to_vec(),
            _ => error.to_string().into_bytes(),
        },
    };
    let fetcher = Fetcher::start(plan, || (), answer).expect("a second process");
    String::from_utf8(fetcher.fetch(0).expect("an answer")).expect("text")
}

fn reading(path: PathBuf) -> impl Fn() -> io::Result<String> {
    move || fs::read_to_string(&path)
}

fn listing(path: &Path) -> impl Fn() -> io::Result<String> {
    move || fs::read_dir(path).map(|entries| entries.count().to_string())
}

#[test]
fn a_process_with_other_threads_is_not_confined_by_halves() {
    // The test runner has some.
    assert!(
        matches!(confine(&Plan::default()), Err(ConfineError::NotAlone(threads)) if threads > 1)
    );
    assert!(fs::read("/etc/passwd").is_ok());
}

#[test]
fn a_named_folder_is_read_by_name_and_not_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Plan { named: vec![folder.path().to_owned()], ..Plan::default() };
    let answer = |_| {
        let read = fs::read_to_string(folder.path().join("keys.json"));
        let listed = fs::read_dir(folder.path()).is_ok();
        let written = fs::write(folder.path().join("new"), "").is_ok();
        format!("{} {listed} {written}", read.unwrap_or_default()).into_bytes()
    };
    let fetcher = Fetcher::start(&plan, || (), answer).expect("a second process");
    // Made after the process was confined.
    fs::write(folder.path().join("keys.json"), "keys").expect("written");
    assert_eq!(fetcher.fetch(0).expect("an answer"), b"keys false false");
}

#[test]
fn a_written_folder_takes_files_and_folders_but_no_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let plan = Plan { write: vec![folder.path().to_owned()], ..Plan::default() };
    let work = || {
        fs::create_dir(at("inner"))?;
        fs::write(at("inner/one"), "some words")?;
        fs::rename(at("inner/one"), at("two"))?;
        fs::hard_link(at("two"), at("three"))?;
        fs::File::options().write(true).open(at("two"))?.set_len(4)?;
        fs::remove_dir(at("inner"))?;
        fs::read_to_string(at("three"))
    };
    assert_eq!(tried(&plan, work), "some");
    let link = || std::os::unix::fs::symlink("/etc", at("link")).map(|()| "made".to_owned());
    assert_eq!(tried(&plan, link), "refused");
    assert_eq!(tried(&plan, reading(folder.path().join("../../etc/passwd"))), "refused");
}

#[test]
fn a_read_folder_is_only_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("page"), "a page").expect("written");
    let plan = Plan { read: vec![folder.path().to_owned()], ..Plan::default() };
    assert_eq!(tried(&plan, reading(folder.path().join("page"))), "a page");
    assert_eq!(tried(&plan, listing(folder.path())), "1");
    let page = folder.path().join("page");
    assert_eq!(tried(&plan, || fs::remove_file(&page).map(|()| "removed".into())), "refused");
    let shortened = || {
        let path = std::ffi::CString::new(page.to_string_lossy().as_bytes())?;
        nix::unistd::truncate(path.as_c_str(), 0).map_err(Error::from)?;
        Ok("shortened".to_owned())
    };
    assert_eq!(tried(&plan, shortened), "refused");
}

#[test]
fn a_named_port_is_connected_to_and_its_neighbour_is_not() {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (wanted, other) = (listen(), listen());
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let plan = Plan { connect: vec![port(&wanted)], ..Plan::default() };
    let connect = |port: u16| {
        move || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(|_| "connected".to_owned())
    };
    assert_eq!(tried(&plan, connect(port(&wanted))), "connected");
    assert_eq!(tried(&plan, connect(port(&other))), "refused");
    let offline = Plan::default();
    assert_eq!(tried(&offline, connect(port(&wanted))), "refused");
    let datagram = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(|_| "bound".to_owned());
    assert_eq!(tried(&plan, datagram), "bound", "names are resolved with datagrams");
    assert_eq!(tried(&offline, datagram), "refused");
    let raw = || {
        let kind = (AddressFamily::Inet, SockType::Raw);
        socket(kind.0, kind.1, SockFlag::empty(), None)?;
        Ok("a raw socket".to_owned())
    };
    let netlink = || {
        socket(AddressFamily::Netlink, SockType::Datagram, SockFlag::empty(), None)?;
        Ok("a socket to the kernel".to_owned())
    };
    assert_eq!(tried(&plan, raw), "refused");
    assert_eq!(tried(&plan, netlink), "refused");
}

#[test]
fn a_unix_socket_is_connected_to_only_where_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let connect = || UnixStream::connect(&path).map(|_| "connected".to_owned());
    let plan = Plan { write: vec![path.clone()], ..Plan::default() };
    assert_eq!(tried(&plan, connect), "connected");
    assert_eq!(tried(&Plan::default(), connect), "refused");
}

#[test]
fn programs_run_where_they_are_needed_and_are_confined_like_their_parent() {
    let shell = |script: &'static str| {
        move || {
            let output = Command::new("/bin/sh").args(["-c", script]).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
    };
    let plan = Plan { execute: true, ..Plan::default() };
    assert_eq!(tried(&plan, shell("echo a shell")), "a shell");
    assert_eq!(tried(&plan, shell("cat /etc/passwd 2>/dev/null || echo none")), "none");
    // A child may signal itself.
    assert_eq!(tried(&plan, shell("sh -c 'kill -9 $$'; echo $?")), "137");
    assert_eq!(tried(&Plan::default(), shell("echo a shell")), "refused");
}
