//! The other stores' own servers, as `tests/peers/install` leaves them, each durable before it answers unless marked.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{Process, free_port};

/// A store that Simpul is measured beside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Event store with gRPC; two flushes a commit.
    Umadb,
    /// Event store with a segmented log; one flush a group.
    Tephra,
    /// NATS with a flush before every acknowledgment.
    JetstreamAlways,
    /// NATS as it comes: acknowledged before it is on the disk.
    JetstreamDefault,
    /// A table with unique ids and versions.
    Postgres,
}

impl Peer {
    /// In the order in which they stand in tables.
    pub const ALL: [Self; 5] =
        [Self::Umadb, Self::Tephra, Self::JetstreamAlways, Self::Postgres, Self::JetstreamDefault];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Umadb => "UmaDB 0.7.8",
            Self::Tephra => "tephra 0.4.4",
            Self::JetstreamAlways => "JetStream, sync always",
            Self::JetstreamDefault => "JetStream default (not durable)",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Whether its acknowledgment means that the event is on stable storage.
    pub fn durable(self) -> bool {
        self != Self::JetstreamDefault
    }

    /// Which of the driver's clients speaks to it.
    pub fn client(self) -> &'static str {
        match self {
            Self::Umadb => "umadb",
            Self::Tephra => "tephra",
            Self::JetstreamAlways | Self::JetstreamDefault => "jetstream",
            Self::Postgres => "postgres",
        }
    }

    /// Starts its server on `data` and waits until it answers; its address.
    ///
    /// # Panics
    /// Where it is not installed or does not come up.
    pub fn start(self, data: &Path) -> (Process, String) {
        let data = data.join(self.folder());
        fs::create_dir_all(&data).expect("a folder for its data");
        let data = data.canonicalize().expect("the folder is there");
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let command = match self {
            Self::Umadb => {
                let mut command = Command::new(installed("target/peers/venv/bin/umadb"));
                command.args(["--listen", &address]).arg("--db-path").arg(data.join("uma.db"));
                command
            }
            Self::Tephra => {
                let mut command = Command::new(installed("target/peers/bin/tephra-server"));
                command.args(["-b", &address]).arg("-d").arg(data.join("events"));
                command
            }
            Self::JetstreamAlways => nats(&data, port, "sync_interval: always"),
            Self::JetstreamDefault => nats(&data, port, ""),
            Self::Postgres => postgres(&data, port),
        };
        let mut process = Process::start(command, &data.join("server.log"));
        process.wait_for("its port", || TcpStream::connect(&address).ok());
        if self == Self::Postgres {
            process.wait_for("pg_isready", || {
                let mut ready = Command::new(postgres_bin().join("pg_isready"));
                ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
                ready.status().ok()?.success().then_some(())
            });
        }
        (process, address)
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Umadb => "umadb",
            Self::Tephra => "tephra",
            Self::JetstreamAlways => "jetstream-always",
            Self::JetstreamDefault => "jetstream-default",
            Self::Postgres => "postgres",
        }
    }
}

/// A program below the repository, made absolute.
///
/// # Panics
/// Where it is missing.
pub fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    assert!(path.exists(), "{} is missing; run tests/peers/install", path.display());
    path
}

fn nats(data: &Path, port: u16, sync: &str) -> Command {
    let config = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{\n  store_dir: {:?}\n  max_file_store: 40GB\n  {sync}\n}}\n",
        data.join("store")
    );
    fs::write(data.join("nats.conf"), config).expect("its configuration is written");
    let mut command = Command::new(crate::nats::server());
    command.arg("--config").arg(data.join("nats.conf"));
    command
}

/// Flushes on (`fsync`, `synchronous_commit`, `full_page_writes` as they come), room for large checkpoints.
const POSTGRES_SETTINGS: [&str; 7] = [
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "min_wal_size=2GB",
    "checkpoint_timeout=30min",
];

fn postgres(data: &Path, port: u16) -> Command {
    let cluster = data.join("cluster");
    if !cluster.exists() {
        fs::create_dir(&cluster).expect("a folder for the cluster");
        if root() {
            let owned = Command::new("chown").arg("postgres:").arg(&cluster).status();
            assert!(owned.expect("chown runs").success(), "PostgreSQL's user must own its folder");
        }
        let mut init = as_postgres("initdb");
        init.arg("--pgdata").arg(&cluster).args(["--username", "postgres", "--auth", "trust", "--no-sync"]);
        let made = init.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }
    let mut command = as_postgres("postgres");
    command.arg("-D").arg(&cluster).args(["-p", &port.to_string()]);
    for setting in POSTGRES_SETTINGS {
        command.args(["-c", setting]);
    }
    command
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &str) -> Command {
    let program = postgres_bin().join(program);
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The newest that Debian installed.
fn postgres_bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").exists());
    found.max().expect("PostgreSQL below /usr/lib/postgresql; run tests/peers/install")
}
