//! Agreements in the directory: concluding and ending them, and what they mean for a question.

use std::collections::BTreeSet;

use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, Position, Timestamp};

use super::{Directory, DirectoryError, TEXT_BYTES_MAX, UnitRecord, optional_time, text};
use crate::{
    Action, Ask,
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
        if let Those::Some(purposes) = &agreement.purposes
            && !self.purposes.is_empty()
            && let Some(unknown) = purposes.iter().find(|purpose| !self.purposes.contains_key(*purpose))
        {
            return Err(DirectoryError::NotDeclared { field: "purposes", name: unknown.to_string() });
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

    /// Whether an agreement covers a question of its consumer, else the first part that it leaves out.
    ///
    /// # Errors
    /// The [`Miss`].
    pub fn covers(&self, agreement: &Agreement, ask: &Ask<'_>) -> Result<(), Miss> {
        agreement.covers_anywhere(ask)?;
        let Those::Some(places) = &agreement.jurisdictions else { return Ok(()) };
        // What is submitted is the consumer's own.
        let provider = if ask.action == Action::Submit { Some(ask.agency) } else { ask.provider };
        let provider = provider.ok_or(Miss::Jurisdiction(None))?;
        let jurisdiction = self.jurisdiction(provider, ask.at);
        let within = jurisdiction.iter().all(|place| places.iter().any(|agreed| place.lies_in(agreed)));
        if within && !jurisdiction.is_empty() {
            Ok(())
        } else {
            Err(Miss::Jurisdiction(Some(provider.clone())))
        }
    }

    /// What each agreement of the asking agency leaves out of a question that it does not cover.
    pub fn misses(&self, ask: &Ask<'_>) -> Vec<(String, Miss)> {
        let miss = |agreement: &Agreement| {
            self.covers(agreement, ask).err().map(|miss| (agreement.reference.clone(), miss))
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

    /// The next moment after `at` at which an agreement, a unit or a purpose begins or ends by itself, and decisions may become others.
    pub fn next_turn(&self, at: Timestamp) -> Option<Timestamp> {
        let agreements = self.agreements.values().flat_map(Agreement::turns);
        let turns = agreements.chain(self.units().flat_map(UnitRecord::turns)).chain(self.purpose_turns());
        turns.filter(|turn| *turn > at).min()
    }

    /// Agencies whose data an agency may be given otherwise than anybody's: those that its agreements name or tell by where they are
    /// competent, and itself.
    pub fn named_providers(&self, agency: &AgencyCode) -> BTreeSet<&AgencyCode> {
        let own = self.agencies.get_key_value(agency).map(|(code, _)| code);
        let named = self.agreements_of(agency).filter_map(|agreement| match &agreement.providers {
            Those::All => None,
            Those::Some(providers) => Some(providers),
        });
        let by_place = self.agreements_of(agency).any(|agreement| agreement.jurisdictions != Those::All);
        let competent = self.units().filter(|_| by_place).map(|unit| &unit.agency);
        named.flatten().chain(competent).chain(own).collect()
    }
}
