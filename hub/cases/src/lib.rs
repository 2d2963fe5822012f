//! A case as the fold of its facts. Pure: no clock, no I/O, no panic; the same facts in the same order give the same case.
//!
//! ```text
//! facts (position, agency, payload) ─▶ Case::fold ─▶ stage and holder · roles · decisions side by side · referrals ·
//!                                                    clocks · consents · beds · flags
//! clocks.toml ─▶ ClockBook ─▶ due dates and breaches at a day
//! ```
//!
//! Facts of agencies are never refused here: what does not fit is flagged, naming field and rule. What must not happen at all, such
//! as a second acceptance, is refused at admission.

mod case;
mod clock;
mod due;
mod fact;
mod shelter;

pub use case::{
    Bed, BedState, Breach, Case, Consent, Decision, Flag, Referral, ReferralState, Role, StageEntry,
};
pub use clock::{Calendar, Clock, ClockBook, ClockError, ClockRule, ClockState};
pub use due::Due;
pub use fact::{Fact, FactKind};
pub use shelter::{Match, Matches, Need, Shelter, bed_stream, match_shelters};
