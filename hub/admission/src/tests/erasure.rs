//! Erasure from request to dead key, through all stages.

use prost::Message;
use simpul_proto::erasure as wire;
use simpul_types::{Position, Receipt, RejectReason, Rejection};

use super::fixture::{Connector, Hub, PLACEMENT, Parts, declare, declare_connector, placement, register};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
const REQUEST: &str = "0123456789abcdef0123456789abcdef";

/// A hub with a third agency, and a stream of two placements.
struct Realm {
    hub: Hub,
    kemensos: Connector,
    stream: String,
}

#[derive(Clone, Copy)]
enum Who {
    Kp2mi,
    Polri,
    Kemensos,
}

impl Realm {
    async fn new() -> Self {
        let mut hub = Hub::new().await;
        let kemensos = Connector::new("kemensos", "desk", 4);
        let events = vec![declare("kemensos", "social"), declare_connector(&kemensos), register(&kemensos)];
        hub.direct(events).await;
        let mut parts = hub.placements(2);
        parts.headers[1].stream = parts.headers[0].stream.clone();
        let stream = parts.headers[0].stream.clone();
        hub.submit(&hub.kp2mi, parts).await.unwrap();
        hub.kp2mi.next += 2;
        Self { hub, kemensos, stream }
    }

    fn connector(&mut self, who: Who) -> &mut Connector {
        match who {
            Who::Kp2mi => &mut self.hub.kp2mi,
            Who::Polri => &mut self.hub.polri,
            Who::Kemensos => &mut self.kemensos,
        }
    }

    async fn say(&mut self, who: Who, event: &str, payload: Vec<u8>) -> Result<Receipt, Rejection> {
        let event_type = format!("simpul.erasure.v1.{event}");
        let connector = self.connector(who);
        let mut parts = Parts::new(connector, vec![(&event_type, payload)], "ERASURE", "erasure");
        parts.headers[0].stream = "erasure/register".into();
        let (caller, submission) = (connector.caller.clone(), parts.sign(&connector.key));
        let receipt = self.hub.admission.submit(&caller, submission).await?;
        self.connector(who).next += 1;
        Ok(receipt)
    }

    /// Asks for the stream's erasure; returns the digest to approve.
    async fn request(&mut self, reference: &str) -> Result<String, Rejection> {
        let now = simpul_types::Clock::now(&*self.hub.clock).as_us();
        let asked = wire::ErasureRequested {
            request: reference.into(),
            streams: vec![self.stream.clone()],
            ground: wire::ErasureGround::SubjectRequest.into(),
            article: "UU 27/2022 pasal 8".into(),
            expires_at_us: (now + 20 * DAY_US) as u64,
            approvals: 2,
            cooling_off_s: 7 * 24 * 60 * 60,
        };
        let receipt = self.say(Who::Kp2mi, "ErasureRequested", asked.encode_to_vec()).await?;
        let event = self.hub.reader.event(receipt.first_position).unwrap();
        Ok(data_encoding::HEXLOWER.encode(&simpul_signing::sha256(&[&event.header])))
    }

    async fn approve(&mut self, who: Who, digest: &str) -> Result<Receipt, Rejection> {
        let said = wire::ErasureApproved { request: REQUEST.into(), request_digest: digest.into() };
        self.say(who, "ErasureApproved", said.encode_to_vec()).await
    }

    async fn execute(&mut self, digest: &str) -> Result<Receipt, Rejection> {
        let streams = vec![self.stream.clone()];
        let said = wire::ErasureExecuted { request: REQUEST.into(), request_digest: digest.into(), streams };
        self.say(Who::Kp2mi, "ErasureExecuted", said.encode_to_vec()).await
    }

    fn positions(&self) -> Vec<Position> {
        self.hub.reader.stream(&self.stream.parse().unwrap())
    }

    /// Whether each event of the stream is erased.
    fn erased(&self) -> Vec<bool> {
        let opened = |position| {
            let event = self.hub.reader.event(position).unwrap();
            self.hub.reader.open_payload(&event).err().is_some_and(|error| error.erased_by().is_some())
        };
        self.positions().into_iter().map(opened).collect()
    }
}

fn reason(result: Result<impl Sized, Rejection>) -> RejectReason {
    result.err().expect("must be refused").reason
}

