//! A realm as `simpul directory init` makes it, with the real hub, the real NATS server and the real command line tool.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use simpul_cli::init::{AgencySeed, InitOptions, Realm, demo_agencies, init};
use simpul_connector::{Client, ClientConfig, ClientFile};
use simpul_signing::{EpochKeys, MasterKey};
use simpul_types::{Clock, clock::System};
use tempfile::TempDir;

use crate::process::{Process, binary, free_port};

/// A realm in a folder of its own.
pub struct World {
    dir: TempDir,
    /// What was made.
    pub realm: Realm,
    /// Fixed for the realm's life, so that a restarted hub is found again.
    pub grpc_port: u16,
    nats_port: Option<u16>,
}

impl World {
    /// A realm without NATS.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn new() -> Self {
        Self::make(None, None, "", demo_agencies())
    }

    /// A realm with NATS.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn with_nats() -> Self {
        Self::make(Some(free_port()), None, "", demo_agencies())
    }

    /// A realm whose folder lies in `base`, for benchmarks on a given disk, with Cedar policies beside the first matrix.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn in_folder(base: &Path, further_policies: &str) -> Self {
        Self::make(None, Some(base), further_policies, demo_agencies())
    }

    /// The same with NATS.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn with_nats_in(base: &Path) -> Self {
        Self::make(Some(free_port()), Some(base), "", demo_agencies())
    }

    /// A realm with NATS, and with every kind of agency that the stories of `domain.md` §6.2 need.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn of_all_agencies() -> Self {
        Self::make(Some(free_port()), None, "", all_agencies())
    }

    fn make(
        nats_port: Option<u16>,
        base: Option<&Path>,
        further_policies: &str,
        agencies: Vec<AgencySeed>,
    ) -> Self {
        let dir = match base {
            Some(base) => TempDir::new_in(base),
            None => TempDir::new(),
        };
        let dir = dir.expect("a temporary folder");
        let grpc_port = free_port();
        let mut options = InitOptions::demo(dir.path().join("realm"), System.now());
        (options.grpc_port, options.tiles_port) = (grpc_port, 0);
        (options.metrics_port, options.nats_port) = (0, nats_port);
        options.further_policies = further_policies.into();
        options.agencies = agencies;
        let realm = init(&options, &System).unwrap_or_else(|error| panic!("directory init: {error}"));
        Self { dir, realm, grpc_port, nats_port }
    }

    /// The realm's own folder and everything beside it.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The hub's data.
    pub fn data(&self) -> PathBuf {
        self.realm.dir.join("data")
    }

    /// The hub's master key, with the key epochs as they are now.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn master_key(&self) -> MasterKey {
        let text = |name| fs::read_to_string(self.realm.dir.join("hub").join(name)).expect("a key file");
        let epochs = EpochKeys::from_text(&text("epochs.key")).expect("epochs");
        MasterKey::from_text(&text("master.key")).expect("a master key").with_epochs(epochs)
    }

    /// Changes the hub's configuration as text.
    ///
    /// # Panics
    /// Where the file cannot be read or written.
    pub fn configure(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.realm.hub_config).expect("hub.toml is there");
        fs::write(&self.realm.hub_config, change(text)).expect("hub.toml is written");
    }

    /// Lets one connector ask as often as it can: a benchmark's client stands for hundreds.
    ///
    /// # Panics
    /// Where the file cannot be read or written.
    pub fn as_many_requests_as_come(&self) {
        self.configure(|text| text.replace("[listen]\n", "[listen]\nrequests_per_second_max = 1000000\n"));
    }

    /// Starts the hub and waits until it is ready.
    ///
    /// # Panics
    /// Where it is not ready in time.
    pub fn hub(&self) -> Hub {
        let mut command = Command::new(binary("simpul-hub"));
        command.arg("--config").arg(&self.realm.hub_config);
        self.hub_from(command)
    }

    /// The same by another command line, for limits set around it.
    ///
    /// # Panics
    /// Where it is not ready in time.
    pub fn hub_from(&self, command: Command) -> Hub {
        self.start(command, &self.data())
    }

    /// Starts the hub on another data folder, which its configuration names already.
    ///
    /// # Panics
    /// Where it is not ready in time.
    pub fn hub_in(&self, data: &Path) -> Hub {
        let mut command = Command::new(binary("simpul-hub"));
        command.arg("--config").arg(&self.realm.hub_config);
        self.start(command, data)
    }

    fn start(&self, command: Command, data: &Path) -> Hub {
        let listen = data.join("listen.json");
        fs::remove_file(&listen).ok();
        let mut process = Process::start(command, &self.path().join("hub.log"));
        let listen = process
            .wait_for("listen.json", || serde_json::from_slice::<Value>(&fs::read(&listen).ok()?).ok());
        let metrics = listen["metrics"].as_str().unwrap_or_default().to_string();
        process.wait_for("/readyz", || (http_get(&metrics, "/readyz")?.0 == 200).then_some(()));
        Hub { process, metrics }
    }

    /// Starts the NATS server and waits until it listens.
    ///
    /// # Panics
    /// Where it is not installed (`deploy/install-nats`) or not ready in time.
    pub fn nats(&self) -> Process {
        let config = self.realm.nats_config.as_ref().expect("a realm with NATS");
        let mut command = Command::new(crate::nats::server());
        command.arg("--config").arg(config);
        let mut process = Process::start(command, &self.path().join("nats.log"));
        let address = format!("127.0.0.1:{}", self.nats_port.expect("a realm with NATS"));
        process.wait_for("the NATS port", || std::net::TcpStream::connect(&address).ok());
        process
    }

    /// Port of NATS.
    pub fn nats_port(&self) -> Option<u16> {
        self.nats_port
    }

    /// How one connector or desk reaches the hub.
    ///
    /// # Panics
    /// Where the realm does not know it.
    pub fn config(&self, agency: &str, connector: &str) -> ClientConfig {
        let path = self.realm.client_config(agency, connector);
        ClientFile::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).hub
    }

    /// Connects one.
    ///
    /// # Panics
    /// Where the hub cannot be reached.
    pub async fn client(&self, agency: &str, connector: &str) -> Client {
        let client = Client::connect(self.config(agency, connector)).await;
        client.unwrap_or_else(|error| panic!("{agency}/{connector}: {error:?}"))
    }

    /// Runs `simpul --client <file of agency/connector> …`.
    ///
    /// # Panics
    /// Where the binary is not built.
    pub fn cli(&self, agency: &str, connector: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("simpul"));
        command.arg("--client").arg(self.realm.client_config(agency, connector));
        command.args(["--official", "tester"]).args(arguments);
        command.output().expect("simpul runs")
    }

    /// Runs `simpul directory … --json` with the authority's `first` or `second` key.
    ///
    /// # Panics
    /// Where the binary is not built.
    pub fn authority(&self, which: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("simpul"));
        command.arg("--client").arg(self.realm.authority_config(which));
        command.args(["--json", "directory"]).args(arguments);
        command.output().expect("simpul runs")
    }

    /// Changes the directory as it has to be changed: proposed with one key, approved with the other. Gives the position of the
    /// approval.
    ///
    /// # Panics
    /// Where one of them is refused.
    pub fn change_directory(&self, arguments: &[&str]) -> u64 {
        let said = |output: Output| -> Value {
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).expect("JSON")
        };
        let proposed = said(self.authority("first", arguments));
        let proposal = proposed["proposal"].as_str().expect("a reference");
        let approved = said(self.authority("second", &["approve", proposal]));
        approved["position"].as_u64().expect("a position")
    }

    /// The same with `--json`, parsed.
    ///
    /// # Panics
    /// Where the command fails or prints no JSON.
    pub fn cli_json(&self, agency: &str, connector: &str, arguments: &[&str]) -> Value {
        let output = self.cli(agency, connector, &[arguments, &["--json"]].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "simpul {arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("simpul {arguments:?}: {error}: {out}"))
    }

    /// The same for commands that print one JSON object a line.
    ///
    /// # Panics
    /// Where the command fails or a line is no JSON.
    pub fn cli_lines(&self, agency: &str, connector: &str, arguments: &[&str]) -> Vec<Value> {
        let output = self.cli(agency, connector, &[arguments, &["--json"]].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "simpul {arguments:?}: {err}");
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

/// The demo's agencies and one of every further kind.
fn all_agencies() -> Vec<AgencySeed> {
    let mut agencies = demo_agencies();
    for (code, name, kind) in [
        ("polri-kalbar", "Polda Kalimantan Barat", "police"),
        ("imipas", "Direktorat Jenderal Imigrasi", "immigration"),
        ("kejaksaan", "Kejaksaan Republik Indonesia", "prosecution"),
        ("kemensos", "Kementerian Sosial", "social"),
        ("kemenkes", "Kementerian Kesehatan", "health"),
        ("lpsk", "Lembaga Perlindungan Saksi dan Korban", "protection"),
        ("migrant-care", "Migrant Care", "companion"),
        ("desa-sukamaju", "Desa Sukamaju", "village"),
        ("kemenko", "Kemenko Polkam", "coordination"),
        ("gugus-tugas-kalbar", "Gugus Tugas TPPO Kalimantan Barat", "coordination"),
        ("uptd-ppa-singkawang", "UPTD PPA Kota Singkawang", "social"),
    ] {
        let (code, name, kind) = (code.into(), name.into(), kind.into());
        agencies.push(AgencySeed { code, name, kind, connectors: vec!["desk".into()] });
    }
    agencies
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A running hub.
pub struct Hub {
    /// The process.
    pub process: Process,
    /// Address of metrics and health.
    pub metrics: String,
}

impl Hub {
    /// SIGKILL.
    pub fn kill(self) {
        self.process.kill();
    }

    /// SIGTERM; the hub drains and stops.
    ///
    /// # Panics
    /// Where it does not end well.
    pub fn stop(self) {
        let log = self.process.log.clone();
        let status = self.process.stop();
        assert!(
            status.success(),
            "the hub ended with {status}: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
    }

    /// A page of the metrics and health server: status and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http_get(&self.metrics, path)
    }

    /// Lines of its log at a level.
    pub fn lines(&self, level: &str) -> Vec<String> {
        let text = fs::read_to_string(&self.process.log).unwrap_or_default();
        text.lines().filter(|line| line.contains(level)).map(str::to_string).collect()
    }

    /// An unexpected ERROR or WARN line fails the test.
    ///
    /// # Panics
    /// Where there is one.
    pub fn expect_quiet(&self) {
        let loud: Vec<_> = self.lines(" WARN ").into_iter().chain(self.lines(" ERROR ")).collect();
        assert!(loud.is_empty(), "unexpected lines: {loud:#?}");
    }
}

fn http_get(address: &str, path: &str) -> Option<(u16, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default();
    Some((status, body))
}
