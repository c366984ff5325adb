//! A private Request Tracker: its own settings, database, sessions and mail, none of them the
//! system's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::{
    await_port, finish, folder_of_this_program, for_life, free_port, program, unprivileged,
};

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery staple";
/// The user whose token is [`RequestTracker::token`].
pub const AGENT: &str = "agent";
/// The queues where [`AGENT`] may see, read and create tickets, reply and comment.
pub const OPEN_QUEUES: [&str; 2] = ["General", "Web"];
/// The queue that [`AGENT`] cannot even see.
pub const SECRET_QUEUE: &str = "Secret";

const PACKAGES: &str = "dbconfig-no-thanks msmtp-mta rt5-db-sqlite rt5-standalone request-tracker5";
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/share/request-tracker5/libexec"];
const PREFIX: &str = "suite-rt-";
/// How many requests are answered at a time.
const WORKERS: &str = "4";
/// The most that a page of a listing holds.
const PAGE: usize = 100;

/// A running server, which ends with this program.
pub struct RequestTracker {
    folder: PathBuf,
    port: u16,
    tokens: BTreeMap<String, String>,
}

/// The server that the tests of one program share.
pub fn shared() -> &'static RequestTracker {
    static SHARED: OnceLock<RequestTracker> = OnceLock::new();
    SHARED.get_or_init(RequestTracker::start)
}

impl RequestTracker {
    /// Starts one that nobody shares: it has no tickets yet.
    pub fn start() -> Self {
        let template = template();
        let folder = folder_of_this_program(PREFIX);
        std::fs::copy(template.join("tickets.db"), folder.join("tickets.db")).expect("a copy");
        let port = free_port();
        let served = folder.clone();
        for_life(move || {
            let mut child = spawn(&served, port);
            await_port(&mut child, port, &log(&served));
        });
        Self { folder, port, tokens: tokens(template) }
    }

    /// The address, without a slash at its end. The interface is at `/REST/2.0` below it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Name and password of the user who may do everything.
    pub fn root(&self) -> (&'static str, &'static str) {
        ("root", PASSWORD)
    }

    /// What [`AGENT`] proves itself by: `Authorization: token …`.
    pub fn token(&self) -> String {
        self.tokens[AGENT].clone()
    }

    /// A ticket as root sees it; see [`RequestTracker::tickets`].
    pub fn ticket(&self, id: u64) -> Value {
        let found = self.tickets().into_iter().find(|ticket| ticket["id"] == id);
        found.unwrap_or_else(|| panic!("there is no ticket {id}"))
    }

    /// All tickets as root sees them, the oldest first: `id`, `subject`, `queue`, `status`,
    /// `requestors`, `content` and `content_type` as it was created, and `messages`, the comments
    /// and replies since (`type`, `creator`, `content`, `content_type`).
    pub fn tickets(&self) -> Vec<Value> {
        let fields = "Subject,Status,Queue,Requestor&fields[Queue]=Name&orderby=id";
        let listed = self.listing(&format!("tickets?query=id%3E0&fields={fields}"));
        let of_tickets = "query=ObjectType%3D%27RT::Ticket%27&orderby=id";
        let fields = "fields=Type,Creator,ObjectId";
        let transactions = self.listing(&format!("transactions?{of_tickets}&{fields}"));
        let every = "query=[%7B%22field%22:%22id%22,%22operator%22:%22%3E%22,%22value%22:0%7D]";
        let fields = "fields=TransactionId,Content,ContentType&orderby=id";
        let attachments = self.listing(&format!("attachments?{every}&{fields}"));
        listed.iter().map(|ticket| joined(ticket, &transactions, &attachments)).collect()
    }

    /// The mail that would have left, with its headers.
    pub fn mail(&self) -> String {
        let entries = std::fs::read_dir(&self.folder).expect("its folder").flatten();
        let paths = entries.map(|entry| entry.path());
        let boxes = paths.filter(|path| path.extension().is_some_and(|end| end == "mbox"));
        boxes.map(|path| std::fs::read_to_string(path).expect("mail")).collect()
    }

    /// What root is answered: the status and the body, which is null where it is no JSON. The
    /// path begins below `/REST/2.0/`.
    pub fn as_root(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask(&self.tokens["root"], method, path, body)
    }

    /// The same, for [`AGENT`].
    pub fn as_agent(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask(&self.tokens[AGENT], method, path, body)
    }

    /// All items of a listing, page by page.
    fn listing(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        for page in 1.. {
            let path = format!("{path}&per_page={PAGE}&page={page}");
            let (status, mut answer) = self.as_root("GET", &path, None);
            assert_eq!(status, 200, "{path}: {answer}");
            let Value::Array(more) = answer["items"].take() else { panic!("{path}: no items") };
            let is_last = more.len() < PAGE;
            items.extend(more);
            if is_last {
                break;
            }
        }
        items
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} /REST/2.0/{path} HTTP/1.0\r\n");
        let _ =
            write!(request, "Host: 127.0.0.1:{}\r\nAuthorization: token {token}\r\n", self.port);
        let _ = write!(request, "Content-Type: application/json\r\n");
        let _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), serde_json::from_str(body).unwrap_or_default())
    }
}

