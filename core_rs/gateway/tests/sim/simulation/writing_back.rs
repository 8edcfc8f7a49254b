//! Write-back to a source outside: what `haversack_server.replication` does, one process at a time, and killed anywhere.

use std::collections::BTreeSet;

use haversack_engine::engine::mutation::Refusal;
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason;
use haversack_proto::sync::{MutationAnswer, MutationOutcome, UploadRequest, UploadResponse};
use haversack_staging::queue::{Ready, Repeat, Settlement, ready, settle};
use haversack_staging::{Origin, Staging};

use super::Simulation;
use crate::outside::{Outside, Said, json, merges};
use crate::rows::row_of;
use crate::views::draw::key;
use crate::views::organization::USER;

/// Writes that one run of a worker takes.
const WRITES_MAX: usize = 8;

/// Runs of a worker until nothing waits.
const RUNS_MAX: usize = 2_000;

impl Simulation {
    /// A worker takes what is ready to the source.
    pub(super) fn write_back(&mut self) {
        let Some(outside) = self.truth.outside.as_ref().filter(|outside| !outside.is_away) else { return };
        let keeps_keys = outside.keeps_keys();
        let schema = Schema::from_model(&self.truth.world.model).unwrap();
        for it in ready(self.truth.staging(), &schema, &BTreeSet::new(), WRITES_MAX).unwrap() {
            if !self.is_quiet && self.draw.chance(8) {
                return self.counters.count("workers killed before a write");
            }
            self.take_to_source(&schema, &it, keeps_keys);
            if !self.is_quiet && self.draw.chance(8) {
                return self.counters.count("workers killed behind a write");
            }
        }
    }

    /// Takes one write there, and settles it unless the worker dies in between.
    fn take_to_source(&mut self, schema: &Schema, it: &Ready, keeps_keys: bool) {
        if it.queued.repeat == Repeat::No {
            let is_refused = it.is_overtaken || (!it.conflicts.is_empty() && !merges(it));
            if is_refused {
                return self.refuse_unless_made(schema, it);
            }
        } else {
            self.counters.count(&format!("source asked for: {:?}", it.queued.repeat).to_lowercase());
        }
        let outside = self.truth.outside.as_mut().expect("there is one");
        let (origin, before) = (it.entry.origin, outside.times_made(&it.entry.origin));
        let said = outside.write(it);
        let is_again = before > 0 && outside.times_made(&origin) > before;
        assert!(!is_again || !self.is_certain(&origin), "I3: {origin:?} is in the source, and was made again: {it:?}");
        let row = row_of(&it.entry.id.key().0);
        if !self.is_quiet && self.draw.chance(8) {
            return self.counters.count("workers killed in the middle of a write");
        }
        match said {
            Said::Made(Some(cells)) => {
                let row = json(row, &cells);
                let overruled = &it.conflicts[..];
                self.settled(schema, it, &Settlement::Written { row: &row, etag: None, overruled });
            }
            Said::Made(None) => self.settled(schema, it, &Settlement::Gone),
            Said::Unknown => {
                self.asked_in_vain.insert(origin);
                self.settled(schema, it, &Settlement::Unknown);
            }
            Said::Conflict if merges(it) && !keeps_keys => {
                // Replication brings the row, and the fields give way.
                self.truth.catch_up(&mut self.counters);
                self.settled(schema, it, &refused(MutationOutcome::Conflict));
            }
            Said::Conflict => self.settled(schema, it, &refused(MutationOutcome::Conflict)),
            Said::NotFound => self.settled(schema, it, &refused(MutationOutcome::NotFound)),
            Said::Forbidden => self.settled(schema, it, &refused(MutationOutcome::Forbidden)),
        }
    }

    /// A conflict, unless a worker has died behind the write, and others have changed the row since.
    fn refuse_unless_made(&mut self, schema: &Schema, it: &Ready) {
        let mut asked = it.clone();
        asked.queued.repeat = Repeat::Sent;
        match self.truth.outside.as_mut().expect("there is one").write(&asked) {
            Said::Made(Some(cells)) => {
                self.counters.count("made before, and in conflict since");
                let row = json(row_of(&it.entry.id.key().0), &cells);
                self.settled(schema, it, &Settlement::Written { row: &row, etag: None, overruled: &[] });
            }
            Said::Made(None) => self.settled(schema, it, &Settlement::Gone),
            _ => self.settled(schema, it, &refused(MutationOutcome::Conflict)),
        }
    }

