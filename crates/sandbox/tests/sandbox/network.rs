//! Attempts to reach the host's network and sockets.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

use sandbox::{Access, Mount, Network, Tier};

use crate::escape::{check, text};
use crate::stage::{stages, stages_of, word};

#[test]
fn the_network_of_the_host_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
    let address = listener.local_addr().expect("an address").to_string();
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("bound");
    datagrams.set_nonblocking(true).expect("set");
    let other = datagrams.local_addr().expect("an address").to_string();
    let everywhere = TcpListener::bind("0.0.0.0:0").expect("listening");
    let port = everywhere.local_addr().expect("an address").port();
    for stage in stages() {
        check(&stage, &["connect", &address]);
        check(&stage, &["datagram", &other]);
        assert!(datagrams.recv(&mut [0; 16]).is_ok());
        let mut networks = vec![Network::None, Network::Ports(vec![9])];
        if stage.tier == Tier::Namespaces {
            networks.push(Network::Loopback);
        }
        for network in networks {
            let mut attacks = vec![
                vec!["connect".to_owned(), address.clone()],
                vec![
                    "fast-open".to_owned(),
                    address.split(':').next_back().unwrap_or("").to_owned(),
                ],
            ];
            attacks.extend(
                addresses().iter().map(|own| vec!["connect".to_owned(), format!("{own}:{port}")]),
            );
            for attack in attacks {
                let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
                let mut job = stage.attack(&attack);
                job.network = network.clone();
                stage.refused_job(&job);
            }
            let mut job = stage.attack(&["datagram", &other]);
            job.network = network;
            stage.run(&job);
        }
        assert!(datagrams.recv(&mut [0; 16]).is_err(), "{stage}: a datagram got out");
    }
}

/// The addresses of this machine but the loopback one.
fn addresses() -> Vec<String> {
    let output = Command::new("hostname").arg("-I").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .split_whitespace()
        .filter(|address| !address.contains(':'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn sockets_of_the_host_are_out_of_reach() {
    for stage in stages() {
        let name = word();
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let listener = UnixListener::bind_addr(&address).expect("listening");
        check(&stage, &["abstract", &name]);
        drop(listener);
        let folder = stage.folder("with-socket");
        let path = folder.join("socket");
        let _listener = UnixListener::bind(&path).expect("listening");
        let rights = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&path, rights).expect("rights");
        check(&stage, &["socket", text(&path)]);
        for access in [Access::Read, Access::Private] {
            let mut job = stage.attack(&["socket", "/mounted/socket"]);
            job.mounts.push(Mount { from: folder.clone(), at: "/mounted".into(), access });
            stage.refused_job(&job);
        }
    }
}

#[test]
fn sockets_of_strange_families_cannot_be_made() {
    for stage in stages_of(Tier::Namespaces) {
        let families = [
            libc::AF_PACKET,
            libc::AF_VSOCK,
            libc::AF_ALG,
            libc::AF_BLUETOOTH,
            libc::AF_KEY,
            libc::AF_XDP,
            libc::AF_CAN,
            libc::AF_TIPC,
            libc::AF_RDS,
            libc::AF_INET,
        ];
        for family in families {
            stage.refused(&["family", &family.to_string(), "1", "0"]);
        }
        let mut job = stage.attack(&["family", "2", "3", "1"]);
        job.network = Network::Loopback;
        stage.refused_job(&job);
        // Routes may be asked for; what the kernel's audit says may not.
        let routes = stage.run(&stage.attack(&["family", "16", "3", "0"]));
        assert_eq!(routes.exit, Some(sandbox::Exit::Code(0)));
        stage.refused(&["family", "16", "3", "9"]);
    }
}
