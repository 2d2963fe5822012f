//! `simpul audit usage-server`: who looked at a person, for a citizens' portal. The contract is that of Estonia's Data Tracker (RIA
//! Andmejälgija, usage service 2.0.0), which portals know how to ask:
//!
//! ```text
//! GET /v2/findUsage?userCode=ID3201…&periodStart=&periodEnd=&offset=&limit=      newest first
//!   200 {"totalUsages": 2, "usages": [{logtime, action, receiverCode, receiverName, receiverSystem}]}
//!   400 a parameter is wrong, named in the body       401 no token, or another       500 the hub did not answer
//! GET /v2/usagePeriod    200 {"periodStart"}
//! GET /v2/heartbeat      200 {"status": "OK" | "FAIL", "message"}
//! ```
//!
//! Every answer is made from a subject report whose signature, proofs and chains were checked first. It shows what was disclosed about
//! this one person; what concerned everybody on record, what was refused, and the portal's own look-ups are left out. It listens on
//! loopback only: the security server stands in front.

use std::{collections::BTreeMap, io::Write, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, ensure};
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use serde_json::{Value, json};
use simpul_audit::subject_report::LookLine;
use simpul_proto::v1::{
    self, audit_service_client::AuditServiceClient, directory_service_client::DirectoryServiceClient,
    get_subject_report_request::Subject,
};
use simpul_signing::{VerifyingKey, sha256};
use simpul_tlog::note::NoteVerifier;
use tokio::net::TcpListener;
use tonic::transport::Channel;

use super::subject_report::{checked, collect};
use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, parse_time, remark},
};

/// Entries of one answer, and where no limit is given.
const LIMIT_MAX: usize = 1_000;
/// Shortest token.
const TOKEN_CHARS_MIN: usize = 16;
/// Action of the reports that this server asks for.
const OWN_ACTION: &str = "audit.subject_report";

#[derive(Args)]
pub struct UsageServer {
    /// Loopback address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7481")]
    listen: SocketAddr,

    /// File with the bearer token that the portal shows, one line of at least 16 characters
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,

    /// Why it is asked
    #[arg(long, default_value = "OVERSIGHT")]
    purpose: String,

    /// Verifier key of the access log, as such or in a file; absent: the one in client.toml
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,
}

struct Shared {
    channel: Channel,
    access_log: NoteVerifier,
    verdict_key: VerifyingKey,
    /// SHA-256 of the token: digests are compared, so that time tells nothing about the token.
    token: [u8; 32],
    agency: String,
    official: String,
    purpose: String,
}

/// What one call asks for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    nik: String,
    since_us: i64,
    until_us: i64,
    offset: usize,
    limit: usize,
}

pub async fn run(
    command: UsageServer,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    ensure!(command.listen.ip().is_loopback(), "--listen: {} is no loopback address", command.listen);
    let shown = command.token_file.display();
    let token = std::fs::read_to_string(&command.token_file).with_context(|| format!("reading {shown}"))?;
    let token = token.trim();
    ensure!(token.len() >= TOKEN_CHARS_MIN, "{shown}: the token has fewer than {TOKEN_CHARS_MIN} characters");
    let official = connection.official()?;
    let stopping = simpul_runtime::shutdown_signal().context("signals")?;
    let hub = connection.connect().await?;
    let shared = Arc::new(Shared {
        access_log: connection::access_key(&hub.file, command.access_key.as_deref())?,
        verdict_key: connection::verdict_key(&hub.file, None)?,
        channel: hub.channel,
        token: sha256(&[token.as_bytes()]),
        agency: hub.file.hub.agency.to_string(),
        official,
        purpose: command.purpose,
    });
    let listener = TcpListener::bind(command.listen).await;
    let listener = listener.with_context(|| format!("listening on {}", command.listen))?;
    let url = format!("http://{}/v2/findUsage", listener.local_addr().context("the listener's address")?);
    if json {
        json_line(out, &json!({ "listening": url }))?;
    } else {
        writeln!(out, "listening {url}")?;
    }
    out.flush()?;
    let router = Router::new()
        .route("/v2/findUsage", get(find_usage))
        .route("/v2/usagePeriod", get(usage_period))
        .route("/v2/heartbeat", get(heartbeat))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned()).await.context("serving")
}

