//! What the walk over fields cannot know. Screenings by the forms of `hub/screening`: a version that does not exist, a code that is not the form's, a day on which the form was
//! not in force. Only these few types are decoded here; their fields have passed the walk.

use prost::Message;
use simpul_proto::{embassy, screening, shelter};
use simpul_screening::{FormFault, Forms, check, check_published, check_v1};
use simpul_types::StreamName;

use super::Fault;

/// Checks what the walk cannot know.
pub(super) fn check_forms(event_type: &str, payload: &[u8]) -> Result<(), Fault> {
    match event_type {
        "simpul.embassy.v1.ScreeningSubmitted" => {
            decoded::<embassy::ScreeningSubmitted>(event_type, payload, check_v1)
        }
        "simpul.screening.v1.ScreeningSubmitted" => {
            decoded::<screening::ScreeningSubmitted>(event_type, payload, check)
        }
        "simpul.screening.v1.FormVersionPublished" => {
            decoded::<screening::FormVersionPublished>(event_type, payload, check_published)
        }
        _ => Ok(()),
    }
}

/// A bed has one stream, so that the order of a stream keeps two agencies from holding it at once.
pub(crate) fn check_stream(event_type: &str, payload: &[u8], stream: &StreamName) -> Result<(), Fault> {
    if event_type != "simpul.shelter.v1.BedHeld" {
        return Ok(());
    }
    let undecodable = |_| Fault { path: String::new(), rule: format!("not a {event_type}") };
    let held = shelter::BedHeld::decode(payload).map_err(undecodable)?;
    let own = simpul_cases::bed_stream(&held.shelter_code, held.bed);
    if stream.as_str() == own {
        return Ok(());
    }
    Err(Fault { path: "bed".into(), rule: format!("submitted in the bed's own stream, {own}") })
}

fn decoded<M: Message + Default>(
    event_type: &str,
    payload: &[u8],
    check: impl FnOnce(&Forms, &M) -> Result<(), FormFault>,
) -> Result<(), Fault> {
    let undecodable = |_| Fault { path: String::new(), rule: format!("not a {event_type}") };
    let message = M::decode(payload).map_err(undecodable)?;
    check(Forms::builtin(), &message).map_err(|FormFault { path, rule }| Fault { path, rule })
}
