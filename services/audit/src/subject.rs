//! Everybody who looked at a person. The report is an access to that person like any other, and the newest entry in itself.

use std::collections::BTreeSet;

use futures_util::stream;
use simpul_audit::{
    EVERYBODY,
    subject_report::{self, Report, ReportError, make_report},
};
use simpul_policy::Action;
use simpul_proto::{
    status::failure_class,
    v1::{self, check_request, get_subject_report_request::Subject as S},
};
use simpul_types::FieldClass;
use tonic::{Request, Response, Status};

use crate::{
    Answers, AuditEdge,
    bundles::chunks,
    gate::Answered,
    listing::ACCESS_LOG,
    records::{self, SubjectError},
    status,
};

pub(crate) async fn report(
    edge: &AuditEdge,
    request: Request<v1::GetSubjectReportRequest>,
) -> Result<Response<Answers<v1::BundlePart>>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.subject_report", &asked.official, Some(&asked.purpose))?;
    let subject = subject(asked)?;
    let since_us = asked.since_us;
    let decision = edge.gate.allow(&visit, Action::ReadAccess, ACCESS_LOG).await?;
    let worker = edge.clone();
    let subjects =
        tokio::task::spawn_blocking(move || worker.records()?.subjects_of(&subject).map_err(wrong));
    let position = edge.reader.head().end;
    let mut subjects: BTreeSet<_> = match subjects.await.map_err(status::of_join)? {
        Ok(subjects) => subjects,
        Err(error) => {
            // Whoever tries is told too.
            if let Some(class) = failure_class(error.code()) {
                edge.gate.record(&visit, &decision, Answered::plain(class, position)).await?;
            }
            return Err(error);
        }
    };
    let answered = Answered {
        disclosed: vec![FieldClass::Reference],
        subjects: subjects.iter().copied().collect(),
        ..Answered::plain("SUBJECT_REPORT", position)
    };
    let access_entry = edge.gate.record(&visit, &decision, answered).await?;
    subjects.insert(EVERYBODY);
    let at = visit.at();
    let over = visit.directory();
    let over = over.embargoes().filter(|embargo| embargo.until <= at);
    let released = over.map(|embargo| embargo.reference.clone()).collect();
    let (worker, issued_to) = (edge.clone(), visit.agency().to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let key = worker.signing_key()?;
        let report = Report { subjects, released, issued_to, at, since_us, access_entry, key: &key };
        make_report(worker.gate.access(), &report).map_err(|error| match error {
            ReportError::TooLarge => Status::out_of_range(error.to_string()),
            ReportError::NotYet(_) => Status::unavailable(error.to_string()),
            ReportError::Entry(error) => status::of_entry(&error),
        })
    });
    let report = made.await.map_err(status::of_join)??;
    Ok(Response::new(Box::pin(stream::iter(chunks(subject_report::encode(&report))))))
}

fn subject(asked: &v1::GetSubjectReportRequest) -> Result<check_request::Subject, Status> {
    Ok(match asked.subject.clone() {
        Some(S::Nik(text)) => check_request::Subject::Nik(text),
        Some(S::Passport(text)) => check_request::Subject::Passport(text),
        Some(S::Card(text)) => check_request::Subject::Card(text),
        Some(S::Mrz(text)) => check_request::Subject::Mrz(text),
        Some(S::PersonRef(text)) => check_request::Subject::PersonRef(text),
        None => {
            let message = "subject: must be one of nik, passport, card, mrz and person_ref";
            return Err(Status::invalid_argument(message));
        }
    })
}

fn wrong(error: SubjectError) -> Status {
    match error {
        SubjectError::Malformed { .. } => Status::invalid_argument(error.to_string()),
        SubjectError::Read(source) => records::unread(&*source),
    }
}