#[tokio::test]
async fn a_record_is_erased_by_three_agencies_after_a_week_and_its_receipts_still_hold() {
    let mut realm = Realm::new().await;
    let digest = realm.request(REQUEST).await.unwrap();
    assert_eq!(reason(realm.approve(Who::Kp2mi, &digest).await), RejectReason::PolicyDenied, "ERA-1");
    assert_eq!(reason(realm.approve(Who::Polri, &"0".repeat(64)).await), RejectReason::PolicyDenied, "ERA-3");
    realm.approve(Who::Polri, &digest).await.unwrap();
    assert_eq!(reason(realm.approve(Who::Polri, &digest).await), RejectReason::PolicyDenied);
    assert_eq!(reason(realm.execute(&digest).await), RejectReason::OutOfOrder);
    realm.approve(Who::Kemensos, &digest).await.unwrap();
    assert_eq!(reason(realm.execute(&digest).await), RejectReason::OutOfOrder, "ERA-2");
    assert_eq!(realm.erased(), [false, false]);
    realm.hub.clock.forward(7 * DAY_US);
    realm.execute(&digest).await.unwrap();
    assert_eq!(realm.erased(), [true, true], "KEY-1");
    assert_eq!(reason(realm.execute(&digest).await), RejectReason::OutOfOrder);

    // The stream goes on, under another key, and the leaf of the erased events is proved as before.
    let mut parts =
        Parts::new(&realm.hub.kp2mi, vec![(PLACEMENT, placement())], "PLACEMENT", "sisko-placement");
    parts.headers[0].stream = realm.stream.clone();
    realm.hub.submit(&realm.hub.kp2mi, parts).await.unwrap();
    realm.hub.kp2mi.next += 1;
    assert_eq!(realm.erased(), [true, true, false]);
    let leaf = realm.hub.reader.leaf_of(realm.positions()[0]).unwrap();
    realm.hub.reader.receipt(leaf.index).unwrap();

    let Realm { hub, kemensos, stream } = realm;
    let hub = hub.close().await.open();
    let mut realm = Realm { hub, kemensos, stream };
    assert_eq!(realm.erased(), [true, true, false], "after a start");
    assert_eq!(
        reason(realm.execute(&digest).await),
        RejectReason::OutOfOrder,
        "the register is read from the log"
    );
}

#[tokio::test]
async fn a_vetoed_record_is_kept_until_the_hold_is_lifted() {
    let mut realm = Realm::new().await;
    let digest = realm.request(REQUEST).await.unwrap();
    for who in [Who::Polri, Who::Kemensos] {
        realm.approve(who, &digest).await.unwrap();
    }
    let veto = wire::ErasureVetoed { request: REQUEST.into(), article: "KUHAP pasal 39".into() };
    realm.say(Who::Polri, "ErasureVetoed", veto.encode_to_vec()).await.unwrap();
    realm.hub.clock.forward(8 * DAY_US);
    assert_eq!(reason(realm.execute(&digest).await), RejectReason::OutOfOrder, "erasure under legal hold");
    let other = "f".repeat(32);
    assert_eq!(reason(realm.request(&other).await), RejectReason::OutOfOrder);
    let lift = wire::LegalHoldLifted { request: REQUEST.into() }.encode_to_vec();
    assert_eq!(
        reason(realm.say(Who::Kemensos, "LegalHoldLifted", lift.clone()).await),
        RejectReason::OutOfOrder
    );
    realm.say(Who::Polri, "LegalHoldLifted", lift).await.unwrap();
    realm.request(&other).await.unwrap();
    assert_eq!(realm.erased(), [false, false]);
}

#[tokio::test]
async fn the_register_is_one_stream_of_erasure_events_alone_one_a_submission() {
    let mut realm = Realm::new().await;
    let veto = || wire::ErasureVetoed { request: REQUEST.into(), article: "x".into() }.encode_to_vec();
    let event_type = "simpul.erasure.v1.ErasureVetoed";
    let elsewhere = Parts::new(&realm.hub.polri, vec![(event_type, veto())], "ERASURE", "erasure");
    assert_eq!(reason(realm.hub.submit(&realm.hub.polri, elsewhere).await), RejectReason::InvalidPayload);
    let mut intruder = realm.hub.placements(1);
    intruder.headers[0].stream = "erasure/register".into();
    assert_eq!(reason(realm.hub.submit(&realm.hub.kp2mi, intruder).await), RejectReason::InvalidPayload);
    realm.request(REQUEST).await.unwrap();
    let mut two = Parts::new(&realm.hub.polri, vec![(event_type, veto()); 2], "ERASURE", "erasure");
    two.headers.iter_mut().for_each(|header| header.stream = "erasure/register".into());
    assert_eq!(reason(realm.hub.submit(&realm.hub.polri, two).await), RejectReason::InvalidPayload);
}
