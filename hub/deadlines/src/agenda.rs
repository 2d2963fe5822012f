//! Cases by the next day on which something is due in them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use simpul_projection::CaseId;

/// The agenda. A case stands in it once, or not at all.
#[derive(Default)]
pub(crate) struct Agenda {
    by_day: BTreeSet<(Date, CaseId)>,
    of_case: BTreeMap<CaseId, Date>,
}

impl Agenda {
    /// Moves a case to its next day; `None` takes it out.
    pub(crate) fn set(&mut self, case: CaseId, next: Option<Date>) {
        if let Some(before) = self.of_case.remove(&case) {
            self.by_day.remove(&(before, case));
        }
        if let Some(day) = next {
            self.of_case.insert(case, day);
            self.by_day.insert((day, case));
        }
    }

    /// Cases of which something is due by the end of a day, the oldest first.
    pub(crate) fn due_by(&self, day: Date) -> Vec<CaseId> {
        self.by_day.iter().take_while(|(due, _)| *due <= day).map(|(_, case)| *case).collect()
    }
}