/// A ticket of the listing with what its transactions and their attachments say.
fn joined(ticket: &Value, transactions: &[Value], attachments: &[Value]) -> Value {
    let message = |transaction: &Value| {
        let is_its = |attachment: &&Value| attachment["TransactionId"] == transaction["id"];
        let none = json!({});
        let attachment = attachments.iter().find(is_its).unwrap_or(&none).clone();
        json!({
            "type": transaction["Type"],
            "creator": transaction["Creator"]["id"],
            "content": attachment["Content"],
            "content_type": attachment["ContentType"],
        })
    };
    let its = transactions.iter().filter(|transaction| transaction["ObjectId"] == ticket["id"]);
    let messages: Vec<Value> = its.map(message).collect();
    let said = ["Comment", "Correspond"].map(Value::from);
    let later = messages.iter().filter(|message| said.contains(&message["type"]));
    let created = messages.iter().find(|message| message["type"] == "Create");
    let created = created.expect("the transaction that created it");
    let names = ticket["Requestor"].as_array().into_iter().flatten().map(|user| &user["id"]);
    json!({
        "id": ticket["id"].as_str().and_then(|id| id.parse::<u64>().ok()),
        "subject": ticket["Subject"],
        "queue": ticket["Queue"]["Name"],
        "status": ticket["Status"],
        "requestors": names.collect::<Vec<_>>(),
        "content": created["content"],
        "content_type": created["content_type"],
        "messages": later.collect::<Vec<_>>(),
    })
}

/// The folder with a database that has the users and queues and no ticket, and their tokens.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = folder_of_this_program(PREFIX);
        std::fs::write(folder.join("password"), PASSWORD).expect("a file");
        std::fs::write(folder.join("data.pl"), data()).expect("a file");
        let set_up = |arguments: &[&str], file: &str| {
            let mut command = configured("rt-setup-database-5", &folder, 0);
            // SQLite has no administrator, yet without a password for one it asks for it.
            command.args(["--dba-password", "none", "--action"]).args(arguments);
            command.arg(folder.join(file)).stdin(Stdio::null());
            finish(command);
        };
        set_up(&["init", "--root-password-file"], "password");
        set_up(&["insert", "--datafile"], "data.pl");
        folder
    })
}

fn tokens(template: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(template.join("tokens")).expect("the tokens");
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(user, token)| (user.to_owned(), token.to_owned())).collect()
}

/// Users, queues, rights and tokens, in the form that `rt-setup-database` inserts.
fn data() -> String {
    let queues = OPEN_QUEUES.join(" ");
    format!(
        "my @rights = qw(SeeQueue ShowTicket CreateTicket ReplyToTicket CommentOnTicket
                         ShowTicketComments);
         @Users = ({{ Name => '{AGENT}', EmailAddress => '{AGENT}@example.com',
                      Password => '{PASSWORD}', Privileged => 1 }});
         @Queues = map {{ {{ Name => $_ }} }} qw(Web {SECRET_QUEUE});
         @ACL = map {{ {{ UserId => '{AGENT}', Queue => $_, Right => \\@rights }} }} qw({queues});
         @Final = (sub {{
             open my $out, '>', \"$RT::VarPath/tokens\" or die $!;
             for my $name (qw(root {AGENT})) {{
                 my $user = RT::User->new(RT->SystemUser);
                 $user->Load($name);
                 my ($id, $message, $token) = RT::AuthToken->new(RT->SystemUser)->Create(
                     Owner => $user->Id, Description => 'tests');
                 die $message unless $id;
                 print $out \"$name $token\\n\";
             }}
             close $out or die $!;
         }});
         1;"
    )
}

/// The settings of a server in this folder, on this port. They hash passwords and tokens at
/// almost no cost, since each request checks one, and keep the mail in the folder.
fn settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "$RT::VarPath = '{folder}';
         $RT::MasonDataDir = '{folder}/mason';
         $RT::MasonSessionDir = '{folder}/sessions';
         Set($rtname, 'private');
         Set($Organization, 'private.example');
         Set($WebDomain, '127.0.0.1');
         Set($WebPort, {port});
         Set($DatabaseType, 'SQLite');
         Set($DatabaseName, '{folder}/tickets.db');
         Set($WebSessionClass, 'Apache::Session::File');
         Set($MailCommand, 'mbox');
         Set($Timezone, 'UTC');
         Set($BcryptCost, 4);
         Set($LogToSyslog, undef);
         Set($LogToSTDERR, 'warning');
         1;\n"
    )
}

