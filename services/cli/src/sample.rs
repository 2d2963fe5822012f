//! Invented input of any size, in the shapes of `connectors/sample`, for load. The same seed gives the same bytes.
//!
//! Nothing is remembered between records: person 7 of the registry is a function of seed and 7, so the police and the
//! missions can speak of the same person, and a million persons take no more memory than one.

mod draw;
mod exports;
mod forms;
mod layout;
mod mrz;
mod names;
mod person;
mod registry;

use std::path::PathBuf;

use serde::Serialize;

/// Persons of the largest sample.
pub const PERSONS_MAX: u64 = person::PERSONS_MAX / 10 * 9;

/// What to make.
#[derive(Clone, Debug)]
pub struct SampleOptions {
    /// Persons with a placement in the registry.
    pub persons: u64,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Folder to make; must not hold anything yet.
    pub out: PathBuf,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SampleReport {
    /// Rows of the placement export.
    pub placements: u64,
    /// Rows of the licence export.
    pub licences: u64,
    /// Police reports.
    pub police_reports: u64,
    /// Intakes of missions.
    pub intakes: u64,
    /// Screenings of missions.
    pub screenings: u64,
}

/// Why a sample could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Something stands there already.
    #[error("{0} holds something already; choose a new folder")]
    Occupied(PathBuf),
    /// More persons than there are NIKs.
    #[error("at most {PERSONS_MAX} persons")]
    TooMany,
    /// A file could not be written.
    #[error("writing {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the sample; `progress` is told records done and in all.
///
/// # Errors
/// [`SampleError`].
pub fn write(
    options: &SampleOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<SampleReport, SampleError> {
    // A tenth is kept for persons whom the registry does not know.
    if options.persons > PERSONS_MAX {
        return Err(SampleError::TooMany);
    }
    layout::write(options, progress)
}

#[cfg(test)]
mod tests;
