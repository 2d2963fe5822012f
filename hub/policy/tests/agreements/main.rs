//! Agreements, and changes under dual control, as the directory folds and judges them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod lists;

use bytes::Bytes;
use prost::Message;
use simpul_policy::{Action, Ask, ControlError, Decision, Directory, DirectoryError, Word, first_policy};
use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, FieldClass, KeyId, Position, Purpose, Timestamp, View};

const FIRST: [u8; 32] = [1; 32];
const SECOND: [u8; 32] = [2; 32];
const DAY: i64 = 86_400_000_000;
/// The day of the tests.
const NOW: i64 = 20_000 * DAY;

fn key_id(public_key: &[u8; 32]) -> KeyId {
    let digest = ring::digest::digest(&ring::digest::SHA256, public_key);
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..8]).parse().unwrap()
}

struct Realm {
    directory: Directory,
    next: u64,
}

impl Realm {
    /// Registry, two missions and a police, under the policy that a new realm declares.
    fn new() -> Self {
        let mut realm = Self { directory: Directory::new(FIRST), next: 0 };
        for (code, kind) in [
            ("kp2mi", "registry"),
            ("bp3mi", "registry"),
            ("kbri-yangon", "mission"),
            ("polri", "police"),
            ("simpul", "hub"),
        ] {
            let declared = wire::AgencyDeclared { code: code.into(), name: code.into(), kind: kind.into() };
            realm.say("AgencyDeclared", &declared).unwrap();
        }
        let policy = wire::PolicyDeclared { cedar: first_policy(), version: "1".into() };
        realm.say("PolicyDeclared", &policy).unwrap();
        realm
    }

    /// With dual control begun.
    fn controlled() -> Self {
        let mut realm = Self::new();
        let registered = wire::KeyRegistered {
            agency: "directory".into(),
            connector: "authority".into(),
            public_key: Bytes::copy_from_slice(&SECOND),
            valid_from_us: 1,
            valid_until_us: 0,
            certificate_pem: String::new(),
        };
        realm.say("KeyRegistered", &registered).unwrap();
        realm.say("DualControlBegun", &wire::DualControlBegun { reason: "set up".into() }).unwrap();
        realm
    }

    fn say(&mut self, name: &str, payload: &impl Message) -> Result<(), DirectoryError> {
        self.say_as(&FIRST, NOW, name, payload)
    }

    /// Judges and applies, as the gate does.
    fn say_as(
        &mut self,
        key: &[u8; 32],
        at: i64,
        name: &str,
        payload: &impl Message,
    ) -> Result<(), DirectoryError> {
        let (event_type, payload) = (format!("simpul.directory.v1.{name}"), payload.encode_to_vec());
        let (position, key_id) = (Position::new(self.next), &key_id(key));
        let word = Word { event_type: &event_type, payload: &payload, position, key_id };
        let judged = self.directory.judge(&word, Timestamp::from_us(at))?;
        // A fold of the log, which does not know the clock, comes to the same.
        self.directory.apply(&word).unwrap();
        assert_eq!(judged.position(), self.directory.position());
        self.next += 1;
        Ok(())
    }

    fn ask(&self, ask: Question<'_>) -> Decision {
        let agency: AgencyCode = ask.agency.parse().unwrap();
        let purpose: Option<Purpose> = ask.purpose.map(|purpose| purpose.parse().unwrap());
        let provider: Option<AgencyCode> = ask.provider.map(|provider| provider.parse().unwrap());
        self.directory.decide(&Ask {
            agency: &agency,
            official: ask.official,
            action: ask.action,
            resource: ask.resource,
            field_class: ask.class,
            purpose: purpose.as_ref(),
            provider: provider.as_ref(),
            at: Timestamp::from_us(ask.at),
        })
    }

    fn views(&self, provider: Option<&str>, at: i64) -> Decision {
        self.ask(Question { provider, at, ..Question::default() })
    }
}

#[derive(Clone, Copy)]
struct Question<'a> {
    agency: &'a str,
    official: Option<&'a str>,
    action: Action,
    resource: &'a str,
    class: Option<FieldClass>,
    purpose: Option<&'a str>,
    provider: Option<&'a str>,
    at: i64,
}