async fn find_usage(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if !shared.knows(&headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    let question = match Question::read(query.as_deref().unwrap_or_default()) {
        Ok(question) => question,
        Err((field, rule)) => return refused(field, rule),
    };
    match shared.usages(&question).await {
        Ok(found) => Json(found).into_response(),
        Err(Failed::Malformed) => refused("userCode", "a NIK of 16 digits, with or without ID before it"),
        Err(Failed::Other(error)) => {
            remark(format_args!("findUsage failed: {error}"));
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The access log is kept from its first entry on.
async fn usage_period(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.knows(&headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    match shared.first_entry().await {
        Ok(first) => Json(json!({ "periodStart": first })).into_response(),
        Err(error) => {
            remark(format_args!("usagePeriod failed: {error:#}"));
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn heartbeat(State(shared): State<Arc<Shared>>) -> Response {
    let mut client = DirectoryServiceClient::new(shared.channel.clone());
    let (status, message) = match client.list_agencies(v1::ListAgenciesRequest {}).await {
        Ok(_) => ("OK", "the hub answers".to_owned()),
        Err(status) => ("FAIL", status.code().description().to_owned()),
    };
    Json(json!({ "status": status, "message": message })).into_response()
}

fn refused(field: &str, rule: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "field": field, "reason": format!("must be {rule}") })))
        .into_response()
}

/// Why there is no answer.
enum Failed {
    /// The hub did not take the person's code.
    Malformed,
    /// Anything else.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error.into())
    }
}

impl Shared {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| sha256(&[token.trim().as_bytes()]) == self.token)
    }

    async fn usages(&self, question: &Question) -> Result<Value, Failed> {
        let request = v1::GetSubjectReportRequest {
            subject: Some(Subject::Nik(question.nik.clone())),
            purpose: self.purpose.clone(),
            official: self.official.clone(),
            since_us: question.since_us,
        };
        let parts = AuditServiceClient::new(self.channel.clone()).get_subject_report(request).await;
        let parts = match parts {
            Err(status) if status.code() == tonic::Code::InvalidArgument => return Err(Failed::Malformed),
            parts => answer(parts)?,
        };
        let report = checked(&collect(parts).await?, &self.access_log, &self.verdict_key)?;
        let names = self.names().await?;
        let until = simpul_types::Timestamp::from_us(question.until_us).to_string();
        let shown: Vec<&LookLine> =
            report.looks.iter().rev().filter(|look| self.shows(look) && look.at < until).collect();
        let page = shown.iter().skip(question.offset).take(question.limit);
        let usages: Vec<_> = page.map(|look| usage(look, &names)).collect();
        Ok(json!({ "totalUsages": shown.len(), "usages": usages }))
    }

    fn shows(&self, look: &LookLine) -> bool {
        let own = look.agency == self.agency && look.action == OWN_ACTION;
        !own && !look.everybody && !look.disclosed.is_empty() && look.answer != "NO_RECORD"
    }

    async fn names(&self) -> Result<BTreeMap<String, String>, Failed> {
        let mut client = DirectoryServiceClient::new(self.channel.clone());
        let listed = answer(client.list_agencies(v1::ListAgenciesRequest {}).await)?;
        Ok(listed.agencies.into_iter().map(|agency| (agency.code, agency.name)).collect())
    }

    async fn first_entry(&self) -> anyhow::Result<String> {
        let request = v1::ListAccessRequest {
            until_index: 1,
            purpose: self.purpose.clone(),
            official: self.official.clone(),
            ..v1::ListAccessRequest::default()
        };
        let mut entries = answer(AuditServiceClient::new(self.channel.clone()).list_access(request).await)?;
        let first = entries.message().await?.and_then(|record| record.entry);
        let at_us = first.map(|entry| entry.at_us).unwrap_or_default();
        Ok(simpul_types::Timestamp::from_us(at_us).to_string())
    }
}

impl Question {
    /// Reads the query; names the parameter that is wrong.
    fn read(query: &str) -> Result<Self, (&'static str, &'static str)> {
        let given: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let text = |name: &str| given.get(name).map(|value| value.as_ref()).filter(|value| !value.is_empty());
        let code = text("userCode").ok_or(("userCode", "given"))?;
        let time = |name: &'static str, absent: i64| match text(name) {
            None => Ok(absent),
            // Without an offset it is UTC.
            Some(time) => parse_time(time)
                .or_else(|_| parse_time(&format!("{time}Z")))
                .map_err(|_| (name, "a time like 2026-11-22T08:00:00Z")),
        };
        let number = |name: &'static str, absent: usize| match text(name) {
            None => Ok(absent),
            Some(number) => number.parse().map_err(|_| (name, "a whole number")),
        };
        let question = Self {
            nik: code.strip_prefix("ID").unwrap_or(code).to_owned(),
            since_us: time("periodStart", 0)?,
            until_us: time("periodEnd", i64::MAX)?,
            offset: number("offset", 0)?,
            limit: number("limit", LIMIT_MAX)?,
        };
        match question.limit {
            1..=LIMIT_MAX => Ok(question),
            _ => Err(("limit", "1 to 1000")),
        }
    }
}

