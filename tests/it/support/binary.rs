//! The real binary as a child process, in a working directory of its own.
//!
//! A child starts with only the settings it is given. The harness waits for the line that names its
//! address, ends it by any signal, and keeps its output. No child outlives its handle.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any task of a hub here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two polls of a child or a file, which cannot be awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A working directory, and the environment of the programs that run there.
pub struct Sandbox {
    _dir: TempDir,
    path: PathBuf,
    settings: Vec<(String, String)>,
}

/// The hub to test: the binary that `SWITCHBOARD_BIN` names, or else the one built with the tests.
fn binary() -> PathBuf {
    std::env::var_os("SWITCHBOARD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_switchboard").into(), PathBuf::from)
}

impl Sandbox {
    /// An empty directory; a free port.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        Self { _dir: dir, path, settings: vec![("BIND".into(), "127.0.0.1:0".into())] }
    }

    /// Moves the sandbox to a new subfolder of the directory.
    pub fn inside(mut self, folder: &str) -> Self {
        self.path.push(folder);
        std::fs::create_dir(&self.path).unwrap();
        self
    }

    /// Adds one more setting; the last of two counts.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Starts the binary; several may follow each other, or run side by side.
    pub fn start(&self, arguments: &[&str]) -> Binary {
        let mut command = Command::new(binary());
        command.args(arguments);
        self.start_command(command, None)
    }

    /// The same with at most this many descriptors.
    pub fn start_with_descriptors(&self, most: usize) -> Binary {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {most} && exec {}", binary().display())]);
        self.start_command(command, None)
    }

    /// The same with another standard error, which receives the log.
    pub fn start_with_stderr(&self, stderr: impl Into<Stdio>) -> Binary {
        self.start_command(Command::new(binary()), Some(stderr.into()))
    }

    /// Starts another program in the sandbox.
    pub fn start_other(&self, command: Command) -> Binary {
        self.start_command(command, None)
    }

    /// Starts it with this on standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let path = self.path("input");
        std::fs::write(&path, input).unwrap();
        let mut command = Command::new(binary());
        command.args(arguments).stdin(File::open(path).unwrap());
        self.start_command(command, None).ended().await
    }

    fn start_command(&self, mut command: Command, other_stderr: Option<Stdio>) -> Binary {
        let said = |stream: &str| {
            let path = (1..).map(|n| self.path(&format!("{n}.{stream}"))).find(|path| !path.exists());
            path.unwrap()
        };
        let (stdout, stderr) = (said("stdout"), said("stderr"));
        let file = |path: &Path| File::create(path).unwrap();
        file(&stderr);
        let child = command
            .current_dir(&self.path)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(file(&stdout))
            .stderr(other_stderr.unwrap_or_else(|| file(&stderr).into()))
            .spawn()
            .unwrap();
        Binary { child, stdout, stderr }
    }

    /// Runs the binary to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended().await
    }
}

/// A started binary.
pub struct Binary {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The result of a child that ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Binary {
    /// The address `127.0.0.1:PORT`, as soon as it listens there.
    pub async fn address(&mut self) -> String {
        wait_for("the address", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the hub ended ({status}): {}", read(&self.stderr));
            }
            let said = read(&self.stdout);
            // The test program prints its own line before it.
            let is_said = |line: &&str| line.ends_with('\n') && !["\n", "running 1 test\n"].contains(line);
            let line = said.split_inclusive('\n').find(is_said)?.trim_end();
            let address = line.strip_prefix("switchboard listening on http://");
            Some(address.unwrap_or_else(|| panic!("an unexpected first line: {line}")).to_owned())
        })
        .await
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its output on standard error so far.
    pub fn log(&self) -> String {
        read(&self.stderr)
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// Number of open files and sockets.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Resident bytes.
    pub fn memory(&self) -> usize {
        let pages = read(&self.proc("statm")).split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        pages * 4096
    }

    /// Processor seconds since it began.
    pub fn busy_seconds(&self) -> f64 {
        let stat = read(&self.proc("stat"));
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // The two values are user and kernel time, in hundredths of a second.
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap());
        f64::from(ticks.sum::<u32>()) / 100.0
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends `TERM`, `INT` …
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "the hub still runs");
    }

    /// Waits until it has ended by itself, and returns whether it succeeded.
    pub async fn has_ended_well(&mut self) -> bool {
        wait_for("the end of the process", async || self.child.try_wait().unwrap()).await.success()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> Ended {
        let status = wait_for("the end of the process", async || self.child.try_wait().unwrap()).await;
        Ended { status, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // Both calls fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A promise about time must be kept in one of three tries, each of which describes how it was
/// broken otherwise. A machine that stalls spoils one try, a slow hub spoils all.
pub async fn keeps_its_time(mut once: impl AsyncFnMut() -> Result<(), String>) {
    let mut broken = Vec::new();
    while broken.len() < 3 {
        match once().await {
            Ok(()) => return,
            Err(how) => broken.push(how),
        }
    }
    panic!("{broken:#?}");
}

/// Polls until there is a value.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("timed out after {PATIENCE:?} waiting for {what}"),
    }
}
