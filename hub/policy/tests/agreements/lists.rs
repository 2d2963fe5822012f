//! What the directory lists beside agencies and agreements: units and where they are competent, officials, purposes, the rule book.

use simpul_legality::RuleBook;

use super::*;

fn unit(code: &str, agency: &str, jurisdiction: &[&str]) -> wire::UnitDeclared {
    wire::UnitDeclared {
        unit: code.into(),
        agency: agency.into(),
        name: code.into(),
        parent: String::new(),
        jurisdiction: words(jurisdiction),
        valid_from_us: NOW - DAY,
    }
}

/// The field that a refusal names.
fn field(refused: Result<(), DirectoryError>) -> &'static str {
    match refused.unwrap_err() {
        DirectoryError::Field { field, .. } | DirectoryError::NotDeclared { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[test]
fn an_agreement_on_a_region_covers_agencies_that_are_competent_there_alone() {
    let mut realm = Realm::new();
    realm.say("UnitDeclared", &unit("bp3mi-kepri", "bp3mi", &["21"])).unwrap();
    let kepri =
        wire::AgreementConcluded { providers: words(&["*"]), jurisdictions: words(&["21"]), ..agreement() };
    realm.say("AgreementConcluded", &kepri).unwrap();
    assert!(realm.views(Some("bp3mi"), NOW).allowed);
    assert!(!realm.views(Some("kp2mi"), NOW).allowed, "a ministry is competent everywhere, and says nothing");
    assert!(!realm.views(None, NOW).allowed, "anybody's is not from there alone");
    let mission: AgencyCode = "kbri-yangon".parse().unwrap();
    let named = realm.directory.named_providers(&mission);
    let bp3mi: AgencyCode = "bp3mi".parse().unwrap();
    assert!(named.contains(&bp3mi), "its changes are sent by name");
    let purpose = "ASSIST".parse().unwrap();
    let (kp2mi, action) = ("kp2mi".parse().unwrap(), Action::View);
    let (official, resource, field_class) = (None, "case", Some(FieldClass::Identity));
    let ask = Ask {
        agency: &mission,
        official,
        action,
        resource,
        field_class,
        purpose: Some(&purpose),
        provider: Some(&kp2mi),
        at: Timestamp::from_us(NOW),
    };
    let misses = realm.directory.misses(&ask);
    assert_eq!(misses[0].1.to_string(), "not where kp2mi is competent");

    // A second unit elsewhere, and the agency is no longer of that region alone.
    realm.say("UnitDeclared", &unit("bp3mi-riau", "bp3mi", &["1471"])).unwrap();
    assert!(!realm.views(Some("bp3mi"), NOW).allowed);
    // From the day on which another agency's unit takes it over it is again; nobody says a word on that day.
    realm.say("UnitDeclared", &unit("kp2mi-riau", "kp2mi", &["14"])).unwrap();
    let succeeded = wire::UnitSucceeded {
        unit: "bp3mi-riau".into(),
        successors: words(&["kp2mi-riau"]),
        succeeded_at_us: NOW + DAY,
        decision_no: "KEP 9/2026".into(),
    };
    realm.say("UnitSucceeded", &succeeded).unwrap();
    assert!(!realm.views(Some("bp3mi"), NOW + DAY - 1).allowed);
    assert!(realm.views(Some("bp3mi"), NOW + DAY).allowed);
    assert!(!realm.views(Some("bp3mi"), NOW).allowed, "an earlier time is decided as it was");
    assert_eq!(realm.directory.next_turn(Timestamp::from_us(NOW)), Some(Timestamp::from_us(NOW + DAY)));
}

#[test]
fn a_unit_is_one_agencys_and_stands_in_no_circle() {
    let mut realm = Realm::new();
    let polda = unit("polda-kepri", "polri", &["21", "MYS"]);
    realm.say("UnitDeclared", &polda).unwrap();
    let desk =
        wire::UnitDeclared { parent: "polda-kepri".into(), ..unit("polda-kepri/ppa-ppo", "polri", &[]) };
    realm.say("UnitDeclared", &desk).unwrap();
    for (wrong, name) in [
        (wire::UnitDeclared { agency: "kp2mi".into(), ..polda.clone() }, "unit"),
        (wire::UnitDeclared { agency: "bin".into(), ..polda.clone() }, "agency"),
        (wire::UnitDeclared { unit: "Polda Kepri".into(), ..polda.clone() }, "unit"),
        (wire::UnitDeclared { name: " ".into(), ..polda.clone() }, "name"),
        (wire::UnitDeclared { parent: "nobody".into(), ..polda.clone() }, "parent"),
        (wire::UnitDeclared { parent: "polda-kepri/ppa-ppo".into(), ..polda.clone() }, "parent"),
        (wire::UnitDeclared { jurisdiction: words(&["217"]), ..polda.clone() }, "jurisdiction"),
        (wire::UnitDeclared { jurisdiction: words(&["Malaysia"]), ..polda.clone() }, "jurisdiction"),
        (wire::UnitDeclared { valid_from_us: 0, ..polda.clone() }, "valid_from_us"),
    ] {
        assert_eq!(field(realm.say("UnitDeclared", &wrong)), name);
    }
    let succeeded = wire::UnitSucceeded {
        unit: "polda-kepri".into(),
        successors: words(&["polda-kepri/ppa-ppo"]),
        succeeded_at_us: NOW,
        decision_no: "KEP 1".into(),
    };
    for (wrong, name) in [
        (wire::UnitSucceeded { unit: "nobody".into(), ..succeeded.clone() }, "unit"),
        (wire::UnitSucceeded { successors: Vec::new(), ..succeeded.clone() }, "successors"),
        (wire::UnitSucceeded { successors: words(&["nobody"]), ..succeeded.clone() }, "successors"),
        (wire::UnitSucceeded { successors: words(&["polda-kepri"]), ..succeeded.clone() }, "successors"),
        (wire::UnitSucceeded { succeeded_at_us: 0, ..succeeded.clone() }, "succeeded_at_us"),
        (wire::UnitSucceeded { decision_no: String::new(), ..succeeded.clone() }, "decision_no"),
    ] {
        assert_eq!(field(realm.say("UnitSucceeded", &wrong)), name);
    }
}

#[test]
fn an_agency_with_a_register_of_officials_is_held_to_it() {
    let mut realm = Realm::new();
    realm.say("AgreementConcluded", &agreement()).unwrap();
    let asks = |realm: &Realm, official: &'static str, at: i64| {
        let provider = Some("kp2mi");
        realm.ask(Question { official: Some(official), provider, at, ..Question::default() }).allowed
    };
    assert!(asks(&realm, "anybody", NOW), "without a register the agency answers for its own");
    let declared = wire::OfficialDeclared {
        official: "petugas-7".into(),
        agency: "kbri-yangon".into(),
        unit: String::new(),
        valid_from_us: NOW,
        valid_until_us: NOW + 5 * DAY,
    };
    realm.say("OfficialDeclared", &declared).unwrap();
    assert!(asks(&realm, "petugas-7", NOW));
    assert!(!asks(&realm, "petugas-7", NOW - 1));
    assert!(!asks(&realm, "petugas-7", NOW + 5 * DAY), "it ends by itself");
    assert!(!asks(&realm, "anybody", NOW));
    assert!(asks(&realm, "", NOW), "the machine's own question is its certificate's");
    let ended = wire::OfficialEnded {
        official: "petugas-7".into(),
        agency: "kbri-yangon".into(),
        ended_at_us: NOW + DAY,
        reason: "moved".into(),
    };
    realm.say("OfficialEnded", &ended).unwrap();
    assert!(asks(&realm, "petugas-7", NOW + DAY - 1));
    assert!(!asks(&realm, "petugas-7", NOW + DAY));

    // Another agency keeps no register by that.
    let (agency, purpose) = ("polri".parse().unwrap(), "INVESTIGATE".parse().unwrap());
    let (official, action, resource) = (Some("anybody"), Action::View, "case");
    let at = Timestamp::from_us(NOW);
    let (field_class, provider) = (Some(FieldClass::Identity), None);
    let ask =
        |agency, purpose| Ask { agency, official, action, resource, field_class, purpose, provider, at };
    assert_eq!(realm.directory.want(&ask(&agency, Some(&purpose))), "no agreement in force");
    let yangon = "kbri-yangon".parse().unwrap();
    let want = realm.directory.want(&ask(&yangon, Some(&purpose)));
    assert_eq!(want, "no entry in the register of officials");

    // A unit, once the agency has one.
    realm.say("UnitDeclared", &unit("kbri-yangon/konsuler", "kbri-yangon", &["MMR"])).unwrap();
    realm.say("UnitDeclared", &unit("polda-kepri", "polri", &["21"])).unwrap();
    for (wrong, name) in [
        (declared.clone(), "unit"),
        (wire::OfficialDeclared { unit: "polda-kepri".into(), ..declared.clone() }, "unit"),
        (wire::OfficialDeclared { official: "a\nb".into(), ..declared.clone() }, "official"),
        (wire::OfficialDeclared { official: "x".repeat(65), ..declared.clone() }, "official"),
        (wire::OfficialDeclared { agency: "bin".into(), ..declared.clone() }, "agency"),
    ] {
        assert_eq!(field(realm.say("OfficialDeclared", &wrong)), name);
    }
    let nobody = wire::OfficialEnded { official: "anybody".into(), ..ended };
    assert_eq!(field(realm.say("OfficialEnded", &nobody)), "official");
}

#[test]
fn what_is_asked_for_a_purpose_that_is_not_declared_is_refused() {
    let mut realm = Realm::new();
    realm.say("AgreementConcluded", &agreement()).unwrap();
    assert!(realm.views(Some("kp2mi"), NOW).allowed, "before the first purpose policies alone say");
    let declared = |purpose: &str| wire::PurposeDeclared {
        purpose: purpose.into(),
        title_id: "Pelayanan".into(),
        title_en: "Assistance".into(),
        legal_basis: "UU 18/2017".into(),
    };
    realm.say("PurposeDeclared", &declared("REPATRIATE")).unwrap();
    assert!(!realm.views(Some("kp2mi"), NOW).allowed);
    realm.say("PurposeDeclared", &declared("ASSIST")).unwrap();
    assert!(realm.views(Some("kp2mi"), NOW).allowed);
    let ended =
        wire::PurposeEnded { purpose: "ASSIST".into(), ended_at_us: NOW + DAY, reason: "a new law".into() };
    realm.say("PurposeEnded", &ended).unwrap();
    assert!(realm.views(Some("kp2mi"), NOW + DAY - 1).allowed);
    assert!(!realm.views(Some("kp2mi"), NOW + DAY).allowed, "it ends by itself");
    realm.say("PurposeDeclared", &declared("ASSIST")).unwrap();
    assert!(realm.views(Some("kp2mi"), NOW + DAY).allowed, "declared again");

    let other = wire::AgreementConcluded { purposes: words(&["CURIOSITY"]), ..agreement() };
    assert_eq!(field(realm.say("AgreementConcluded", &other)), "purposes");
    let wrong = wire::PurposeDeclared { title_en: String::new(), ..declared("ASSIST") };
    assert_eq!(field(realm.say("PurposeDeclared", &wrong)), "title_en");
    assert_eq!(field(realm.say("PurposeDeclared", &declared("assist"))), "purpose");
    let never = wire::PurposeEnded { purpose: "TREAT".into(), ..ended };
    assert_eq!(field(realm.say("PurposeEnded", &never)), "purpose");
}

#[test]
fn a_declared_rule_book_takes_the_place_of_the_one_of_the_build() {
    let mut realm = Realm::new();
    let built_in = realm.directory.rules().clone();
    assert_eq!(&*built_in.version, "built-in");
    let later = RuleBook::builtin_text().replacen("id-pmi-", "uji-pmi-", 1);
    let declared = wire::RuleBookDeclared { toml: later, version: "2026-12-01".into() };
    realm.say("RuleBookDeclared", &declared).unwrap();
    let rules = realm.directory.rules();
    assert_eq!(&*rules.version, "2026-12-01");
    assert_ne!(rules.digest, built_in.digest);

    let broken = wire::RuleBookDeclared { toml: "[[set]]\nname = 7".into(), version: "x".into() };
    let error = realm.say("RuleBookDeclared", &broken).unwrap_err().to_string();
    assert!(error.starts_with("toml: ") && error.contains("line "), "{error}");
    let nameless = wire::RuleBookDeclared { version: String::new(), ..declared };
    assert_eq!(field(realm.say("RuleBookDeclared", &nameless)), "version");
    assert_eq!(&*realm.directory.rules().version, "2026-12-01", "what is refused changes nothing");
}

#[test]
fn an_embargo_on_an_official_keeps_back_looks_that_name_no_case() {
    let mut realm = Realm::controlled();
    let of_official = wire::EmbargoOrdered {
        case_ref: String::new(),
        official: "penyidik-9".into(),
        ..embargo(NOW + 2 * DAY)
    };
    let both = wire::EmbargoOrdered { case_ref: "TPPO-7".into(), ..of_official.clone() };
    assert_eq!(field(order(&mut realm, 0, &both)), "official");
    order(&mut realm, 1, &of_official).unwrap();
    let polri = "polri".parse().unwrap();
    let holds = |case_ref: &str, official: &str, us: i64| {
        realm.directory.embargo(&polri, case_ref, official, Timestamp::from_us(us)).is_some()
    };
    assert!(holds("", "penyidik-9", NOW));
    assert!(holds("TPPO-8", "penyidik-9", NOW));
    assert!(!holds("TPPO-7", "petugas-7", NOW));
    assert!(!holds("", "", NOW));
    assert!(!holds("", "penyidik-9", NOW + 2 * DAY), "it ends by itself");
}