impl Default for Question<'_> {
    fn default() -> Self {
        Self {
            agency: "kbri-yangon",
            official: None,
            action: Action::View,
            resource: "case",
            class: Some(FieldClass::Identity),
            purpose: Some("ASSIST"),
            provider: None,
            at: NOW,
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Yangon is given cases of kp2mi to assist, for ten days.
fn agreement() -> wire::AgreementConcluded {
    wire::AgreementConcluded {
        agreement: "pks-7".into(),
        providers: words(&["kp2mi"]),
        consumer: "kbri-yangon".into(),
        actions: words(&["view", "publish"]),
        purposes: words(&["ASSIST"]),
        resources: words(&["case"]),
        field_classes: words(&["reference", "identity"]),
        legal_basis: "PKS 7/2026".into(),
        valid_from_us: NOW,
        valid_until_us: NOW + 10 * DAY,
        answers_a_day: 0,
        jurisdictions: Vec::new(),
    }
}

#[test]
fn nothing_is_given_without_an_agreement_and_no_more_than_it_covers() {
    let mut realm = Realm::new();
    let refused = realm.views(Some("kp2mi"), NOW);
    assert!(!refused.allowed);
    assert_eq!(refused.policies, ["nothing-without-an-agreement"]);
    realm.say("AgreementConcluded", &agreement()).unwrap();
    let given = realm.views(Some("kp2mi"), NOW);
    assert!(given.allowed);
    assert_eq!(given.agreements, ["pks-7"]);
    assert_eq!(given.grounds(), ["mission-views-cases", "agreement:pks-7"]);

    // One part otherwise, and it is not covered. The words are those of `simpul directory explain`.
    let base = Question { provider: Some("kp2mi"), ..Question::default() };
    for (question, why) in [
        (Question { provider: Some("bp3mi"), ..base }, "not about data of bp3mi"),
        (Question { provider: None, ..base }, "not about everybody's data"),
        (Question { purpose: Some("REPATRIATE"), ..base }, "not for purpose REPATRIATE"),
        (
            Question { class: Some(FieldClass::ShelterLocation), ..base },
            "without fields of class shelter_location",
        ),
        (
            Question { resource: "placement", class: Some(FieldClass::Placement), ..base },
            "not about placement",
        ),
        (
            Question { action: Action::CheckLegality, resource: "legality", class: None, ..base },
            "not to check_legality",
        ),
        (Question { at: NOW - 1, ..base }, "begins 2024-10-04T00:00:00.000000Z"),
        (Question { at: NOW + 10 * DAY, ..base }, "expired 2024-10-14T00:00:00.000000Z"),
    ] {
        assert!(!realm.ask(question).allowed, "{why}");
        let purpose: Purpose = question.purpose.unwrap().parse().unwrap();
        let (agency, provider) =
            ("kbri-yangon".parse().unwrap(), question.provider.map(|p| p.parse().unwrap()));
        let ask = Ask {
            agency: &agency,
            official: None,
            action: question.action,
            resource: question.resource,
            field_class: question.class,
            purpose: Some(&purpose),
            provider: provider.as_ref(),
            at: Timestamp::from_us(question.at),
        };
        assert!(realm.directory.allows_under_agreement(&ask), "{why}");
        let misses = realm.directory.misses(&ask);
        assert_eq!(misses.len(), 1);
        assert_eq!((misses[0].0.as_str(), misses[0].1.to_string().as_str()), ("pks-7", why));
    }
    // It opens nothing that policy refuses, and an agency needs none for what it brought itself.
    realm
        .say(
            "AgreementConcluded",
            &wire::AgreementConcluded {
                agreement: "all".into(),
                consumer: "polri".into(),
                providers: words(&["*"]),
                actions: words(&["*"]),
                purposes: words(&["*"]),
                resources: words(&["*"]),
                field_classes: words(&["*"]),
                ..agreement()
            },
        )
        .unwrap();
    let police = Question { agency: "polri", purpose: Some("INVESTIGATE"), ..Question::default() };
    assert!(realm.ask(police).allowed);
    assert!(!realm.ask(Question { class: Some(FieldClass::ShelterLocation), ..police }).allowed);
    assert!(realm.views(Some("kbri-yangon"), NOW - DAY).allowed);
    // The hub's own words are by law.
    let digest = Question {
        agency: "simpul",
        action: Action::Submit,
        resource: "simpul.hub.v1.StateDigestRecorded",
        class: None,
        purpose: Some("OVERSIGHT"),
        ..Question::default()
    };
    assert!(realm.ask(digest).allowed);
}

#[test]
fn an_agreement_ends_by_itself_and_a_clock_that_jumps_both_ways_changes_no_answer_of_a_time() {
    let mut realm = Realm::new();
    realm.say("AgreementConcluded", &agreement()).unwrap();
    let at = |realm: &Realm, at: i64| realm.views(Some("kp2mi"), at).allowed;
    let end = NOW + 10 * DAY;
    // Each is asked often, so that what is remembered is asked too.
    for _ in 0..3 {
        for (time, allowed) in [
            (NOW, true),
            (end - 1, true),
            (end, false),
            (NOW - 1, false),
            (end + DAY, false),
            (NOW + 1, true),
        ] {
            assert_eq!(at(&realm, time), allowed, "{time}");
        }
    }
    assert_eq!(realm.directory.next_turn(Timestamp::from_us(NOW)), Some(Timestamp::from_us(end)));
    assert_eq!(realm.directory.next_turn(Timestamp::from_us(end)), None);

    let ended = |at| wire::AgreementEnded { agreement: "pks-7".into(), ended_at_us: at, reason: "r".into() };
    realm.say("AgreementEnded", &ended(NOW + 5 * DAY)).unwrap();
    realm.say("AgreementEnded", &ended(NOW + 8 * DAY)).unwrap();
    assert!(at(&realm, NOW + 5 * DAY - 1));
    assert!(!at(&realm, NOW + 5 * DAY), "the earlier end counts");
    // Concluded again, it is a new agreement under the same reference.
    realm.say("AgreementConcluded", &agreement()).unwrap();
    assert!(at(&realm, NOW + 6 * DAY));
}

#[test]
fn what_is_sent_unasked_is_cut_to_whose_data_it_is() {
    let mut realm = Realm::new();
    let publish = wire::AgreementConcluded { actions: words(&["publish"]), ..agreement() };
    realm.say("AgreementConcluded", &publish).unwrap();
    let yangon = "kbri-yangon".parse().unwrap();
    let of = |provider: Option<&str>| {
        let provider: Option<AgencyCode> = provider.map(|provider| provider.parse().unwrap());
        let at = Timestamp::from_us(NOW);
        realm.directory.classes_from(&yangon, View::Case, None, provider.as_ref(), at)
    };
    assert_eq!(of(Some("kp2mi")).into_iter().collect::<Vec<_>>(), [FieldClass::Reference]);
    assert!(of(Some("bp3mi")).is_empty());
    assert!(of(None).is_empty());
    let named = realm.directory.named_providers(&yangon);
    assert_eq!(named.into_iter().map(AgencyCode::as_str).collect::<Vec<_>>(), ["kbri-yangon", "kp2mi"]);
}

#[test]
fn quotas_bind_only_where_nothing_free_of_one_covers_the_question() {
    let mut realm = Realm::new();
    realm.say("AgreementConcluded", &wire::AgreementConcluded { answers_a_day: 3, ..agreement() }).unwrap();
    assert_eq!(realm.views(Some("kp2mi"), NOW).quotas, [("pks-7".to_owned(), 3)]);
    let free = wire::AgreementConcluded { agreement: "pks-8".into(), ..agreement() };
    realm.say("AgreementConcluded", &free).unwrap();
    let decision = realm.views(Some("kp2mi"), NOW);
    assert_eq!((decision.quotas, decision.agreements), (Vec::new(), vec!["pks-8".to_owned()]));
}

#[test]
fn an_agreement_that_is_not_right_is_refused_by_field() {
    let mut realm = Realm::new();
    let mut refused = |change: &dyn Fn(&mut wire::AgreementConcluded)| {
        let mut concluded = agreement();
        change(&mut concluded);
        realm.say("AgreementConcluded", &concluded).unwrap_err().to_string()
    };
    for (message, error) in [
        ("agreement: 1 to 64", refused(&|a| a.agreement = "PKS 7".into())),
        ("consumer: kemlu is not declared", refused(&|a| a.consumer = "kemlu".into())),
        ("providers: kemlu is not declared", refused(&|a| a.providers = words(&["kemlu"]))),
        ("providers: 1 to 64", refused(&|a| a.providers.clear())),
        ("purposes: 1 to 64", refused(&|a| a.purposes.clear())),
        ("purposes: \"assist\"", refused(&|a| a.purposes = words(&["assist"]))),
        ("actions: replay is by law", refused(&|a| a.actions = words(&["replay"]))),
        ("actions: \"steal\"", refused(&|a| a.actions = words(&["steal"]))),
        ("resources: \"souls\" is no view", refused(&|a| a.resources = words(&["souls"]))),
        ("field_classes: 1 to 64", refused(&|a| a.field_classes.clear())),
        ("field_classes: \"soul\"", refused(&|a| a.field_classes = words(&["soul"]))),
        ("legal_basis: 1 to 200", refused(&|a| a.legal_basis = " ".into())),
        ("valid_from_us: required", refused(&|a| a.valid_from_us = 0)),
        ("valid_until_us: after valid_from_us", refused(&|a| a.valid_until_us = a.valid_from_us)),
    ] {
        assert!(error.starts_with(message), "{error:?} is not {message:?}");
    }
    let ended = wire::AgreementEnded { agreement: "none".into(), ended_at_us: 1, reason: "r".into() };
    assert_eq!(realm.say("AgreementEnded", &ended), Err(DirectoryError::AgreementUnknown("none".into())));
}

fn proposed(reference: &str, name: &str, payload: &impl Message, expires_at: i64) -> wire::ChangeProposed {
    wire::ChangeProposed {
        proposal: reference.into(),
        r#type: format!("simpul.directory.v1.{name}"),
        payload: payload.encode_to_vec().into(),
        reason: "agreed on".into(),
        expires_at_us: expires_at,
    }
}

fn approval(of: &wire::ChangeProposed) -> wire::ChangeApproved {
    let digest = ring::digest::digest(&ring::digest::SHA256, &of.encode_to_vec());
    wire::ChangeApproved { proposal: of.proposal.clone(), digest: Bytes::copy_from_slice(digest.as_ref()) }
}

fn control(result: Result<(), DirectoryError>) -> ControlError {
    match result {
        Err(DirectoryError::Control(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn under_dual_control_one_key_proposes_and_another_approves() {
    let mut realm = Realm::controlled();
    assert_eq!(control(realm.say("AgreementConcluded", &agreement())), ControlError::Direct);
    let change = proposed("p1", "AgreementConcluded", &agreement(), NOW + DAY);
    realm.say("ChangeProposed", &change).unwrap();
    assert!(!realm.views(Some("kp2mi"), NOW).allowed, "a proposal changes nothing");
    assert_eq!(control(realm.say("ChangeApproved", &approval(&change))), ControlError::SelfApproval);
    // An approval of other bytes: what was read is what is approved.
    let other = proposed("p1", "AgreementConcluded", &agreement(), NOW + DAY + 1);
    let crossed = realm.say_as(&SECOND, NOW, "ChangeApproved", &approval(&other));
    assert_eq!(control(crossed), ControlError::OtherBytes);
    let late = realm.say_as(&SECOND, NOW + DAY, "ChangeApproved", &approval(&change));
    assert_eq!(control(late), ControlError::Expired);
    realm.say_as(&SECOND, NOW + 1, "ChangeApproved", &approval(&change)).unwrap();
    assert!(realm.views(Some("kp2mi"), NOW).allowed);
    let replayed = realm.say_as(&SECOND, NOW + 2, "ChangeApproved", &approval(&change));
    assert_eq!(control(replayed), ControlError::Closed);
    let again = realm.say("ChangeProposed", &change);
    assert_eq!(control(again), ControlError::Known);
}

#[test]
fn a_proposal_has_to_hold_runs_a_month_at_most_and_can_be_withdrawn() {
    let mut realm = Realm::controlled();
    let mut bad = agreement();
    bad.consumer = "kemlu".into();
    let refused = realm.say("ChangeProposed", &proposed("p1", "AgreementConcluded", &bad, NOW + DAY));
    assert!(matches!(refused, Err(DirectoryError::NotDeclared { field: "consumer", .. })));
    for expires_at in [NOW, NOW - 1, NOW + 31 * DAY] {
        let refused =
            realm.say("ChangeProposed", &proposed("p1", "AgreementConcluded", &agreement(), expires_at));
        assert_eq!(control(refused), ControlError::Expiry);
    }
    let inner = proposed("p2", "AgreementConcluded", &agreement(), NOW + DAY);
    let nested = realm.say("ChangeProposed", &proposed("p1", "ChangeProposed", &inner, NOW + DAY));
    assert_eq!(control(nested), ControlError::Nested);
    let good = proposed("p3", "AgreementConcluded", &agreement(), NOW + DAY);
    realm.say("ChangeProposed", &good).unwrap();
    let withdrawn = wire::ChangeWithdrawn { proposal: "p3".into(), reason: "not yet".into() };
    realm.say("ChangeWithdrawn", &withdrawn).unwrap();
    let after = realm.say_as(&SECOND, NOW, "ChangeApproved", &approval(&good));
    assert_eq!(control(after), ControlError::Closed);
    let unknown = wire::ChangeWithdrawn { proposal: "p9".into(), reason: "r".into() };
    assert_eq!(control(realm.say("ChangeWithdrawn", &unknown)), ControlError::Unknown);
}

#[test]
fn dual_control_needs_two_keys_and_keeps_them() {
    let mut realm = Realm::new();
    let begun = wire::DualControlBegun { reason: "set up".into() };
    assert_eq!(control(realm.say("DualControlBegun", &begun)), ControlError::Keys);
    let change = proposed("p1", "AgreementConcluded", &agreement(), NOW + DAY);
    assert_eq!(control(realm.say("ChangeProposed", &change)), ControlError::NotBegun);
    let mut realm = Realm::controlled();
    assert_eq!(control(realm.say("DualControlBegun", &begun)), ControlError::Begun);
    // With two keys neither can go before a third has come.
    let revoked =
        wire::KeyRevoked { key_id: key_id(&SECOND).to_string(), revoked_at_us: NOW, reason: "lost".into() };
    for revoked_at_us in [NOW, NOW + 90 * DAY] {
        let revoked = wire::KeyRevoked { revoked_at_us, ..revoked.clone() };
        let change = proposed("p2", "KeyRevoked", &revoked, NOW + DAY);
        assert_eq!(
            control(realm.say("ChangeProposed", &change)),
            ControlError::Keys,
            "not on a later day either"
        );
    }
    let third = wire::KeyRegistered {
        agency: "directory".into(),
        connector: "authority".into(),
        public_key: Bytes::from_static(&[3; 32]),
        valid_from_us: 1,
        valid_until_us: 0,
        certificate_pem: String::new(),
    };
    let change = proposed("p3", "KeyRegistered", &third, NOW + DAY);
    realm.say("ChangeProposed", &change).unwrap();
    realm.say_as(&SECOND, NOW, "ChangeApproved", &approval(&change)).unwrap();
    let change = proposed("p4", "KeyRevoked", &revoked, NOW + DAY);
    realm.say("ChangeProposed", &change).unwrap();
    realm.say_as(&[3; 32], NOW, "ChangeApproved", &approval(&change)).unwrap();
    let sender = simpul_types::Sender {
        agency: "directory".parse().unwrap(),
        connector: "authority".parse().unwrap(),
    };
    assert!(realm.directory.key(&sender, &key_id(&SECOND), Timestamp::from_us(NOW)).is_none());
    let agency = realm.directory.agency(&sender.agency).unwrap();
    let key = &agency.connectors[&sender.connector].keys[&key_id(&SECOND)];
    assert_eq!(key.revocations.len(), 2, "proposal and approval, for bundles");
}

fn embargo(until_us: i64) -> wire::EmbargoOrdered {
    wire::EmbargoOrdered {
        embargo: "sprin-12".into(),
        agency: "polri".into(),
        case_ref: "TPPO-7".into(),
        article: "KUHAP 17".into(),
        order_ref: "Sprin/12/X/2026".into(),
        until_us,
        official: String::new(),
    }
}

fn order(realm: &mut Realm, number: u32, ordered: &wire::EmbargoOrdered) -> Result<(), DirectoryError> {
    let change = wire::ChangeProposed {
        proposal: format!("order-{number}"),
        r#type: "simpul.directory.v1.EmbargoOrdered".into(),
        payload: ordered.encode_to_vec().into(),
        reason: "an investigation".into(),
        expires_at_us: NOW + DAY,
    };
    realm.say("ChangeProposed", &change)?;
    realm.say_as(&SECOND, NOW, "ChangeApproved", &approval(&change))
}

#[test]
fn an_embargo_is_countersigned_names_its_article_and_ends_by_itself() {
    let polri: AgencyCode = "polri".parse().unwrap();
    let at = Timestamp::from_us;
    // One key alone hides nothing.
    let mut alone = Realm::new();
    let refused = alone.say("EmbargoOrdered", &embargo(NOW + DAY)).unwrap_err();
    assert_eq!(refused, DirectoryError::Control(ControlError::NotCountersigned));

    let mut realm = Realm::controlled();
    let direct = realm.say("EmbargoOrdered", &embargo(NOW + DAY)).unwrap_err();
    assert_eq!(direct, DirectoryError::Control(ControlError::Direct));
    let field = |error: DirectoryError| match error {
        DirectoryError::Field { field, .. } | DirectoryError::NotDeclared { field, .. } => field,
        other => panic!("{other}"),
    };
    let right = embargo(NOW + 2 * DAY);
    for (wrong, name) in [
        (wire::EmbargoOrdered { article: " ".into(), ..right.clone() }, "article"),
        (wire::EmbargoOrdered { order_ref: String::new(), ..right.clone() }, "order_ref"),
        (wire::EmbargoOrdered { case_ref: String::new(), ..right.clone() }, "case_ref"),
        (wire::EmbargoOrdered { agency: "bin".into(), ..right.clone() }, "agency"),
        (wire::EmbargoOrdered { embargo: "Sprin 12".into(), ..right.clone() }, "embargo"),
        (embargo(NOW), "until_us"),
        (embargo(NOW + 367 * DAY), "until_us"),
        (embargo(0), "until_us"),
    ] {
        assert_eq!(field(order(&mut realm, 0, &wrong).unwrap_err()), name);
    }
    order(&mut realm, 1, &right).unwrap();
    let holds = |realm: &Realm, agency: &AgencyCode, case_ref: &str, us: i64| {
        realm.directory.embargo(agency, case_ref, "petugas-7", at(us)).map(|embargo| embargo.article.clone())
    };
    assert_eq!(holds(&realm, &polri, "TPPO-7", NOW).as_deref(), Some("KUHAP 17"));
    assert_eq!(holds(&realm, &polri, "TPPO-7", NOW + 2 * DAY), None, "it ends by itself");
    assert_eq!(holds(&realm, &polri, "TPPO-8", NOW), None);
    assert_eq!(holds(&realm, &polri, "", NOW), None);
    assert_eq!(holds(&realm, &"kbri-yangon".parse().unwrap(), "TPPO-7", NOW), None);

    // Prolonged for the same looks, and for no others.
    let other = wire::EmbargoOrdered { case_ref: "TPPO-8".into(), ..right.clone() };
    assert_eq!(field(order(&mut realm, 2, &other).unwrap_err()), "embargo");
    order(&mut realm, 3, &embargo(NOW + 9 * DAY)).unwrap();
    assert!(holds(&realm, &polri, "TPPO-7", NOW + 8 * DAY).is_some());
    let ended = wire::EmbargoEnded {
        embargo: "sprin-12".into(),
        ended_at_us: NOW + 3 * DAY,
        reason: "the trial is over".into(),
    };
    let change = wire::ChangeProposed {
        proposal: "end".into(),
        r#type: "simpul.directory.v1.EmbargoEnded".into(),
        payload: ended.encode_to_vec().into(),
        reason: "the trial is over".into(),
        expires_at_us: NOW + DAY,
    };
    realm.say("ChangeProposed", &change).unwrap();
    realm.say_as(&SECOND, NOW, "ChangeApproved", &approval(&change)).unwrap();
    assert!(holds(&realm, &polri, "TPPO-7", NOW + 2 * DAY).is_some());
    assert_eq!(holds(&realm, &polri, "TPPO-7", NOW + 3 * DAY), None);
}
