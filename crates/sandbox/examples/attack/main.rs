//! Tries to get out of a sandbox: `attack NAME ARGUMENT…`. Ends with 0 where it succeeds, with 1
//! and the reason where it is refused.
#![expect(unsafe_code, reason = "attacks are system calls that no library offers")]

mod bombs;
mod calls;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

type Tried = io::Result<()>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().expect("the name of an attack");
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match tries(name, &rest) {
        Ok(()) => eprintln!("{name}: done"),
        Err(error) => {
            eprintln!("{name}: {error}");
            std::process::exit(1);
        }
    }
}

fn tries(name: &str, rest: &[&str]) -> Tried {
    match (name, rest) {
        ("read", [path]) => File::open(path)?.read(&mut [0]).map(drop),
        ("list", [path]) => fs::read_dir(path).map(drop),
        ("write", [path]) => {
            OpenOptions::new().append(true).open(path)?.write_all(b"attacked").map(drop)
        }
        ("open-to-write", [path]) => {
            let flags = libc::O_NONBLOCK;
            OpenOptions::new().write(true).custom_flags(flags).open(path).map(drop)
        }
        ("create", [path]) => fs::write(path, "attacked"),
        ("remove", [path]) => fs::remove_file(path),
        ("rename", [from, to]) => fs::rename(from, to),
        ("chmod", [path]) => fs::set_permissions(path, fs::Permissions::from_mode(0o777)),
        ("truncate", [path]) => {
            succeeded(i64::from(unsafe { libc::truncate(text(path).as_ptr(), 0) }))
        }
        ("touch", [path]) => {
            let times = [libc::timespec { tv_sec: 1, tv_nsec: 0 }; 2];
            let path = text(path);
            succeeded(i64::from(unsafe {
                libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0)
            }))
        }
        ("hardlink", [from, to]) => fs::hard_link(from, to),
        ("environ", [marker]) => each_process(|folder| {
            let text = fs::read(folder.join("environ"))?;
            let found = text.windows(marker.len()).any(|part| part == marker.as_bytes());
            if found { Ok(()) } else { Err(refused()) }
        }),
        ("memory", []) => each_process(|folder| {
            OpenOptions::new().read(true).write(true).open(folder.join("mem")).map(drop)
        }),
        ("descriptors-of-others", []) => {
            each_process(|folder| fs::read_dir(folder.join("fd")).map(drop))
        }
        ("root-of-others", [path]) => each_process(|folder| {
            File::open(folder.join("root").join(path.trim_start_matches('/'))).map(drop)
        }),
        ("descriptors", []) => {
            match (3..1024).find(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0) {
                Some(_) => Ok(()),
                None => Err(refused()),
            }
        }
        ("connect", [address]) => {
            let address = address.parse().expect("an address");
            TcpStream::connect_timeout(&address, Duration::from_secs(2)).map(drop)
        }
        ("fast-open", [port]) => fast_open(port.parse().expect("a port")),
        ("datagram", [address]) => {
            UdpSocket::bind("0.0.0.0:0")?.send_to(b"attacked", *address).map(drop)
        }
        ("abstract", [name]) => {
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(drop)
        }
        ("socket", [path]) => UnixStream::connect(path).map(drop),
        ("family", [family, kind, protocol]) => {
            let number_of = |text: &str| text.parse().expect("a number");
            let made =
                unsafe { libc::socket(number_of(family), number_of(kind), number_of(protocol)) };
            succeeded(i64::from(made))
        }
        ("setuid", [program]) => run(program, &["is-root"]),
        ("is-root", []) => {
            if unsafe { libc::geteuid() } == 0 {
                Ok(())
            } else {
                Err(refused())
            }
        }
        ("fork-bomb", [word]) => bombs::fork_bomb(word),
        ("thread-bomb", []) => bombs::thread_bomb(),
        ("memory-bomb", []) => {
            bombs::memory_bomb();
            Ok(())
        }
        ("memory-bomb-of-many", [_word]) => bombs::memory_bomb_of_many(),
        ("shared-memory-bomb", []) => bombs::shared_memory_bomb(),
        ("hidden-memory-bomb", []) => bombs::hidden_memory_bomb(),
        ("disk-bomb", [folder]) => bombs::disk_bomb(Path::new(folder)),
        ("file-bomb", [folder]) => bombs::file_bomb(Path::new(folder)),
        ("cpu-bomb", []) => loop {
            std::hint::black_box(0);
        },
        ("output-bomb", [bytes]) => bombs::output_bomb(bytes.parse().expect("a number")),
        ("daemon", [word]) => daemon(word),
        ("wait", [_word]) => bombs::wait(),
        ("link-race", [folder, outside]) => link_race(Path::new(folder), Path::new(outside)),
        ("terminal", []) => type_into_terminal(),
        ("call", [name, arguments @ ..]) => calls::make(name, arguments),
        _ => panic!("there is no attack {name} with {} arguments", rest.len()),
    }
}

