//! Where a test plays: a folder, a user, a tier, and the programs of `examples/`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox::{Access, Ended, Exit, Job, Limits, Mount, Network, Tier};

/// What our environment holds and nobody inside may see.
pub(crate) const SECRET: &str = "environment-of-the-supervisor-7f3a";

/// Who runs the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests: root, where all is to be tested.
    Caller,
    /// A user without rights, by number.
    User(u32),
}

/// One combination of user and tier, with a folder that the user owns.
pub(crate) struct Stage {
    pub(crate) who: Who,
    pub(crate) tier: Tier,
    folder: tempfile::TempDir,
}

/// The folder of both programs, which everybody can reach.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = PROGRAMS.get_or_init(|| {
        let own = std::env::current_exe().expect("this program");
        let built = own.parent().and_then(Path::parent).expect("its folder").join("examples");
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        for name in ["run", "attack"] {
            copy_program(&built.join(name), &folder.path().join(name));
        }
        folder
    });
    made.path()
}

/// Copies a program; by another process, since one that was open for writing here when a test in
/// another thread started something cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status().expect("started");
    let built = "built by `cargo test`, or by `cargo build --examples`";
    assert!(copied.success(), "{} is not there: {built}", from.display());
}

/// Lets everybody read a folder.
pub(crate) fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("rights");
}

/// Every combination that this machine can show: as root also that of an ordinary user.
pub(crate) fn stages() -> Vec<Stage> {
    [Tier::Namespaces, Tier::Landlock].into_iter().flat_map(stages_of).collect()
}

/// The same, of one tier.
pub(crate) fn stages_of(tier: Tier) -> Vec<Stage> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut everybody = vec![Who::Caller];
    if nix::unistd::geteuid().is_root() {
        // One for each stage: the number of processes is counted by user.
        let process = std::process::id() % 10_000;
        everybody.push(Who::User(200_000 + process * 100 + NEXT.fetch_add(1, Ordering::Relaxed)));
    } else {
        eprintln!("not run by root: what root's sandbox does is not tested");
    }
    everybody.into_iter().map(|who| Stage::new(who, tier)).collect()
}

/// A run that has not ended.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        // What it prints is short enough for the pipe.
        let control = self.child.stdin.take();
        let output = self.child.wait_with_output().expect("waited for");
        drop(control);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("how it ended")
    }

    /// Cancels, and waits for the end.
    pub(crate) fn cancel(mut self) -> Ended {
        drop(self.child.stdin.take());
        self.end()
    }
}

impl Stage {
    fn new(who: Who, tier: Tier) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        let stage = Self { who, tier, folder };
        stage.own(stage.folder.path());
        stage
    }

    /// Another one of the same user.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.who, self.tier)
    }

    /// Whether root runs the sandbox.
    pub(crate) fn is_root(&self) -> bool {
        self.who == Who::Caller && nix::unistd::geteuid().is_root()
    }

    /// Whether what the caller owns can be written by the program: root's files are not another
    /// user's, where the machine's own root is seen.
    pub(crate) fn writes_for_real(&self) -> bool {
        self.tier == Tier::Namespaces || !self.is_root()
    }

    /// A path in the folder of this stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives something to the user.
    pub(crate) fn own(&self, path: &Path) {
        if let Who::User(number) = self.who {
            chown(path, Some(number), Some(number)).expect("given");
        }
    }

    /// A file that the user owns.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        self.own(&path);
        path
    }

    /// A folder that the user owns.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("made");
        self.own(&path);
        path
    }

    /// A job that starts a program with everything else as small as can be.
    pub(crate) fn job(&self, argv: &[&str]) -> Job {
        Job {
            argv: argv.iter().map(OsString::from).collect(),
            env: [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", sandbox::HOME)]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec(),
            folder: "/".into(),
            mounts: vec![Mount {
                from: programs().to_owned(),
                at: "/programs".into(),
                access: Access::Read,
            }],
            network: Network::None,
            limits: Limits {
                wall: Duration::from_mins(1),
                cpu: None,
                memory: 1 << 30,
                processes: 64,
                files: 256,
                disk: 32 << 20,
                output: 1 << 20,
            },
            stdout: self.path("stdout"),
            stderr: self.path("stderr"),
            collect: Vec::new(),
        }
    }

    /// A job that attacks.
    pub(crate) fn attack(&self, arguments: &[&str]) -> Job {
        self.job(&[&["/programs/attack"], arguments].concat())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.env("SECRET", SECRET).current_dir("/");
        if let Who::User(number) = self.who {
            command.uid(number).gid(number);
        }
        command
    }

    /// Starts a job.
    pub(crate) fn start(&self, job: &Job) -> Running {
        let path = self.file("job.json", &serde_json::to_string(job).expect("text"));
        for stream in [&job.stdout, &job.stderr] {
            let _ = fs::remove_file(stream);
        }
        let mut command = self.command("run");
        command.arg(self.tier.to_string()).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: command.spawn().expect("started") }
    }

    /// Runs a job to its end.
    pub(crate) fn run(&self, job: &Job) -> Ended {
        self.start(job).end()
    }

    /// What the last job printed.
    pub(crate) fn printed(&self) -> String {
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        read("stdout") + &read("stderr")
    }

    /// Attacks without a sandbox, as the same user; gives whether it succeeded.
    pub(crate) fn succeeds_outside(&self, arguments: &[&str]) -> bool {
        // What it leaves behind would keep a pipe open.
        let mut attack = self.command("attack");
        attack.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        attack.status().expect("started").code() == Some(0)
    }

    /// Attacks from inside, and expects that it is refused.
    pub(crate) fn refused(&self, arguments: &[&str]) {
        self.refused_job(&self.attack(arguments));
    }

    /// The same, with a job of one's own.
    pub(crate) fn refused_job(&self, job: &Job) {
        let ended = self.run(job);
        assert_eq!(
            (ended.exit, &ended.by),
            (Some(Exit::Code(1)), &None),
            "{self} {:?}: {}",
            job.argv,
            self.printed()
        );
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}/{}", self.who, self.tier)
    }
}

/// The processes of this machine that have a word among their arguments.
pub(crate) fn survivors(word: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .filter(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

/// A word that no other process has.
pub(crate) fn word() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("word-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