/// A program of the server with the settings for this folder and no others.
fn configured(name: &str, folder: &Path, port: u16) -> Command {
    let found = program(name, PACKAGES, FOLDERS);
    for below in ["mason", "sessions", "settings"] {
        std::fs::create_dir_all(folder.join(below)).expect("a folder");
    }
    let file = folder.join("RT_SiteConfig.pm");
    std::fs::write(&file, settings(folder, port)).expect("a file");
    // The workers outlive a parent that is killed, and end with one that is asked to end.
    let mut command = unprivileged(&program("setpriv", "util-linux", FOLDERS), folder);
    command.args(["--pdeathsig", "TERM"]).arg(found);
    command.env("RT_SITE_CONFIG", file).env("RT_SITE_CONFIG_DIR", folder.join("settings"));
    command
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn spawn(folder: &Path, port: u16) -> Child {
    let log = std::fs::File::create(log(folder)).expect("a log");
    let mut command = configured("rt-server", folder, port);
    command
        .args(["--server", "Starlet", "--env", "production", "--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .args(["--max-workers", WORKERS])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    command.spawn().expect("it runs")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::PATIENCE;

    fn draft(queue: &str, subject: &str) -> Value {
        json!({ "Queue": queue, "Subject": subject, "Content": "a\nb", "ContentType": "text/plain" })
    }

    #[test]
    fn root_sees_exactly_what_the_agent_filed() {
        let server = RequestTracker::start();
        assert_eq!(server.tickets(), Vec::<Value>::new());
        let (status, created) = server.as_agent("POST", "ticket", Some(&draft("Web", "Größe €")));
        assert_eq!((status, &created["id"]), (201, &json!("1")));
        let comment = json!({ "Content": "c", "ContentType": "text/html" });
        assert_eq!(server.as_agent("POST", "ticket/1/comment", Some(&comment)).0, 201);
        let expected = json!({
            "id": 1, "subject": "Größe €", "queue": "Web", "status": "new", "requestors": [],
            "content": "a\nb", "content_type": "text/plain",
            "messages": [{
                "type": "Comment", "creator": AGENT, "content": "c", "content_type": "text/html",
            }],
        });
        assert_eq!(server.ticket(1), expected);
    }

    #[test]
    fn the_agent_may_only_what_it_was_given() {
        let server = shared();
        for queue in OPEN_QUEUES {
            let (status, created) = server.as_agent("POST", "ticket", Some(&draft(queue, "open")));
            assert_eq!(status, 201, "{created}");
            let id = created["id"].as_str().expect("a number");
            let change = json!({ "Subject": "changed", "Status": "resolved", "Queue": "General" });
            let (_, answer) = server.as_agent("PUT", &format!("ticket/{id}"), Some(&change));
            let ticket = server.ticket(id.parse().expect("a number"));
            let kept = (&ticket["subject"], &ticket["status"], &ticket["queue"]);
            assert_eq!(kept, (&json!("open"), &json!("new"), &json!(queue)), "{answer}");
        }
        let secret = draft(SECRET_QUEUE, "secret");
        assert_eq!(server.as_agent("POST", "ticket", Some(&secret)).0, 403);
        let (status, created) = server.as_root("POST", "ticket", Some(&secret));
        assert_eq!(status, 201);
        let path = format!("ticket/{}", created["id"].as_str().expect("a number"));
        assert_eq!(server.as_agent("GET", &path, None).0, 403);
        assert_eq!(server.as_agent("GET", "queue/Secret", None).0, 403);
    }

    #[test]
    fn listings_longer_than_a_page_are_whole() {
        let server = RequestTracker::start();
        for _ in 0..=PAGE {
            assert_eq!(server.as_root("POST", "ticket", Some(&draft("Web", "one"))).0, 201);
        }
        let ids = server.tickets().iter().map(|ticket| ticket["id"].as_u64()).collect::<Vec<_>>();
        assert_eq!(ids, (1..=PAGE as u64 + 1).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn mail_stays_here() {
        let server = RequestTracker::start();
        let mut draft = draft("Web", "with mail");
        draft["Requestor"] = json!("someone@example.org");
        assert_eq!(server.as_root("POST", "ticket", Some(&draft)).0, 201);
        assert!(server.mail().contains("\nTo: someone@example.org\n"), "{}", server.mail());
        assert_eq!(server.ticket(1)["requestors"], json!(["someone@example.org"]));
    }

    /// Whether the server or a worker of it is there. Connections would use up workers, which
    /// end after a hundred.
    fn has_process(port: u16) -> bool {
        let mark = format!("\0--port\0{port}\0");
        let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
        let mut words =
            processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        words.any(|words| String::from_utf8_lossy(&words).contains(&mark))
    }

    #[test]
    fn the_server_ends_with_the_thread_that_started_it() {
        let folder = folder_of_this_program(PREFIX);
        std::fs::copy(template().join("tickets.db"), folder.join("tickets.db")).expect("a copy");
        let port = free_port();
        let starter = std::thread::spawn(move || {
            let mut child = spawn(&folder, port);
            await_port(&mut child, port, &log(&folder));
            let server = RequestTracker { folder, port, tokens: tokens(template()) };
            assert_eq!(server.tickets(), Vec::<Value>::new(), "a worker answers");
            assert!(has_process(port));
            child
        });
        let mut child = starter.join().expect("it starts");
        child.wait().expect("it ends");
        let began = Instant::now();
        while has_process(port) {
            assert!(began.elapsed() < PATIENCE, "workers are left behind");
            std::thread::yield_now();
        }
    }
}