fn refused() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

fn text(path: &str) -> std::ffi::CString {
    std::ffi::CString::new(path).expect("no zero byte")
}

fn succeeded(result: i64) -> Tried {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Succeeds where it does with any process but this one. Numbers that are not listed are guessed.
fn each_process(attack: impl Fn(&Path) -> Tried) -> Tried {
    let own = std::process::id();
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers: Vec<u32> =
        listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.extend((1..200).chain(own.saturating_sub(2000)..own + 200));
    let mut last = refused();
    for number in numbers.into_iter().filter(|number| *number != own) {
        match attack(&PathBuf::from(format!("/proc/{number}"))) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn run(program: &str, arguments: &[&str]) -> Tried {
    let status = Command::new(program).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(refused()) }
}

/// Connects by the first packet of data, without `connect`.
fn fast_open(port: u16) -> Tried {
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    succeeded(i64::from(socket))?;
    let address = libc::sockaddr_in {
        sin_family: 2,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let sent = unsafe {
        libc::sendto(
            socket,
            c"x".as_ptr().cast(),
            1,
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            16,
        )
    };
    succeeded(i64::try_from(sent).unwrap_or(-1))
}

/// Leaves a process behind, in a session of its own, without a parent.
fn daemon(word: &str) -> Tried {
    let own = std::env::current_exe()?;
    let (reader, writer) = io::pipe()?;
    if unsafe { libc::fork() } == 0 {
        unsafe { libc::setsid() };
        if unsafe { libc::fork() } == 0 {
            // The descriptor ends with the start of the program.
            drop(reader);
            let _ = writer.as_raw_fd();
            return Err(Command::new(own).args(["wait", word]).exec());
        }
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let _ = { reader }.read(&mut [0])?;
    Ok(())
}

/// Swaps a folder and a link for a while, and writes through what is there.
fn link_race(folder: &Path, outside: &Path) -> Tried {
    let (name, real) = (folder.join("name"), folder.join("real"));
    fs::create_dir_all(&real)?;
    let link = folder.join("link");
    let _ = symlink(outside, &link);
    let until = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < until {
                let _ = fs::rename(&real, &name);
                let _ = fs::rename(&name, &real);
                let _ = fs::rename(&link, &name);
                let _ = fs::rename(&name, &link);
            }
        });
        while Instant::now() < until {
            let _ = fs::write(name.join("attacked"), "attacked");
        }
    });
    if outside.join("attacked").exists() { Ok(()) } else { Err(refused()) }
}

/// Types into a terminal, as if a person did.
fn type_into_terminal() -> Tried {
    let main = OpenOptions::new().read(true).write(true).open("/dev/ptmx")?;
    succeeded(i64::from(unsafe { libc::unlockpt(main.as_raw_fd()) }))?;
    let mut name = [0; 64];
    succeeded(-i64::from(unsafe {
        libc::ptsname_r(main.as_raw_fd(), name.as_mut_ptr(), name.len())
    }))?;
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    let flags = libc::O_NOCTTY;
    let name = std::ffi::OsStr::from_bytes(name.to_bytes());
    let side = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name)?;
    succeeded(i64::from(unsafe { libc::ioctl(side.as_raw_fd(), libc::TIOCSTI, c"x".as_ptr()) }))
}
