//! Views of the shared picture and the classes their fields fall into.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident, $error:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in policies, documents and the access log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = crate::id::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
                    .ok_or(crate::id::IdError::Name { what: $error, rule: "one of the closed list" })
            }
        }
    };
}

closed! {
    /// What a field tells about a person; agreements speak of these (`domain.md` §6.1).
    FieldClass, "field class" {
        /// References, stages and dates that name nobody.
        Reference = "reference",
        /// Name, birth date, identifiers, telephone.
        Identity = "identity",
        /// Placement, employer, evidence, licences.
        Placement = "placement",
        /// Answers and narrative of interviews.
        Screening = "screening",
        /// Result of a screening without its answers.
        ScreeningResult = "screening_result",
        /// Health and urgent needs.
        Health = "health",
        /// Where a person is sheltered.
        ShelterLocation = "shelter_location",
        /// Suspects, recruiters, charges.
        Suspect = "suspect",
    }
}

closed! {
    /// A kind of document in the shared picture. Stored by its place in this list: add at the end.
    View, "view" {
        /// A case with its persons and facts.
        Case = "case",
        /// A placement with its evidence.
        Placement = "placement",
        /// A licence of a placing company or a job order.
        Licence = "licence",
        /// Crossings, travel documents, departures prevented or noticed.
        Departure = "departure",
        /// A complaint.
        Complaint = "complaint",
        /// A service to a person: health, rehabilitation, companion.
        Service = "service",
        /// Prosecution, judgment, restitution, protection.
        Justice = "justice",
        /// A journey home, of a person or of remains.
        Return = "return",
        /// Tips and what leads to recruiters.
        Indicator = "indicator",
        /// A request of a foreign authority.
        Foreign = "foreign",
        /// A shelter with its places.
        Shelter = "shelter",
        /// Definitions and figures.
        Statistic = "statistic",
        /// Units, officers, actions of the task forces.
        Organisation = "organisation",
        /// Who is who: links between persons, taken back or not.
        Identity = "identity",
        /// That an answer given before is otherwise now; to the agency that got it.
        Verdict = "verdict",
        /// What the hub proves of itself.
        Integrity = "integrity",
        /// That a deadline of a case was missed; to the task force that is to see to it.
        Escalation = "escalation",
        /// What a village is told of one of its own, with that person's consent.
        Notice = "notice",
        /// That an agency took emergency access to a case, and what oversight found; to oversight.
        Emergency = "emergency",
    }
}
