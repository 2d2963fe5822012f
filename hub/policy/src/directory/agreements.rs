//! Agreements in the directory: concluding and ending them, and what they mean for a question.

use std::collections::BTreeSet;

use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, Position, Timestamp};

use super::{Directory, DirectoryError, TEXT_BYTES_MAX, optional_time, text};
use crate::{
    Ask,
    agreement::{Agreement, Miss, Those},
};

impl Directory {
    pub(super) fn conclude(
        &mut self,
        concluded: &wire::AgreementConcluded,
        position: Position,
    ) -> Result<(), DirectoryError> {
        let agreement = Agreement::read(concluded, position)?;
        if !self.agencies.contains_key(&agreement.consumer) {
            let name = agreement.consumer.to_string();
            return Err(DirectoryError::NotDeclared { field: "consumer", name });
        }
        if let Those::Some(providers) = &agreement.providers
            && let Some(unknown) = providers.iter().find(|provider| !self.agencies.contains_key(*provider))
        {
            return Err(DirectoryError::NotDeclared { field: "providers", name: unknown.to_string() });
        }
        self.agreements.insert(agreement.reference.clone(), agreement);
        Ok(())
    }

    pub(super) fn end_agreement(&mut self, ended: &wire::AgreementEnded) -> Result<(), DirectoryError> {
        text("reason", &ended.reason, TEXT_BYTES_MAX)?;
        let at = optional_time(ended.ended_at_us)
            .ok_or(DirectoryError::Field { field: "ended_at_us", rule: "required".into() })?;
        let agreement = self
            .agreements
            .get_mut(&ended.agreement)
            .ok_or_else(|| DirectoryError::AgreementUnknown(ended.agreement.clone()))?;
        agreement.ended_at = Some(agreement.ended_at.map_or(at, |known| known.min(at)));
        Ok(())
    }

    /// What each agreement of the asking agency leaves out of a question that it does not cover.
    pub fn misses(&self, ask: &Ask<'_>) -> Vec<(String, Miss)> {
        let miss = |agreement: &Agreement| {
            agreement.covers(ask).err().map(|miss| (agreement.reference.clone(), miss))
        };
        self.agreements_of(ask.agency).filter_map(miss).collect()
    }

    pub(super) fn agreements_of(&self, consumer: &AgencyCode) -> impl Iterator<Item = &Agreement> {
        self.agreements.values().filter(move |agreement| agreement.consumer == *consumer)
    }

    /// All agreements that were ever concluded, by reference.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values()
    }

    /// One agreement.
    pub fn agreement(&self, reference: &str) -> Option<&Agreement> {
        self.agreements.get(reference)
    }

    /// The next moment after `at` at which an agreement begins or ends by itself, and decisions may become others.
    pub fn next_turn(&self, at: Timestamp) -> Option<Timestamp> {
        let turns = self.agreements.values().flat_map(|agreement| [agreement.valid_from, agreement.end()]);
        turns.filter(|turn| *turn > at).min()
    }

    /// Agencies whose data an agency may be given otherwise than anybody's: those that its agreements name, and itself.
    pub fn named_providers(&self, agency: &AgencyCode) -> BTreeSet<&AgencyCode> {
        let own = self.agencies.get_key_value(agency).map(|(code, _)| code);
        let named = self.agreements_of(agency).filter_map(|agreement| match &agreement.providers {
            Those::All => None,
            Those::Some(providers) => Some(providers),
        });
        named.flatten().chain(own).collect()
    }
}