fn usage(look: &LookLine, names: &BTreeMap<String, String>) -> Value {
    json!({
        "logtime": look.at,
        "action": words(look),
        "receiverCode": look.agency,
        "receiverName": names.get(&look.agency).unwrap_or(&look.agency),
        "receiverSystem": look.client,
    })
}

/// What was done, in words that a person understands.
fn words(look: &LookLine) -> String {
    let action = match look.action.as_str() {
        "legality.check" => "Pemeriksaan keabsahan penempatan",
        "picture.case" => "Melihat berkas kasus",
        "picture.placement" => "Melihat data penempatan",
        "picture.record" => "Melihat catatan",
        "picture.find_persons" => "Pencarian orang menurut nama",
        "picture.match_shelters" => "Pencarian rumah aman",
        "audit.bundle" => "Pengambilan berkas bukti",
        "audit.subject_report" => "Laporan siapa yang melihat data",
        other => other,
    };
    if look.purpose.is_empty() { action.to_owned() } else { format!("{action} ({})", look.purpose) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_the_contract_has_it_and_what_is_wrong_is_named() {
        let read = |query: &str| Question::read(query);
        let plain = Question {
            nik: "3201015206750001".into(),
            since_us: 0,
            until_us: i64::MAX,
            offset: 0,
            limit: 1_000,
        };
        assert_eq!(read("userCode=ID3201015206750001"), Ok(plain));
        let paged = read(
            "userCode=3201015206750001&periodStart=2021-01-31T10:20:30&limit=5&offset=10&periodEnd=2021-02-01T00:00:00%2B07:00",
        );
        let paged = paged.expect("right");
        assert_eq!((paged.since_us, paged.limit, paged.offset), (1_612_088_430_000_000, 5, 10));
        assert_eq!(paged.until_us, 1_612_112_400_000_000);
        for (query, field) in [
            ("", "userCode"),
            ("userCode=&limit=1", "userCode"),
            ("userCode=1&limit=0", "limit"),
            ("userCode=1&limit=1001", "limit"),
            ("userCode=1&limit=x", "limit"),
            ("userCode=1&offset=-1", "offset"),
            ("userCode=1&periodStart=yesterday", "periodStart"),
        ] {
            assert_eq!(read(query).expect_err(query).0, field);
        }
    }
}
