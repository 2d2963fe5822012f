//! Screenings by the forms of `hub/screening`: a version that does not exist, a code that is not the form's, a day on which the form was
//! not in force. Only these few types are decoded here; their fields have passed the walk.

use prost::Message;
use simpul_proto::{embassy, screening};
use simpul_screening::{FormFault, Forms, check, check_published, check_v1};

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

fn decoded<M: Message + Default>(
    event_type: &str,
    payload: &[u8],
    check: impl FnOnce(&Forms, &M) -> Result<(), FormFault>,
) -> Result<(), Fault> {
    let undecodable = |_| Fault { path: String::new(), rule: format!("not a {event_type}") };
    let message = M::decode(payload).map_err(undecodable)?;
    check(Forms::builtin(), &message).map_err(|FormFault { path, rule }| Fault { path, rule })
}