    fn settled(&mut self, schema: &Schema, it: &Ready, settlement: &Settlement<'_>) {
        let settled = settle(self.truth.staging(), schema, &[(it.place, settlement.clone())]).unwrap();
        self.truth.read_back();
        let outcome = settled[0].expect("nobody else settles").outcome;
        self.counters.count(&format!("settled: {}", outcome.as_str_name().to_lowercase()));
        let is_refused = ![MutationOutcome::Applied, MutationOutcome::Queued].contains(&outcome);
        let origin = &it.entry.origin;
        let is_made = self.truth.outside.as_ref().expect("there is one").times_made(origin) > 0;
        let is_wrong = is_refused && is_made && self.is_certain(origin);
        assert!(!is_wrong, "I3: {origin:?} is in the source, and was refused: {settlement:?} {it:?}");
    }

    /// Nothing is refused that is in the source, unless the device is to be wiped and nobody looks at what it offers.
    pub(super) fn check_refusals(&self, user: u32, request: &UploadRequest, response: &UploadResponse) {
        let Some(outside) = &self.truth.outside else { return };
        let install = request.install_id[..].try_into().unwrap();
        let is_taken = |outcome| matches!(outcome, MutationOutcome::Applied | MutationOutcome::Queued);
        let is_refused = |it: &&MutationAnswer| !is_taken(it.outcome()) && it.reason() != ErrorReason::DeviceWiped;
        for answer in response.answers.iter().filter(is_refused) {
            let origin = Origin { install, user: key(USER, user), number: answer.number };
            let is_known = request.sent_before.contains(&answer.number) && self.is_certain(&origin);
            let is_wrong = is_known && outside.times_made(&origin) > 0;
            assert!(!is_wrong, "I3: {origin:?} is in the source, and was refused: {answer:?}");
        }
    }

    /// Whether anybody can tell if the source has a mutation: its keys, or what the device was told.
    fn is_certain(&self, origin: &Origin) -> bool {
        let mut devices = self.devices.iter().filter(|device| device.file.install == origin.install);
        let has_heard = devices.any(|device| {
            let mut entries = device.file.outbox.entries.iter();
            key(USER, device.user) == origin.user && entries.any(|it| it.number() == origin.number && it.taken)
        });
        // Of what nobody told staging of in time, the row says nothing once others have changed it.
        let is_told = has_heard && !self.asked_in_vain.contains(origin);
        is_told || self.truth.outside.as_ref().is_some_and(Outside::keeps_keys)
    }

    /// Takes all that waits to the source, which is there.
    pub(super) fn write_everything_back(&mut self) {
        if let Some(outside) = &mut self.truth.outside {
            outside.is_away = false;
        }
        for _ in 0..RUNS_MAX {
            self.truth.catch_up(&mut self.counters);
            if self.truth.outside.is_none() || self.waiting() == 0 {
                return;
            }
            self.write_back();
        }
        panic!("I3: what waits for the source is never taken");
    }

    /// The source goes away, or comes back.
    pub(super) fn turn_source(&mut self) {
        if let Some(outside) = &mut self.truth.outside {
            outside.is_away = !outside.is_away;
            self.counters.count("the source goes away, or comes back");
        }
    }

    fn waiting(&self) -> u64 {
        self.truth.staging().snapshot().unwrap().ledger().queue_standing().unwrap().waiting
    }
}

fn refused(outcome: MutationOutcome) -> Settlement<'static> {
    let reason = match outcome {
        MutationOutcome::Conflict => ErrorReason::WriteConflict,
        MutationOutcome::NotFound => ErrorReason::RowUnknown,
        _ => ErrorReason::WriteForbidden,
    };
    Settlement::Refused(Refusal::new(outcome, reason, "says the source"))
}
