//! How an access entry names what an answer rests on: ids of policies, and agreements.

/// What stands before an agreement's reference; no id of a policy has a colon.
const AGREEMENT: &str = "agreement:";

/// An agreement as a ground.
pub fn of_agreement(reference: &str) -> String {
    format!("{AGREEMENT}{reference}")
}

/// The agreement that a ground names; `None` where it names a policy.
pub fn agreement(ground: &str) -> Option<&str> {
    ground.strip_prefix(AGREEMENT)
}
