//! Two agencies want the same at the same moment: one has it, the other is told who. Point 5 of the issue, over the wire.

use std::thread;

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act, case, day};

const POLICE: (&str, &str) = ("polri-kalbar", "INVESTIGATE");
const OFFER_TO: [(&str, &str); 2] = [("kemensos", "SHELTER"), ("uptd-ppa-singkawang", "SHELTER")];
const CASE: &str = "POLDA-KALBAR/2026/0031";

fn record<'a>(seen: &'a Value, kind: &str) -> &'a Value {
    let records = seen["fields"]["reference"]["records"].as_array().unwrap();
    records.iter().find(|record| record["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {seen:#}"))
}

fn place(record: &Value) -> (String, u64) {
    (record["stream"].as_str().unwrap().to_owned(), record["stream_version"].as_u64().unwrap())
}

/// Both act at once; gives who won, and what the loser was told.
fn contest(
    world: &World,
    agencies: [(&str, &str); 2],
    (stream, seen): &(String, u64),
    event_type: &str,
    payload: &Value,
) -> (String, String) {
    let results = thread::scope(|scope| {
        agencies
            .map(|by| {
                scope.spawn(move || {
                    (by.0, act(world, by, In::Stream(stream, *seen), event_type, payload.clone()))
                })
            })
            .map(|thread| thread.join().unwrap())
    });
    let won: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).collect();
    assert_eq!(won.len(), 1, "exactly one has it: {results:?}");
    let lost = results.iter().find_map(|(_, result)| result.as_ref().err()).unwrap();
    (won[0].0.to_owned(), lost.1.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_accept_or_decide_at_once_one_wins_and_the_other_is_told_who() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let staged = json!({ "case_ref": CASE, "stage": "REFERRAL", "changed_on": day(-1), "holder": "polri-kalbar", "reason": "safe" });
    act(&world, POLICE, In::Key("case/31"), "simpul.nrm.v1.StageChanged", staged).unwrap();
    let offered = json!({
        "case_ref": CASE, "service": "CHILD_SERVICES", "to_agencies": ["kemensos", "uptd-ppa-singkawang"], "offered_on": day(-1),
        "answer_by": day(5),
    });
    let at = act(&world, POLICE, In::Key("referral/31"), "simpul.nrm.v1.ReferralOffered", offered).unwrap();

    // Each finds stream and version in the case, as it may see it.
    let referral = place(record(&case(&world, OFFER_TO[0], CASE, at), "ReferralOffered"));
    assert_eq!(referral, place(record(&case(&world, OFFER_TO[1], CASE, at), "ReferralOffered")));
    let accepted = json!({ "accepted_on": day(0), "unit": "Unit Contoh" });
    let (winner, told) = contest(&world, OFFER_TO, &referral, "simpul.nrm.v1.ReferralAccepted", &accepted);
    assert!(told.contains(&format!("ReferralAccepted by {winner}")), "{told}");

    // Moving the case has no order of types: there the expected version keeps the second away.
    let own = place(record(&case(&world, OFFER_TO[0], CASE, at), "StageChanged"));
    let moved = json!({ "case_ref": CASE, "stage": "RECOVERY", "changed_on": day(0), "holder": "kemensos", "reason": "safe" });
    let (winner, told) = contest(&world, OFFER_TO, &own, "simpul.nrm.v1.StageChanged", &moved);
    assert!(told.contains(&format!("StageChanged by {winner}")), "{told}");

    let seen = case(&world, POLICE, CASE, at + 2);
    assert_eq!(seen["fields"]["reference"]["referrals"][0]["state"], "ACCEPTED");
    assert_eq!(seen["fields"]["reference"]["stages"].as_array().unwrap().len(), 2);
    hub.expect_quiet();
    hub.stop();
}
