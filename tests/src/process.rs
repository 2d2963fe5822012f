//! Child processes that never outlive their test, ended by process id.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long anything here may take to come up or to stop.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running program whose output goes to a file.
pub struct Process {
    child: Child,
    /// Standard output and error, together.
    pub log: PathBuf,
}

impl Process {
    /// Starts a program; its output goes to `log`, appended.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log file opens");
        let again = file.try_clone().expect("the log file opens twice");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(again).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
        Self { child, log: log.into() }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    /// SIGKILL, and gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// SIGTERM, and waits until it is gone.
    ///
    /// # Panics
    /// Where it does not stop in time.
    pub fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it is gone of itself.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn ended(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "does not stop: {}", self.tail());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The end of its output.
    pub fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Waits until `ready` has something.
    ///
    /// # Panics
    /// Where the program ends or takes too long.
    pub fn wait_for<T>(&mut self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(self.runs(), "ended before {what}: {}", self.tail());
            assert!(start.elapsed() < PATIENCE, "no {what} in time: {}", self.tail());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A binary of this workspace, beside the test that runs.
///
/// # Panics
/// Where it is not built.
pub fn binary(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().expect("the test knows its path");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is not built; run `cargo build --workspace --bins` or tests/run",
        path.display()
    );
    path
}

/// A port that was free a moment ago.
///
/// # Panics
/// Where loopback has none.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
