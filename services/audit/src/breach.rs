//! Who received what in a time: the first question after a breach.

use data_encoding::HEXLOWER;
use simpul_audit::breach::{BreachFilter, Summary, summarise};
use simpul_policy::Action;
use simpul_proto::v1;
use simpul_types::{FieldClass, Timestamp};
use tonic::{Request, Response, Status};

use crate::{AuditEdge, gate::Answered, listing::ACCESS_LOG, records, status};

/// Recipients in one answer.
const RECEIVED_MAX: usize = 10_000;
/// References of persons that are named for one recipient.
const PERSONS_MAX: usize = 1_000;

pub(crate) async fn report(
    edge: &AuditEdge,
    request: Request<v1::GetBreachReportRequest>,
) -> Result<Response<v1::BreachReport>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.breach_report", &asked.official, Some(&asked.purpose))?;
    let filter = filter(asked)?;
    let agency = asked.agency.clone();
    let decision = edge.gate.allow(&visit, Action::ReadAccess, ACCESS_LOG).await?;
    let worker = edge.clone();
    let made = tokio::task::spawn_blocking(move || -> Result<_, Status> {
        let summary =
            summarise(worker.gate.access_reader(), &filter).map_err(|error| status::of_entry(&error))?;
        // A message goes to an agency, not to one client or official of it.
        let whole_agencies = filter.certificate.is_none() && filter.official.is_none();
        let published = match &worker.records {
            Some(records) if whole_agencies => {
                records.published(filter.since, filter.until).map_err(|error| records::unread(&*error))?
            }
            _ => Vec::new(),
        };
        Ok((summary, published))
    });
    let (summary, published) = made.await.map_err(status::of_join)??;
    if summary.received.len() > RECEIVED_MAX {
        return Err(Status::invalid_argument(format!(
            "since_us: {} recipients are more than one report holds; ask for a shorter time or one agency",
            summary.received.len()
        )));
    }
    let answered = Answered {
        disclosed: vec![FieldClass::Reference],
        ..Answered::plain("BREACH_REPORT", edge.reader.head().end)
    };
    let access_entry = edge.gate.record(&visit, &decision, answered).await?;
    let published = published.into_iter().filter(|one| agency.is_empty() || one.agency.as_str() == agency);
    let published = published.map(|one| v1::PublishedTo {
        agency: one.agency.to_string(),
        messages: one.last_sequence + 1 - one.first_sequence,
        first_sequence: one.first_sequence,
        last_sequence: one.last_sequence,
    });
    let published = published.collect();
    Ok(Response::new(v1::BreachReport { published, access_entry, ..wire(summary) }))
}

fn filter(asked: &v1::GetBreachReportRequest) -> Result<BreachFilter, Status> {
    if asked.since_us >= asked.until_us {
        return Err(Status::invalid_argument("until_us: must be later than since_us"));
    }
    let agency = match asked.agency.as_str() {
        "" => None,
        code => Some(code.parse().map_err(|error| Status::invalid_argument(format!("agency: {error}")))?),
    };
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok(BreachFilter {
        since: Timestamp::from_us(asked.since_us),
        until: Timestamp::from_us(asked.until_us),
        agency,
        certificate: given(&asked.certificate),
        official: given(&asked.of_official),
    })
}

fn wire(summary: Summary) -> v1::BreachReport {
    let received = summary.received.into_iter().map(|(to, what)| v1::Received {
        agency: to.agency,
        client: to.client,
        certificate: to.certificate,
        official: to.official,
        action: to.action,
        purpose: to.purpose,
        disclosed: to.disclosed,
        answers: what.answers,
        first_us: what.first_us,
        last_us: what.last_us,
        persons: what.persons.len() as u64,
        everybody: what.everybody,
        person_refs: what.persons.iter().take(PERSONS_MAX).map(|one| HEXLOWER.encode(one)).collect(),
    });
    v1::BreachReport {
        received: received.collect(),
        entries: summary.entries,
        first_index: summary.first_index,
        persons: summary.persons,
        ..v1::BreachReport::default()
    }
}
