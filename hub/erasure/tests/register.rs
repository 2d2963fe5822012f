//! The register's rules, one story each.

#![allow(clippy::unwrap_used, reason = "a test")]

use simpul_erasure::{Entry, Event, Refusal, Register, Rules, Stage};
use simpul_types::{Position, StreamName, Timestamp};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;
const A: &str = "0000000000000000000000000000000a";
const B: &str = "0000000000000000000000000000000b";

/// A register and how many events it has; the digest of an event is its position.
#[derive(Default)]
struct World {
    register: Register,
    events: u8,
}

fn stream(name: &str) -> StreamName {
    name.parse().unwrap()
}

fn requested(request: &str, streams: &[&str], expires_us: i64) -> Event {
    Event::Requested {
        request: request.into(),
        streams: streams.iter().map(|name| stream(name)).collect(),
        expires_at: Timestamp::from_us(expires_us),
        approvals: 2,
        cooling_off_s: 7 * 24 * 60 * 60,
    }
}

fn approved(request: &str, digest: u8) -> Event {
    Event::Approved { request: request.into(), digest: [digest; 32] }
}

fn executed(request: &str, digest: u8, streams: &[&str]) -> Event {
    let streams = streams.iter().map(|name| stream(name)).collect();
    Event::Executed { request: request.into(), digest: [digest; 32], streams }
}

fn vetoed(request: &str) -> Event {
    Event::Vetoed { request: request.into() }
}

fn lifted(request: &str) -> Event {
    Event::Lifted { request: request.into() }
}

impl World {
    /// Judges and takes in; returns the digest.
    fn say(&mut self, agency: &str, at_us: i64, event: Event) -> Result<u8, Refusal> {
        self.say_with(agency, agency, at_us, event)
    }

    fn say_with(&mut self, agency: &str, key: &str, at_us: i64, event: Event) -> Result<u8, Refusal> {
        let key = key.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let entry = Entry {
            position: Position::new(self.events.into()),
            digest: [self.events; 32],
            agency: agency.parse().unwrap(),
            key_id: format!("{key:016x}").parse().unwrap(),
            at: Timestamp::from_us(at_us),
            event,
        };
        self.register.judge(&entry, &Rules::default())?;
        self.register.apply(entry).unwrap();
        self.events += 1;
        Ok(self.events - 1)
    }

    /// `kp2mi` asks at 0, `polri` and `kemensos` approve at day 1.
    fn approved() -> (Self, u8) {
        let mut world = Self::default();
        let digest = world.say("kp2mi", 0, requested(A, &["sisko/1", "sisko/2"], 20 * DAY)).unwrap();
        world.say("polri", DAY, approved(A, digest)).unwrap();
        world.say("kemensos", DAY, approved(A, digest)).unwrap();
        (world, digest)
    }
}

#[test]
fn two_others_agree_a_week_passes_and_it_is_executed() {
    let (mut world, digest) = World::approved();
    let streams = ["sisko/1", "sisko/2"];
    assert_eq!(
        world.say("kp2mi", 8 * DAY - 1, executed(A, digest, &streams)),
        Err(Refusal::CoolingOff(8 * DAY)),
        "ERA-2"
    );
    world.say("kp2mi", 8 * DAY, executed(A, digest, &streams)).unwrap();
    let request = world.register.request(A).unwrap();
    assert_eq!(request.stage, Stage::Executed { position: Position::new(3) });
    assert_eq!(world.say("kp2mi", 9 * DAY, executed(A, digest, &streams)), Err(Refusal::Executed));
    assert_eq!(world.say("polri", 9 * DAY, vetoed(A)), Err(Refusal::Executed));
}

#[test]
fn era_1_nobody_approves_for_themselves_or_twice_or_with_anothers_key() {
    let mut world = World::default();
    let digest = world.say("kp2mi", 0, requested(A, &["sisko/1"], 20 * DAY)).unwrap();
    let early = executed(A, digest, &["sisko/1"]);
    assert_eq!(world.say("kp2mi", 9 * DAY, early.clone()), Err(Refusal::Approvals { given: 0, needed: 2 }));
    assert_eq!(world.say("kp2mi", 0, approved(A, digest)), Err(Refusal::SelfApproval));
    assert_eq!(world.say_with("kp2mi", "another", 0, approved(A, digest)), Err(Refusal::SelfApproval));
    assert_eq!(world.say_with("polri", "kp2mi", 0, approved(A, digest)), Err(Refusal::SelfApproval));
    world.say("polri", 0, approved(A, digest)).unwrap();
    assert_eq!(world.say("polri", 0, approved(A, digest)), Err(Refusal::Twice), "a replayed approval");
    assert_eq!(world.say_with("kemensos", "polri", 0, approved(A, digest)), Err(Refusal::Twice));
    assert_eq!(world.say("kp2mi", 9 * DAY, early), Err(Refusal::Approvals { given: 1, needed: 2 }));
}

