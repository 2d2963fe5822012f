//! A case in IOM's Human Trafficking Case Data Standard 2.0: what the asking agency sees of it, under the names and in the codes of
//! the standard.
//!
//! The standard is a draft with gaps; nothing is bent to fit, and what has no place in it stands in `extension`:
//!
//! | gap of the standard | here |
//! |---|---|
//! | first and second name are core; many people have one name | the whole name in `prs_FirstName`, and `extension.name` |
//! | no value for confinement, forced crime, threats of worse and others | `Other`, and the answer in `extension.answers` |
//! | 17 methods of control are announced, 16 listed | the 16 |
//! | country lists are an instruction ("two-letter optional") | ISO 3166-1 alpha-3, as everywhere in Simpul |
//! | `per_Organisation` has neither label nor type; fields marked DEPRECATED | left out; consent is `con_Consent` |
//! | possible, actual or no victim, no word on by which definition | by the newest decision; all of them in `extension.decisions` |

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::{claims, list, text};

const FIELDS: &str = include_str!("htcds/fields.json");
const PROFILE: &str = include_str!("htcds/profile.toml");

/// A field of the standard.
#[derive(Deserialize)]
struct Field {
    name: String,
    r#type: String,
    status: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    row: Vec<Row>,
}

/// How the options of one question are told.
#[derive(Deserialize)]
struct Row {
    question: String,
    field: String,
    values: BTreeMap<String, String>,
}

/// The case as a record of the standard; checked against its field list before it is given.
///
/// # Errors
/// Where the record would hold what the standard does not know: a fault of the profile.
pub fn record(fields: &Value, position: u64) -> anyhow::Result<Value> {
    let fields = Case { fields };
    let record = json!({
        "standard": "HTCDS 2.0",
        "source": { "system": "simpul", "position": position },
        "case": fields.case(),
        "persons": fields.persons()?,
        "referrals": fields.referrals(),
        "consents": fields.consents(),
    });
    check(&record)?;
    Ok(record)
}

struct Case<'a> {
    fields: &'a Value,
}

impl Case<'_> {
    fn of(&self, class: &str, name: &str) -> &[Value] {
        list(&self.fields[class][name])
    }

    fn case(&self) -> Value {
        let reference = &self.fields["reference"];
        let stage = text(&reference["stage"]["stage"]).unwrap_or_default();
        let status = match stage {
            "CLOSED" => "Closed",
            "REINTEGRATION" | "MONITORING" => "FollowUp",
            _ => "Active",
        };
        json!({
            "cas_Status": status,
            "cas_CaseOwner": text(&reference["stage"]["holder"]).unwrap_or_default(),
            "extension": { "case_ref": reference["case_ref"], "stage": reference["stage"], "stages": reference["stages"] },
        })
    }

    fn persons(&self) -> anyhow::Result<Vec<Value>> {
        let profile: Profile = toml::from_str(PROFILE).context("the profile")?;
        let mut people: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let events = self.of("identity", "events").iter();
        for claim in self.of("identity", "persons").iter().chain(events.flat_map(claims)) {
            let (Some(id), Some(name)) = (text(&claim["person"]), text(&claim["name"])) else { continue };
            let person = people.entry(id.to_owned()).or_default();
            person.insert("prs_FirstName".into(), name.into());
            person.insert("extension".into(), json!({ "person": id, "name": name }));
            for (from, to) in [("birth_date", "prs_Birthdate"), ("nik", "prs_IdentityNumber")] {
                if let Some(value) = text(&claim[from]) {
                    person.insert(to.into(), value.into());
                }
            }
            let gender = match text(&claim["sex"]) {
                Some("FEMALE") => Some("Feminine"),
                Some("MALE") => Some("Masculine"),
                _ => None,
            };
            if let Some(gender) = gender {
                person.insert("prs_Gender".into(), gender.into());
            }
            if let Some(nationality) = text(&claim["nationality"]) {
                person.insert("prs_Citizenship".into(), json!([nationality]));
            }
        }
        for (id, person) in &mut people {
            self.victim(id, &profile, person);
        }
        Ok(people.into_values().map(Value::Object).collect())
    }

    /// What screenings and decisions say of one person.
    fn victim(&self, id: &str, profile: &Profile, person: &mut Map<String, Value>) {
        let decisions: Vec<&Value> = self
            .of("screening_result", "decisions")
            .iter()
            .filter(|one| text(&one["person"]) == Some(id))
            .collect();
        if let Some(newest) = decisions.last() {
            let status = match text(&newest["result"]) {
                Some("IDENTIFIED") => "ActualVictimOfTrafficking",
                Some("NOT_IDENTIFIED") => "NotAVictimOfTrafficking",
                _ => "PossibleVictimOfTrafficking",
            };
            person.insert("vic_TraffickingStatus".into(), status.into());
            person.insert(
                "vic_TraffickingStatusDecisionMakingOrg".into(),
                "NonPoliceGovernmentalOrganization".into(),
            );
        }
        let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut untold = Vec::new();
        // The screening's answers and the person it is about stand in two classes of one event.
        let about = |position: &Value| {
            let events = self.of("identity", "events").iter().filter(|event| event["position"] == *position);
            events.flat_map(claims).any(|claim| text(&claim["person"]) == Some(id))
        };
        for screening in self.of("screening", "events").iter().filter(|event| about(&event["position"])) {
            for answer in list(&screening["answers"]) {
                let question = text(&answer["question"]).unwrap_or_default();
                for option in list(&answer["choices"]).iter().filter_map(text) {
                    let rows = profile.row.iter().filter(|row| row.question == question);
                    for (row, value) in rows.filter_map(|row| Some((row, row.values.get(option)?))) {
                        told.entry(&row.field).or_default().insert(value);
                        if value == "Other" {
                            untold.push(json!({ "question": question, "option": option }));
                        }
                    }
                }
            }
        }
        for (field, values) in told {
            person.insert(field.into(), json!(values));
        }
        let extension = person.entry("extension").or_insert_with(|| json!({}));
        if !untold.is_empty() {
            extension["answers"] = untold.into();
        }
        if !decisions.is_empty() {
            extension["decisions"] = json!(decisions);
        }
    }

    fn referrals(&self) -> Vec<Value> {
        let told = |referral: &Value| {
            let to: Vec<&str> = list(&referral["to"]).iter().filter_map(text).collect();
            json!({
                "cas_ReferringOrganisation": referral["from"], "cas_ReferredOrganisation": to.join(", "),
                "cas_ReasonForOutgoingReferral": "AdditionalServicesRequired",
                "cas_OutgoingReferralDate": referral["since"],
                "extension": { "service": referral["service"], "state": referral["state"], "position": referral["position"] },
            })
        };
        self.of("reference", "referrals").iter().map(told).collect()
    }

    fn consents(&self) -> Vec<Value> {
        let told = |consent: &Value| {
            json!({
                "con_Consent": consent["given"],
                "extension": { "for_purpose": consent["for_purpose"], "on": consent["on"], "position": consent["position"] },
            })
        };
        self.of("reference", "consents").iter().map(told).collect()
    }
}

