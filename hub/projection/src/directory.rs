//! Current rows of the directory: agencies, connectors, keys, the policy's version. Who may do what is decided by
//! `simpul-policy`, which folds the same events itself; these rows are for showing and for the state digest.

use data_encoding::HEXLOWER;

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key,
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Change, Participant, PublicKey},
};

/// The directory read model.
pub(crate) struct Directory;

impl Projection for Directory {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, _: &mut Outcome) -> Result<(), StateError> {
        fold(&event.content, event.position.get(), store)
    }
}

/// Folds a change; an approved one as what was proposed, at the position of the approval.
fn fold(content: &Content, position: u64, store: &mut Overlay<'_>) -> Result<(), StateError> {
    match content {
        Content::Agency(agency) => {
            let row = Participant { name: agency.name.clone(), kind: agency.kind.clone(), position };
            store.put_row(&key::agency(&agency.code), &row);
        }
        Content::Connector(connector) => {
            let name = connector.connector.clone();
            let row = Participant { name, kind: String::new(), position };
            store.put_row(&key::connector(&connector.agency, &connector.connector), &row);
        }
        Content::Key(registered) => {
            let digest = simpul_signing::sha256(&[&registered.public_key]);
            let row = PublicKey {
                agency: registered.agency.clone(),
                connector: registered.connector.clone(),
                public_key: registered.public_key.to_vec(),
                valid_from: registered.valid_from_us,
                valid_until: registered.valid_until_us,
                revoked_at: 0,
                position,
            };
            store.put_row(&key::public_key(&HEXLOWER.encode(&digest[..8])), &row);
        }
        Content::KeyRevoked(revoked) => {
            let key = key::public_key(&revoked.key_id);
            if let Some(mut row) = store.row::<PublicKey>(&key)? {
                row.revoked_at = revoked.revoked_at_us;
                row.position = position;
                store.put_row(&key, &row);
            }
        }
        Content::Policy(policy) => {
            let row = Participant { name: policy.version.clone(), kind: String::new(), position };
            store.put_row(key::POLICY, &row);
        }
        Content::Proposed(proposed) => {
            let row = Change { r#type: proposed.r#type.clone(), payload: proposed.payload.to_vec() };
            store.put_row(&key::proposal(&proposed.proposal), &row);
        }
        Content::Approved(approved) => {
            if let Some(change) = store.row::<Change>(&key::proposal(&approved.proposal))? {
                // Admission has taken it, so it is a change and no proposal of one.
                let change = Content::decode(&change.r#type, &change.payload);
                fold(&change.map_err(|_| StateError::Row)?.0, position, store)?;
            }
        }
        _ => {}
    }
    Ok(())
}
