//! Logs in memory, honest and forked, and a witness that is served.

#![allow(clippy::unwrap_used, dead_code, reason = "a test; not every test uses all of it")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use simpul_tlog::{
    checkpoint::Checkpoint,
    cosignature::{self, CosignatureSigner},
    leaf_hash,
    note::{NoteSigner, NoteVerifier, SignedNote},
    root_of,
    stored::{self, Frontier, HashReader},
};
use simpul_types::{Clock, Digest, Timestamp};
use simpul_witness::{AddCheckpoint, Answer, Client, LedgerError, Reply, Target, Witness, server};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub const ORIGIN: &str = "simpul.example/demo";
pub const SECOND_ORIGIN: &str = "simpul.example/demo/access";

/// Stands still at these seconds.
pub struct Fixed(pub i64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(self.0 * 1_000_000)
    }
}

fn signer(origin: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(origin, &[seed; 32]).unwrap()
}

pub fn log_key() -> NoteVerifier {
    signer(ORIGIN, 1).verifier()
}

pub fn witness_signer() -> CosignatureSigner {
    CosignatureSigner::new("witness.example/ngo", &[9; 32]).unwrap()
}

pub fn open(dir: &Path, now_s: i64) -> Result<Witness, LedgerError> {
    let logs = vec![log_key(), signer(SECOND_ORIGIN, 2).verifier()];
    Witness::open(witness_signer(), logs, dir, Arc::new(Fixed(now_s)))
}

pub struct Log {
    signer: NoteSigner,
    leaves: Vec<Digest>,
    stored: Stored,
}

struct Stored(Vec<Digest>);

impl HashReader for Stored {
    type Error = ();

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, ()> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

impl Log {
    pub fn new(leaves: u64) -> Self {
        Self::of(signer(ORIGIN, 1), leaves, u64::MAX)
    }

    /// Another history from leaf `from` on, under the same key.
    pub fn forked(leaves: u64, from: u64) -> Self {
        Self::of(signer(ORIGIN, 1), leaves, from)
    }

    fn of(signer: NoteSigner, leaves: u64, forked_from: u64) -> Self {
        let text = |leaf| format!("{} {leaf}", if leaf < forked_from { "leaf" } else { "other" });
        let leaves: Vec<_> = (0..leaves).map(|leaf| leaf_hash(text(leaf).as_bytes())).collect();
        let (mut tree, mut stored) = (Frontier::empty(), Vec::new());
        for leaf in &leaves {
            tree.push(*leaf, &mut stored);
        }
        Self { signer, leaves, stored: Stored(stored) }
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        let root = root_of(&self.leaves[..size as usize]);
        Checkpoint { origin: self.signer.name().into(), size, root }
    }

    pub fn note(&self, size: u64) -> String {
        self.checkpoint(size).sign(&self.signer)
    }

    pub fn request(&self, old: u64, size: u64) -> String {
        self.request_with(old, size, &stored::consistency_proof(old, size, &self.stored).unwrap())
    }

    pub fn request_with(&self, old: u64, size: u64, proof: &[Digest]) -> String {
        AddCheckpoint { old, proof: proof.to_vec(), note: self.note(size) }.encode()
    }
}

/// A log that the witness does not know.
pub fn other_log() -> Log {
    Log::of(signer("simpul.example/other", 1), 10, u64::MAX)
}

/// The known origin under another key.
pub fn forged() -> Log {
    Log::of(signer(ORIGIN, 77), 40, u64::MAX)
}

/// The second log that the witness knows.
pub fn second_log() -> Log {
    Log::of(signer(SECOND_ORIGIN, 2), 20, u64::MAX)
}

/// The line, verified over the checkpoint.
pub fn time_of(log: &Log, size: u64, line: &str) -> u64 {
    let note =
        SignedNote::open(&format!("{}{line}", log.note(size)), &[witness_signer().verifier()]).unwrap();
    cosignature::time_of(&note.signatures[1]).unwrap()
}

pub fn cosigned(log: &Log, size: u64, reply: Reply) {
    let Reply::Cosigned(line) = reply else { panic!("{reply:?}") };
    assert!(time_of(log, size, &line) > 0);
}

pub fn line(answer: Answer) -> String {
    match answer {
        Answer::Cosigned(line) => line,
        answer => panic!("{answer:?}"),
    }
}

#[derive(Clone)]
pub struct Tls {
    server: Arc<rustls::ServerConfig>,
    ca: String,
}

pub fn tls() -> Tls {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Tls { server: Arc::new(server), ca: made.cert.pem() }
}

pub struct Served {
    pub address: SocketAddr,
    pub vkey: NoteVerifier,
    target: Target,
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

impl Served {
    pub async fn start(dir: &Path, tls: Option<Tls>) -> Self {
        Self::start_at(dir, tls, "127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn start_at(dir: &Path, tls: Option<Tls>, address: SocketAddr) -> Self {
        let witness = Arc::new(open(dir, 1_700_000_000).unwrap());
        let vkey = witness.verifier();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = match &tls {
            None => Target::new(&format!("http://{address}"), None),
            Some(tls) => {
                Target::new(&format!("https://localhost:{}/", address.port()), Some(tls.ca.as_bytes()))
            }
        };
        let stopping = CancellationToken::new();
        let tls = tls.map(|tls| tls.server);
        let task = tokio::spawn(server::serve(listener, tls, witness, stopping.clone()));
        Self { address, vkey, target: target.unwrap(), task, stopping }
    }

    pub fn client(&self) -> Client {
        Client::new(self.target.clone())
    }

    pub async fn stop(self) {
        self.stopping.cancel();
        self.task.await.unwrap();
    }
}