/// Whether every member is a field of the standard that is not deprecated, and every coded value one of its list.
fn check(record: &Value) -> anyhow::Result<()> {
    let fields: Vec<Field> = serde_json::from_str(FIELDS).context("the field list")?;
    let parts =
        ["case", "persons", "referrals", "consents"].into_iter().flat_map(|part| match &record[part] {
            Value::Array(items) => items.clone(),
            one => vec![one.clone()],
        });
    for part in parts {
        let members = part.as_object().into_iter().flatten().filter(|(name, _)| *name != "extension");
        for (name, value) in members {
            let field = fields.iter().find(|field| field.name == *name);
            let field = field.with_context(|| format!("{name} is no field of HTCDS 2.0"))?;
            ensure!(field.status != "DEPRECATED", "{name} is deprecated in HTCDS 2.0");
            // Where the list is an instruction, any value may stand.
            let coded = field.r#type.contains("Picklist") && field.values.len() > 1;
            let told = match value {
                Value::Array(items) => items.clone(),
                one => vec![one.clone()],
            };
            for one in told.iter().filter_map(Value::as_str).filter(|_| coded) {
                ensure!(
                    field.values.iter().any(|known| known == one),
                    "{name}: {one:?} is no value of HTCDS 2.0"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_profile_is_a_value_of_the_standard() {
        let profile: Profile = toml::from_str(PROFILE).expect("a profile");
        for row in profile.row {
            let values: Vec<_> = row.values.values().collect();
            check(&json!({ "persons": [{ (row.field.as_str()): values }] })).expect("known");
        }
    }

    #[test]
    fn what_the_standard_does_not_know_is_named() {
        let said = |record: Value| check(&record).expect_err("refused").to_string();
        assert_eq!(said(json!({ "case": { "cas_Colour": 1 } })), "cas_Colour is no field of HTCDS 2.0");
        assert_eq!(
            said(json!({ "case": { "cas_Status": "Open" } })),
            "cas_Status: \"Open\" is no value of HTCDS 2.0"
        );
        assert!(said(json!({ "persons": [{ "vic_Vulnerabilities": ["Poverty"] }] })).contains("deprecated"));
    }

    #[test]
    fn a_case_becomes_a_record_and_what_has_no_place_stands_in_its_extension() {
        let fields = json!({
            "reference": {
                "case_ref": "K-1", "stage": { "stage": "REHABILITATION", "holder": "kemensos" },
                "referrals": [{ "from": "polri", "to": ["kemensos"], "since": "2026-02-01", "service": "HEALTH", "state": "ACCEPTED", "position": 9 }],
                "consents": [{ "given": true, "for_purpose": "VILLAGE_NOTICE", "on": "2026-01-01", "position": 3 }],
            },
            "identity": {
                "events": [{ "position": 5, "person": { "person": "ab", "name": "MELATI", "birth_date": "2009-03-02", "sex": "FEMALE" } }],
            },
            "screening": { "events": [{ "position": 5, "answers": [
                { "question": "exploitation", "choices": ["SEXUAL", "FORCED_CRIMINALITY"] }, { "question": "held-by", "choices": ["DEBT"] },
            ] }] },
            "screening_result": { "decisions": [{ "person": "ab", "result": "IDENTIFIED", "under": "NATIONAL" }] },
        });
        let record = record(&fields, 12).expect("of the standard");
        let person = &record["persons"][0];
        assert_eq!((&person["prs_FirstName"], &person["prs_Gender"]), (&json!("MELATI"), &json!("Feminine")));
        assert_eq!(person["vic_TypeOfExploitation"], json!(["Other", "SexualExploitation"]));
        assert_eq!(person["vic_MethodsOfControl"], json!(["DebtBondage"]));
        assert_eq!(person["vic_TraffickingStatus"], "ActualVictimOfTrafficking");
        assert_eq!(person["extension"]["answers"][0]["option"], "FORCED_CRIMINALITY");
        assert_eq!(
            (&record["case"]["cas_Status"], &record["consents"][0]["con_Consent"]),
            (&json!("Active"), &json!(true))
        );
    }
}
