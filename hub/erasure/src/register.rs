//! The register: what stands in it, and what may come next.

use std::collections::BTreeMap;

use simpul_types::{AgencyCode, Digest, KeyId, Position, StreamName, Timestamp};

use crate::{
    event::Event,
    refusal::Refusal,
    request::{Approval, Request, Stage},
};

const US_A_SECOND: i64 = 1_000_000;
const DAY_S: u64 = 24 * 60 * 60;

/// The least that a hub asks of a request. What a request asks for itself stands in it, signed, and holds when the rule changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Approvals, beside the request.
    pub approvals_min: u32,
    /// Seconds between the last approval and the execution.
    pub cooling_off_s_min: u64,
    /// Days that a request runs.
    pub days_max: u64,
}

impl Default for Rules {
    /// Two others have to agree, and there is a week to object.
    fn default() -> Self {
        Self { approvals_min: 2, cooling_off_s_min: 7 * DAY_S, days_max: 30 }
    }
}

/// Who brings an event, when, and what it says.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place; of one that is judged, the place it would get.
    pub position: Position,
    /// SHA-256 of its header bytes.
    pub digest: Digest,
    /// Who signed it.
    pub agency: AgencyCode,
    /// With which key.
    pub key_id: KeyId,
    /// When it was admitted; of one that is judged, now.
    pub at: Timestamp,
    /// What it says.
    pub event: Event,
}

/// All requests, by reference. A fold over the register's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    requests: BTreeMap<String, Request>,
}

impl Register {
    /// A request by its reference.
    pub fn request(&self, reference: &str) -> Option<&Request> {
        self.requests.get(reference)
    }

