//! What users have given up on their devices, once the ledger knows: it is never made.

use std::collections::BTreeMap;

use haversack_proto::sync::{MutationOutcome, UploadRequest};
use haversack_staging::{Entry, Origin, Resolution, Staging};

use crate::counters::Counters;
use crate::truth::Truth;
use crate::views::draw::key;
use crate::views::organization::USER;

/// Mutations that were refused when they were withdrawn, and how often the source outside had made each until then.
#[derive(Default)]
pub(crate) struct Withdrawn(BTreeMap<Origin, u32>);

impl Withdrawn {
    /// A call has withdrawn mutations, or may have, if it failed.
    pub(crate) fn heed(
        &mut self,
        user: u32,
        request: &UploadRequest,
        succeeded: bool,
        truth: &Truth,
        counters: &mut Counters,
    ) {
        let install = request.install_id[..].try_into().unwrap();
        for &number in &request.withdrawn {
            let origin = Origin { install, user: key(USER, user), number };
            let Some(found) = entry(truth, &origin) else { continue };
            assert!(!succeeded || !found.is_open_refusal(), "{origin:?} was withdrawn, and is open: {found:?}");
            let is_new = is_withdrawn(&found) && !self.0.contains_key(&origin);
            if is_new {
                self.0.insert(origin, times_made(truth, &origin));
                counters.count("refusals withdrawn");
            }
        }
    }

    /// The staging database is an earlier one, which may know less.
    pub(crate) fn lose(&mut self, truth: &Truth) {
        self.0.retain(|origin, _| entry(truth, origin).is_some_and(|it| is_withdrawn(&it)));
    }

    /// Makes sure that nothing was made since it was withdrawn.
    pub(crate) fn check(&self, truth: &Truth) {
        for (origin, &before) in &self.0 {
            let found = entry(truth, origin).expect("entries are never deleted");
            assert_eq!(times_made(truth, origin), before, "{origin:?} was made when it had been withdrawn: {found:?}");
            // A source outside may have it from before a backup, and is asked when a copy of the device sends it again.
            let may_be_made = truth.outside.is_some() && !is_refused(&found);
            assert!(is_withdrawn(&found) || may_be_made, "{origin:?} was withdrawn: {found:?}");
        }
    }
}

/// The ledger's entry of a mutation.
pub(crate) fn entry(truth: &Truth, origin: &Origin) -> Option<Entry> {
    let mut commit = truth.staging().begin().unwrap();
    let place = commit.ledger().find(origin).unwrap()?.place;
    commit.ledger().entry(place).unwrap()
}

/// Whether it is of a refused mutation that its user has given up.
pub(crate) fn is_withdrawn(entry: &Entry) -> bool {
    is_refused(entry) && entry.resolution == Resolution::Withdrawn
}

fn is_refused(entry: &Entry) -> bool {
    ![MutationOutcome::Applied, MutationOutcome::Queued].contains(&MutationOutcome::try_from(entry.outcome).unwrap())
}

fn times_made(truth: &Truth, origin: &Origin) -> u32 {
    truth.outside.as_ref().map_or(0, |outside| outside.times_made(origin))
}
