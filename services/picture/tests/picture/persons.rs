//! FindPersons. Everybody is invented.

use simpul_proto::v1::{FindPersonsRequest, picture_service_server::PictureService};
use tonic::Code;

use crate::support::*;

fn find(name: &str) -> FindPersonsRequest {
    FindPersonsRequest {
        name: name.into(),
        purpose: "ASSIST".into(),
        official: "petugas-7".into(),
        ..FindPersonsRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn qry_1_a_search_leaves_an_entry_that_names_everybody_it_disclosed() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let found =
        hub.service.find_persons(by("kbri-yangon", find("Tjontoh Sitti"))).await.unwrap().into_inner();
    assert_eq!(found.candidates.len(), 1);
    let person = &found.candidates[0];
    assert_eq!(person.claims.len(), 2, "what the registry says and what the mission says");
    assert_eq!(person.identifiers, ["NIK"], "that there is one, not which");
    assert!(!format!("{found:?}").contains(NIK) && !format!("{found:?}").contains("SITI"));
    let entries = hub.entries();
    let entry = &entries[found.access_entry as usize];
    assert_eq!((entry.action.as_str(), entry.answer.as_str()), ("picture.find_persons", "CANDIDATES"));
    assert_eq!(
        (entry.subject_ref.as_str(), &entry.disclosed[..]),
        (person.person_ref.as_str(), &["identity".into()][..])
    );

    let nobody = hub.service.find_persons(by("kbri-yangon", find("Nobody Such"))).await.unwrap().into_inner();
    assert!(nobody.candidates.is_empty());
    assert_eq!(hub.entries()[nobody.access_entry as usize].answer, "NO_RECORD");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_business_with_persons_is_refused_and_that_is_recorded() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let mut asked = find("Siti Contoh");
    asked.purpose = "OVERSIGHT".into();
    let refused = hub.service.find_persons(by("ombudsman", asked)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(hub.entries().last().unwrap().answer, "DENIED");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_wrong_names_the_field() {
    let hub = Hub::new();
    let base = find("Siti");
    for (field, asked) in [
        ("name", FindPersonsRequest { name: " .-, ".into(), ..base.clone() }),
        ("name", FindPersonsRequest { name: "a".repeat(201), ..base.clone() }),
        ("birth_date", FindPersonsRequest { birth_date: "1988-13-01".into(), ..base.clone() }),
        ("birth_date", FindPersonsRequest { birth_date: "88".into(), ..base.clone() }),
        ("origin", FindPersonsRequest { origin: "3".into(), ..base.clone() }),
        ("sex", FindPersonsRequest { sex: 9, ..base.clone() }),
        ("limit", FindPersonsRequest { limit: 51, ..base.clone() }),
        ("official", FindPersonsRequest { official: String::new(), ..base.clone() }),
    ] {
        let refused = hub.service.find_persons(by("kbri-yangon", asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    hub.stop().await;
}