    /// All requests, in the order of their references.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// Whether an event may come next, under these rules.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn judge(&self, entry: &Entry, rules: &Rules) -> Result<(), Refusal> {
        if let Event::Requested { expires_at, approvals, cooling_off_s, .. } = &entry.event {
            let latest =
                entry.at.as_us().saturating_add_unsigned(rules.days_max * DAY_S * US_A_SECOND as u64);
            if *expires_at <= entry.at || expires_at.as_us() > latest {
                return Err(Refusal::Expiry { days: rules.days_max });
            }
            let (approvals_min, cooling_off_s_min) = (rules.approvals_min, rules.cooling_off_s_min);
            if *approvals < approvals_min || *cooling_off_s < cooling_off_s_min {
                return Err(Refusal::TooEasy { approvals: approvals_min, cooling_off_s: cooling_off_s_min });
            }
        } else if self.running(&entry.event)?.is_some_and(|request| request.expires_at <= entry.at) {
            return Err(Refusal::Expired);
        }
        self.may_follow(entry)
    }

    /// Takes the next event in. Judged again but for the hub's rules of its day and for the expiry, which was judged a moment
    /// before the event got its time.
    ///
    /// # Errors
    /// The [`Refusal`] where it does not follow; the register is then unchanged.
    pub fn apply(&mut self, entry: Entry) -> Result<(), Refusal> {
        self.may_follow(&entry)?;
        let Entry { position, digest, agency, key_id, at, event } = entry;
        if let Event::Requested { request, streams, expires_at, approvals: needed, cooling_off_s } = event {
            let (reference, approvals, stage) = (request.clone(), Vec::new(), Stage::Requested);
            self.requests.insert(
                reference,
                Request {
                    request,
                    position,
                    digest,
                    agency,
                    key_id,
                    streams,
                    expires_at,
                    needed,
                    cooling_off_s,
                    approvals,
                    stage,
                },
            );
            return Ok(());
        }
        let request = self.requests.get_mut(event.request()).ok_or(Refusal::Unknown)?;
        match event {
            Event::Requested { .. } => {}
            Event::Approved { .. } => {
                request.approvals.push(Approval { position, agency, key_id });
                // More approvals than are needed do not begin the cooling-off anew.
                if request.stage == Stage::Requested && request.approvals.len() >= request.needed as usize {
                    let wait =
                        i64::try_from(request.cooling_off_s).unwrap_or(i64::MAX).saturating_mul(US_A_SECOND);
                    let ready_at = Timestamp::from_us(at.as_us().saturating_add(wait));
                    request.stage = Stage::Approved { ready_at };
                }
            }
            Event::Vetoed { .. } => request.stage = Stage::Vetoed { position, by: agency, lifted: false },
            Event::Lifted { .. } => {
                if let Stage::Vetoed { lifted, .. } = &mut request.stage {
                    *lifted = true;
                }
            }
            Event::Executed { .. } => request.stage = Stage::Executed { position },
        }
        Ok(())
    }

    fn may_follow(&self, entry: &Entry) -> Result<(), Refusal> {
        match &entry.event {
            Event::Requested { request, streams, .. } => {
                if self.requests.contains_key(request) {
                    return Err(Refusal::Known);
                }
                streams.iter().try_for_each(|stream| self.is_free(stream, entry.at))
            }
            Event::Approved { digest, .. } => {
                let request = self.open(&entry.event)?;
                if request.digest != *digest {
                    return Err(Refusal::OtherRequest);
                }
                // ERA-1: different agencies, different keys.
                if request.agency == entry.agency || request.key_id == entry.key_id {
                    return Err(Refusal::SelfApproval);
                }
                let same = |given: &Approval| given.agency == entry.agency || given.key_id == entry.key_id;
                if request.approvals.iter().any(same) { Err(Refusal::Twice) } else { Ok(()) }
            }
            Event::Vetoed { .. } => self.open(&entry.event).map(|_| ()),
            Event::Lifted { request } => {
                let request = self.requests.get(request).ok_or(Refusal::Unknown)?;
                if request.held_by() == Some(&entry.agency) { Ok(()) } else { Err(Refusal::NoHold) }
            }
            Event::Executed { digest, streams, .. } => {
                let request = self.open(&entry.event)?;
                if request.digest != *digest {
                    return Err(Refusal::OtherRequest);
                }
                let ready_at = match &request.stage {
                    Stage::Approved { ready_at } => *ready_at,
                    _ => {
                        let (given, needed) = (request.approvals.len() as u32, request.needed);
                        return Err(Refusal::Approvals { given, needed });
                    }
                };
                // ERA-2.
                if entry.at < ready_at {
                    return Err(Refusal::CoolingOff(ready_at.as_us()));
                }
                let approved = request.approvals.iter().any(|given| given.agency == entry.agency);
                if request.agency != entry.agency && !approved {
                    return Err(Refusal::NoParty);
                }
                if *streams != request.streams {
                    return Err(Refusal::OtherStreams);
                }
                // A veto of an older request for the same stream.
                streams.iter().try_for_each(|stream| self.is_not_held(stream))
            }
        }
    }

    /// The request that an event is about, where it has not ended.
    fn running(&self, event: &Event) -> Result<Option<&Request>, Refusal> {
        let request = self.requests.get(event.request()).ok_or(Refusal::Unknown)?;
        Ok(Some(request).filter(|request| request.is_open()))
    }

    fn open(&self, event: &Event) -> Result<&Request, Refusal> {
        let request = self.requests.get(event.request()).ok_or(Refusal::Unknown)?;
        match &request.stage {
            Stage::Executed { .. } => Err(Refusal::Executed),
            Stage::Vetoed { by, .. } => Err(Refusal::Vetoed(by.clone())),
            Stage::Requested | Stage::Approved { .. } => Ok(request),
        }
    }

    fn is_free(&self, stream: &StreamName, at: Timestamp) -> Result<(), Refusal> {
        self.is_not_held(stream)?;
        let runs = |request: &&Request| request.is_open() && request.expires_at > at;
        let open = self.requests.values().filter(runs).any(|request| request.streams.contains(stream));
        if open { Err(Refusal::Open(stream.clone())) } else { Ok(()) }
    }

    fn is_not_held(&self, stream: &StreamName) -> Result<(), Refusal> {
        let held = self.requests.values().filter(|request| request.streams.contains(stream));
        match held.filter_map(Request::held_by).next() {
            Some(by) => Err(Refusal::Held { stream: stream.clone(), by: by.clone() }),
            None => Ok(()),
        }
    }
}
