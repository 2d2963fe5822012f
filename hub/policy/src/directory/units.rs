//! Units of agencies: where each is competent, and who took over. An agency's jurisdiction is that of its units.

use std::collections::BTreeSet;

use simpul_proto::directory as wire;
use simpul_types::{AgencyCode, Timestamp};

use super::{Directory, DirectoryError, TEXT_BYTES_MAX, field, name, optional_time, text};
use crate::place::Place;

/// Places of one unit: every regency of the country.
const PLACES_MAX: usize = 600;
/// Units that take over from one.
const SUCCESSORS_MAX: usize = 64;

/// A unit that was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRecord {
    /// Its code.
    pub unit: String,
    /// Whose part it is.
    pub agency: AgencyCode,
    /// Its name for people.
    pub name: String,
    /// The unit above it.
    pub parent: Option<String>,
    /// Where it is competent.
    pub jurisdiction: BTreeSet<Place>,
    /// From when on.
    pub valid_from: Timestamp,
    /// Who takes over, and from when on.
    pub succession: Option<Succession>,
}

/// The end of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Units that take over.
    pub successors: Vec<String>,
    /// From when on.
    pub at: Timestamp,
    /// Number of the decision.
    pub decision_no: String,
}

impl UnitRecord {
    /// Whether it stands at that time.
    pub fn stands(&self, at: Timestamp) -> bool {
        self.valid_from <= at && self.succession.as_ref().is_none_or(|end| at < end.at)
    }

    /// When it begins and when it ends by itself.
    pub(super) fn turns(&self) -> impl Iterator<Item = Timestamp> {
        [Some(self.valid_from), self.succession.as_ref().map(|end| end.at)].into_iter().flatten()
    }
}

impl Directory {
    pub(super) fn declare_unit(&mut self, declared: wire::UnitDeclared) -> Result<(), DirectoryError> {
        let code = unit_code("unit", &declared.unit)?;
        let agency = self.declared_agency(&declared.agency)?;
        text("name", &declared.name, TEXT_BYTES_MAX)?;
        let known = self.units.get(&code);
        if known.is_some_and(|known| known.agency != agency) {
            return Err(field("unit", "is a unit of another agency"));
        }
        let parent = match declared.parent.as_str() {
            "" => None,
            parent => Some(self.unit_of("parent", parent, &agency)?.unit.clone()),
        };
        if self.stands_above(&code, parent.as_deref()) {
            return Err(field("parent", "stands below this unit"));
        }
        if declared.jurisdiction.len() > PLACES_MAX {
            return Err(field("jurisdiction", &format!("at most {PLACES_MAX} of them")));
        }
        let place = |text: &String| {
            let place = text.parse::<Place>();
            place.map_err(|error| field("jurisdiction", &format!("{text:?}: {error}")))
        };
        let jurisdiction = declared.jurisdiction.iter().map(place).collect::<Result<_, _>>()?;
        let valid_from = optional_time(declared.valid_from_us).ok_or(field("valid_from_us", "required"))?;
        let unit = UnitRecord {
            unit: code.clone(),
            agency,
            name: declared.name,
            parent,
            jurisdiction,
            valid_from,
            succession: None,
        };
        self.units.insert(code, unit);
        Ok(())
    }

    pub(super) fn succeed_unit(&mut self, succeeded: wire::UnitSucceeded) -> Result<(), DirectoryError> {
        let at = optional_time(succeeded.succeeded_at_us).ok_or(field("succeeded_at_us", "required"))?;
        text("decision_no", &succeeded.decision_no, TEXT_BYTES_MAX)?;
        let successors = succeeded.successors;
        if successors.is_empty() || successors.len() > SUCCESSORS_MAX {
            return Err(field("successors", &format!("1 to {SUCCESSORS_MAX} of them")));
        }
        let unknown = |name: &String| DirectoryError::NotDeclared { field: "successors", name: name.clone() };
        if let Some(other) = successors.iter().find(|unit| !self.units.contains_key(*unit)) {
            return Err(unknown(other));
        }
        if successors.contains(&succeeded.unit) {
            return Err(field("successors", "a unit does not take over from itself"));
        }
        let name = succeeded.unit;
        let unit = self.units.get_mut(&name).ok_or(DirectoryError::NotDeclared { field: "unit", name })?;
        // Of two ends the earlier one counts.
        if unit.succession.as_ref().is_none_or(|known| at < known.at) {
            unit.succession = Some(Succession { successors, at, decision_no: succeeded.decision_no });
        }
        Ok(())
    }

    /// A unit of that agency.
    pub(super) fn unit_of(
        &self,
        what: &'static str,
        code: &str,
        agency: &AgencyCode,
    ) -> Result<&UnitRecord, DirectoryError> {
        let unknown = || DirectoryError::NotDeclared { field: what, name: code.to_owned() };
        let unit = self.units.get(code).ok_or_else(unknown)?;
        if unit.agency == *agency { Ok(unit) } else { Err(field(what, "is a unit of another agency")) }
    }

    /// Whether a unit is `from`, or one above it.
    fn stands_above(&self, unit: &str, from: Option<&str>) -> bool {
        let above = |code: &&str| self.units.get(*code)?.parent.as_deref();
        std::iter::successors(from, above).any(|code| code == unit)
    }

    /// All units that were ever declared, by code.
    pub fn units(&self) -> impl Iterator<Item = &UnitRecord> {
        self.units.values()
    }

    /// Where an agency is competent: the places of its units that stand at that time. Empty: nothing is said of it, as of a ministry.
    pub fn jurisdiction(&self, agency: &AgencyCode, at: Timestamp) -> BTreeSet<&Place> {
        let units = self.units.values().filter(|unit| unit.agency == *agency && unit.stands(at));
        units.flat_map(|unit| &unit.jurisdiction).collect()
    }

    pub(super) fn declared_agency(&self, agency: &str) -> Result<AgencyCode, DirectoryError> {
        let code: AgencyCode = name("agency", agency)?;
        match self.agencies.contains_key(&code) {
            true => Ok(code),
            false => Err(DirectoryError::NotDeclared { field: "agency", name: code.to_string() }),
        }
    }
}

fn unit_code(what: &'static str, text: &str) -> Result<String, DirectoryError> {
    let right = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'/');
    if right { Ok(text.to_owned()) } else { Err(field(what, "1 to 64 characters of a-z, 0-9, '-' and '/'")) }
}
