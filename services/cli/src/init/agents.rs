//! Configurations of the connector agents that a realm's agencies run: by the name of the connector, which kind of source it
//! reads. Each stands in its connector's folder beside its own copy of the mappings, so that an agency can change them.

/// What one connector reads.
pub(super) struct Agent {
    /// `connector.toml`.
    pub(super) config: String,
    /// Mapping files, by name.
    pub(super) mappings: &'static [(&'static str, &'static str)],
    /// Whether its case system needs a token to post.
    pub(super) token: bool,
}

/// Polls often and waits little: a development realm is watched by a person.
const POLL: &str = "poll_ms = 500\nquiet_ms = 2000\n";

const SISKO: &[(&str, &str)] = &[
    ("sisko-licence.toml", include_str!("../../../../connectors/mappings/sisko-licence.toml")),
    ("sisko-placement.toml", include_str!("../../../../connectors/mappings/sisko-placement.toml")),
];
const POLRI: &[(&str, &str)] =
    &[("polri-case-update.toml", include_str!("../../../../connectors/mappings/polri-case-update.toml"))];
const MISSION: &[(&str, &str)] = &[
    ("mission-intake.toml", include_str!("../../../../connectors/mappings/mission-intake.toml")),
    ("mission-screening.toml", include_str!("../../../../connectors/mappings/mission-screening.toml")),
    ("mission-form.toml", include_str!("../../../../connectors/mappings/mission-form.toml")),
];

/// The agent of a connector; `None` for desks, which people use by hand.
pub(super) fn agent(connector: &str) -> Option<Agent> {
    let (sources, mappings, token) = match connector {
        "sisko" => (
            files("licences*.csv", "sisko-licence") + &files("placements*.csv", "sisko-placement"),
            SISKO,
            false,
        ),
        "case-system" => (HTTP.into(), POLRI, true),
        "forms" => (
            forms("intake-", "mission-intake")
                + &forms("screening-", "mission-screening")
                + &forms("form-", "mission-form"),
            MISSION,
            false,
        ),
        _ => return None,
    };
    Some(Agent { config: format!("{HEAD}{sources}"), mappings, token })
}

const HEAD: &str = "# What `simpul-connector --config FILE` runs; `connectors/README.md` explains it.\n\
                    client = \"client.toml\"\nspool_dir = \"spool\"\nquarantine_dir = \"quarantine\"\n\
                    status_file = \"status.json\"\n";

const HTTP: &str = "\n[[source]]\nkind = \"http-intake\"\nlisten = \"127.0.0.1:0\"\ntoken_file = \"intake.key\"\n\
                    mapping = \"mappings/polri-case-update.toml\"\n";

fn files(pattern: &str, mapping: &str) -> String {
    source("file-drop", &format!("pattern = \"{pattern}\""), mapping)
}

fn forms(prefix: &str, mapping: &str) -> String {
    source("form-folder", &format!("prefix = \"{prefix}\""), mapping)
}

fn source(kind: &str, which: &str, mapping: &str) -> String {
    format!(
        "\n[[source]]\nkind = \"{kind}\"\nfolder = \"input\"\n{which}\nmapping = \"mappings/{mapping}.toml\"\n{POLL}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mapping_that_a_configuration_names_is_there_and_is_valid() {
        for connector in ["sisko", "case-system", "forms"] {
            let agent = agent(connector).expect("an agent");
            let config: toml::Table = agent.config.parse().expect("TOML");
            for source in config["source"].as_array().expect("sources") {
                let named = source["mapping"].as_str().expect("a path").trim_start_matches("mappings/");
                let (_, text) = agent.mappings.iter().find(|(name, _)| *name == named).expect("its mapping");
                assert!(simpul_connector::Mapping::parse(text).is_ok(), "{named}");
            }
        }
        assert!(agent("desk").is_none());
    }
}
