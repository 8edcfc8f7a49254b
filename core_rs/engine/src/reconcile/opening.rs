//! How a session begins: from a cookie, holdings and a view to what the device lacks and has too much.

use std::collections::VecDeque;

use haversack_proto::sync;

use super::held::Held;
use super::holdings::{Difference, Holdings};
use super::session::{Dropped, Session};
use super::{Cookie, ENTITIES_MAX, KnownEntity, Marker, Opened, Opening, ReconcileError};
use crate::ids::{EntityNumber, Lsn};
use crate::view::{EntityView, RowFacts, View};

/// At this attempt the device has reset the entity, and holds nothing of it.
const ATTEMPT_AFTER_RESET: u32 = 2;

impl Session {
    /// Begins a session, or asks for inventories if the request says too little.
    ///
    /// # Errors
    /// If the request breaks the protocol or a limit, if this server is behind the device, or if an entity's
    /// digest still disagrees after a reset.
    pub fn open(opening: &Opening<'_>, view: &View, facts: &dyn RowFacts) -> Result<Opened, ReconcileError> {
        if view.entities.len() > ENTITIES_MAX {
            return Err(ReconcileError::LimitReached { what: "entities of a view", limit: ENTITIES_MAX });
        }
        let stated = Holdings::read(opening.holdings, opening.inventories)?;
        check_mismatches(opening.mismatches, &stated)?;
        let start = Start::of(opening, stated, view)?;
        let differences = start.differences(view, facts)?;
        if differences.iter().any(|difference| difference.is_incomplete) {
            return Ok(Opened::InventoryRequired(inventory_required(differences)));
        }
        let held = start.held(view, opening.mismatches, differences);
        let dropped = start.dropped(view);
        let marker = start.cookie.marker.filter(|marker| start.goes_on(marker, view, opening.mismatches));
        let session = Self::new(opening, start.cookie, start.tells_epoch, held, dropped, marker);
        Ok(Opened::Session(session))
    }
}

/// What a session starts from, once it is settled whether the cookie counts.
struct Start<'a> {
    cookie: Cookie,
    holdings: Holdings<'a>,
    /// The first event must be a Plan, for the device may not know the epoch.
    tells_epoch: bool,
}

impl<'a> Start<'a> {
    fn of(opening: &Opening<'_>, holdings: Holdings<'a>, view: &View) -> Result<Self, ReconcileError> {
        match opening.cookie {
            // The device keeps what it holds if it knows this epoch, else the Plan makes it delete all: sending
            // everything and removing what is too much is right for both.
            None => Ok(Self { cookie: Cookie::fresh(opening.epoch), holdings, tells_epoch: true }),
            Some(cookie) if cookie.epoch != opening.epoch => Ok(Self {
                cookie: Cookie { instant: cookie.instant, ..Cookie::fresh(opening.epoch) },
                holdings: Holdings::default(),
                tells_epoch: true,
            }),
            Some(cookie) if view.lsn < cookie.lsn => {
                Err(ReconcileError::ServerBehind { needed: cookie.lsn, reached: view.lsn })
            }
            Some(cookie) => Ok(Self { cookie: cookie.clone(), holdings, tells_epoch: false }),
        }
    }

    /// Which rows the device lacks and has too much, for each entity of the view.
    fn differences(&self, view: &View, facts: &dyn RowFacts) -> Result<Vec<Difference>, ReconcileError> {
        let difference = |part: &EntityView| {
            if part.rows.is_empty() {
                return Ok(Difference::default());
            }
            let marker = self.cookie.marker.as_ref().filter(|marker| marker.entity == part.entity);
            self.holdings.difference(part.entity, &part.rows, &self.known(part), marker, facts)
        };
        view.entities.iter().map(difference).collect()
    }

    /// The same, with the versions.
    fn held(&self, view: &View, mismatches: &[sync::DigestMismatch], differences: Vec<Difference>) -> Vec<Held> {
        let held = |(part, difference): (&EntityView, Difference)| {
            let floor = if self.counts(part, mismatches) { self.known(part).floor } else { Lsn(0) };
            Held::new(part, floor, difference.lacking, difference.surplus)
        };
        view.entities.iter().zip(differences).map(held).collect()
    }

    /// Entities whose every row must go: the view does not have them, or has no row of them.
    fn dropped(&self, view: &View) -> VecDeque<Dropped> {
        let keeps = |entity| view.entities.iter().any(|part| part.entity == entity && !part.rows.is_empty());
        let counts = self.holdings.counts().filter(|&(entity, _)| !keeps(entity));
        counts.map(|(entity, rows)| Dropped { entity, rows }).collect()
    }

    fn known(&self, part: &EntityView) -> KnownEntity {
        let nothing = KnownEntity { entity: part.entity, floor: Lsn(0), fingerprint: part.fingerprint };
        self.cookie.entity(part.entity).copied().unwrap_or(nothing)
    }

    /// Whether the cookie's floor of an entity counts: same columns, and no digest that disagreed.
    fn counts(&self, part: &EntityView, mismatches: &[sync::DigestMismatch]) -> bool {
        self.known(part).fingerprint == part.fingerprint && !mismatches.iter().any(|it| it.entity == part.entity.0)
    }

    /// Whether the pass goes on from its marker.
    fn goes_on(&self, marker: &Marker, view: &View, mismatches: &[sync::DigestMismatch]) -> bool {
        view.entities.iter().any(|part| part.entity == marker.entity && self.counts(part, mismatches))
    }
}

/// Asks for every block that cannot be guessed, answered or not: an answer is good for the next request only.
fn inventory_required(differences: Vec<Difference>) -> sync::InventoryRequired {
    let blocks = differences.into_iter().flat_map(|difference| difference.unguessed);
    sync::InventoryRequired { blocks: blocks.collect() }
}

fn check_mismatches(mismatches: &[sync::DigestMismatch], holdings: &Holdings<'_>) -> Result<(), ReconcileError> {
    if mismatches.len() > ENTITIES_MAX {
        return Err(ReconcileError::LimitReached { what: "mismatches", limit: ENTITIES_MAX });
    }
    for it in mismatches {
        let entity = EntityNumber(it.entity);
        let reason = match it.attempt {
            0 => "a mismatch has attempt 0; attempts count from 1",
            ATTEMPT_AFTER_RESET if holdings.count(entity) > 0 => "an entity that was reset still has holdings",
            1 | ATTEMPT_AFTER_RESET => continue,
            _ => return Err(ReconcileError::DigestMismatch { entity }),
        };
        return Err(ReconcileError::RequestInvalid(reason.to_owned()));
    }
    Ok(())
}