#[test]
fn era_3_an_approval_of_one_request_does_not_count_for_another() {
    let mut world = World::default();
    let first = world.say("kp2mi", 0, requested(A, &["sisko/1"], 20 * DAY)).unwrap();
    let second = world.say("kp2mi", 0, requested(B, &["sisko/2"], 20 * DAY)).unwrap();
    assert_eq!(world.say("polri", 0, approved(B, first)), Err(Refusal::OtherRequest));
    world.say("polri", 0, approved(B, second)).unwrap();
    assert_eq!(world.register.request(A).unwrap().approvals.len(), 0);
}

#[test]
fn an_expired_request_is_neither_approved_nor_executed_and_gives_its_streams_free() {
    let (mut world, digest) = World::approved();
    assert_eq!(world.say("lpsk", 20 * DAY, approved(A, digest)), Err(Refusal::Expired));
    let late = executed(A, digest, &["sisko/1", "sisko/2"]);
    assert_eq!(world.say("kp2mi", 20 * DAY, late), Err(Refusal::Expired));
    let again = requested(B, &["sisko/1"], 40 * DAY);
    assert_eq!(world.say("kp2mi", 19 * DAY, again.clone()), Err(Refusal::Open(stream("sisko/1"))));
    world.say("kp2mi", 20 * DAY, again).unwrap();
}

#[test]
fn era_2_a_veto_ends_the_request_and_holds_its_streams_until_whoever_vetoed_lifts_it() {
    let (mut world, digest) = World::approved();
    world.say("kejaksaan", 2 * DAY, vetoed(A)).unwrap();
    let execution = executed(A, digest, &["sisko/1", "sisko/2"]);
    let refused = world.say("kp2mi", 9 * DAY, execution.clone());
    assert_eq!(refused, Err(Refusal::Vetoed("kejaksaan".parse().unwrap())));
    let again = requested(B, &["sisko/2"], 25 * DAY);
    let held = Refusal::Held { stream: stream("sisko/2"), by: "kejaksaan".parse().unwrap() };
    assert_eq!(world.say("kp2mi", 9 * DAY, again.clone()), Err(held));
    assert_eq!(world.say("kp2mi", 9 * DAY, lifted(A)), Err(Refusal::NoHold));
    world.say("kejaksaan", 9 * DAY, lifted(A)).unwrap();
    assert_eq!(world.say("kejaksaan", 9 * DAY, lifted(A)), Err(Refusal::NoHold));
    assert!(world.say("kp2mi", 9 * DAY, execution).is_err(), "the request stays ended");
    world.say("kp2mi", 9 * DAY, again).unwrap();
}

#[test]
fn an_execution_is_of_the_request_as_it_was_approved_and_by_a_party() {
    let (mut world, digest) = World::approved();
    let at = 8 * DAY;
    let other = executed(A, digest, &["sisko/1", "sisko/3"]);
    assert_eq!(world.say("kp2mi", at, other), Err(Refusal::OtherStreams));
    assert_eq!(world.say("kp2mi", at, executed(A, digest, &["sisko/1"])), Err(Refusal::OtherStreams));
    let right = executed(A, digest, &["sisko/1", "sisko/2"]);
    assert_eq!(world.say("lpsk", at, right.clone()), Err(Refusal::NoParty));
    assert_eq!(world.say("kp2mi", at, executed(A, 99, &["sisko/1", "sisko/2"])), Err(Refusal::OtherRequest));
    world.say("kemensos", at, right).unwrap();
}

#[test]
fn a_request_asks_for_no_less_than_the_rule_and_has_a_reference_of_its_own() {
    let mut world = World::default();
    let easy = |approvals, cooling_off_s| Event::Requested {
        request: A.into(),
        streams: vec![stream("sisko/1")],
        expires_at: Timestamp::from_us(DAY),
        approvals,
        cooling_off_s,
    };
    let too_easy = Refusal::TooEasy { approvals: 2, cooling_off_s: 604_800 };
    assert_eq!(world.say("kp2mi", 0, easy(1, 604_800)), Err(too_easy.clone()));
    assert_eq!(world.say("kp2mi", 0, easy(2, 604_799)), Err(too_easy));
    for expires in [0, 31 * DAY] {
        let refused = world.say("kp2mi", 0, requested(A, &["sisko/1"], expires));
        assert_eq!(refused, Err(Refusal::Expiry { days: 30 }));
    }
    world.say("kp2mi", 0, requested(A, &["sisko/1"], DAY)).unwrap();
    assert_eq!(world.say("kp2mi", 0, requested(A, &["sisko/2"], DAY)), Err(Refusal::Known));
    assert_eq!(world.say("polri", 0, approved(B, 0)), Err(Refusal::Unknown));
}

#[test]
fn what_the_hub_needs_itself_is_never_erased() {
    use prost::Message;
    for name in ["directory/agency-kp2mi", "erasure/register", "hub-state/digest"] {
        let wire = simpul_proto::erasure::ErasureRequested {
            request: A.into(),
            streams: vec![name.into()],
            ..Default::default()
        };
        let decoded = Event::decode("simpul.erasure.v1.ErasureRequested", &wire.encode_to_vec());
        assert!(decoded.unwrap_err().to_string().starts_with("streams: "), "{name}");
    }
}
