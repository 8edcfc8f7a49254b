//! A device's outbox, as the device libraries keep theirs: see `docs/upload.md`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use haversack_proto::error::ErrorReason;
use haversack_proto::sync::{Answers, Mutation, MutationAnswer, MutationKind, MutationOutcome, UploadRequest};
use prost::Message;

use crate::rows::{Row, encoded, row_of};
use crate::views::draw::{Cells, key};

/// What was written on a device and is not in its rows yet, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) entries: Vec<Entry>,
    last_number: u64,
    /// Numbers that their user has given up, and whether a server of this epoch knows.
    pub(crate) withdrawn: BTreeMap<u64, bool>,
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) mutation: Mutation,
    /// Encoded once.
    pub(crate) bytes: Bytes,
    pub(crate) row: Row,
    /// What it sets; a changed field that this lacks becomes NULL.
    pub(crate) new: Cells,
    old: Cells,
    pub(crate) state: State,
    /// Whether the server may have it.
    pub(crate) sent: bool,
    /// Whether a server has said that it was taken.
    pub(crate) taken: bool,
    /// Whether servers know another write by its number.
    is_foreign: bool,
}

/// What has become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// It is in the data, and is here once the device has come to this LSN.
    Applied(u64),
    /// The server has it, and its source does not have it yet.
    Queued,
    Held,
    Refused,
    /// It is in the data, and kept in case that the server loses it.
    Kept,
    /// It was, in an epoch that is over.
    Doubtful,
    /// It was doubtful, and the source is asked for it.
    Asked,
}

impl Entry {
    pub(crate) fn number(&self) -> u64 {
        self.mutation.number
    }

    pub(crate) fn kind(&self) -> MutationKind {
        self.mutation.kind()
    }

    /// Whether its user sees it.
    pub(crate) fn is_visible(&self) -> bool {
        !matches!(self.state, State::Kept | State::Doubtful | State::Asked)
    }

    /// What a row looks like under this write.
    fn over(&self, row: Option<Cells>) -> Option<Cells> {
        match self.kind() {
            MutationKind::Delete => None,
            MutationKind::Create => Some(row.unwrap_or_default().into_iter().chain(self.new.clone()).collect()),
            _ => row.map(|mut row| {
                row.retain(|field, _| !self.mutation.changed.contains(field));
                row.extend(self.new.clone());
                row
            }),
        }
    }
}

impl Outbox {
    /// A row as its user sees it, over what the server says of it.
    pub(crate) fn shown(&self, row: Row, server: Option<&Cells>) -> Option<Cells> {
        let mut shown = server.cloned();
        for entry in self.visible().filter(|entry| entry.row == row) {
            let is_only_here = entry.kind() == MutationKind::Create && server.is_none();
            if entry.state != State::Refused || is_only_here {
                shown = entry.over(shown);
            }
        }
        shown
    }

    /// Adds a write of fields that were `old` before, on a server's row of `base_lsn`.
    pub(crate) fn write(&mut self, kind: MutationKind, row: Row, fields: (Cells, Vec<u32>, Cells), at: (u64, i64)) {
        let (new, changed, old) = fields;
        let ((base_lsn, written_at_us), number) = (at, self.next_number());
        let mut depends_on = BTreeSet::new();
        if kind != MutationKind::Create {
            depends_on.extend(self.creations(row));
        }
        let lookups = new.iter().filter(|(field, _)| **field > 1);
        for (_, cell) in lookups {
            if let crate::views::draw::Cell::Id(id) = cell {
                depends_on.extend(self.creations(row_of(id)));
            }
        }
        let mutation = Mutation {
            number,
            entity: row.0,
            id: Bytes::copy_from_slice(&key(row.0, row.1)),
            kind: kind.into(),
            values: encoded(&new).into(),
            changed,
            old_values: encoded(&old).into(),
            base_lsn,
            written_at_us,
            depends_on: depends_on.into_iter().collect(),
            ..Mutation::default()
        };
        self.push(mutation, row, new, old);
    }

    /// Writes that lie over the server's rows, or could.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_visible())
    }

    /// The next writes that can be sent.
    pub(crate) fn sendable(&self, at_most: usize) -> Vec<&Entry> {
        let held = self.held();
        let waiting = self.entries.iter().filter(|entry| matches!(entry.state, State::Waiting | State::Doubtful));
        waiting.filter(|entry| !held.contains(&entry.number())).take(at_most).collect()
    }

    /// A call with the next writes; from here on the server may have them.
    pub(crate) fn request(&mut self, at_most: usize) -> UploadRequest {
        let numbers = |entries: &[&Entry], of: fn(&Entry) -> bool| -> Vec<u64> {
            entries.iter().filter(|entry| of(entry)).map(|entry| entry.number()).collect()
        };
        let next = self.sendable(at_most);
        let request = UploadRequest {
            mutations: next.iter().map(|entry| entry.bytes.clone()).collect(),
            sent_before: numbers(&next, |entry| entry.sent),
            taken_before: numbers(&next, |entry| entry.taken),
            withdrawn: self.withdrawn.iter().filter(|(_, told)| !**told).map(|(number, _)| *number).collect(),
            ..UploadRequest::default()
        };
        let all = numbers(&next, |_| true);
        for entry in self.entries.iter_mut().filter(|entry| all.contains(&entry.number())) {
            entry.sent = true;
        }
        request
    }

    /// Enters the server's answers, on a device that has come to `position`; `is_own` if they are of its epoch.
    pub(crate) fn answer(&mut self, answers: &[MutationAnswer], position: Option<u64>, is_own: bool) {
        for answer in answers {
            let Some(entry) = self.entries.iter_mut().find(|entry| entry.number() == answer.number) else { continue };
            let is_asked = matches!(entry.state, State::Doubtful | State::Asked);
            let is_open = is_asked || matches!(entry.state, State::Waiting | State::Queued);
            entry.state = match answer.outcome() {
                MutationOutcome::Applied if !is_own || matches!(entry.state, State::Applied(_) | State::Kept) => {
                    continue;
                }
                MutationOutcome::Applied if is_asked => State::Kept,
                MutationOutcome::Applied => State::Applied(answer.lsn),
                MutationOutcome::Queued if is_asked => State::Asked,
                MutationOutcome::Queued if is_open => State::Queued,
                MutationOutcome::Blocked if is_open => State::Held,
                MutationOutcome::Queued | MutationOutcome::Blocked => continue,
                _ if is_open || entry.state == State::Held => State::Refused,
                _ => continue,
            };
            entry.taken |= answer.outcome() == MutationOutcome::Applied;
            entry.is_foreign |= answer.reason() == ErrorReason::RequestInvalid;
        }
        self.come_to(position);
    }

    /// A server knows that these were given up.
    pub(crate) fn told(&mut self, withdrawn: &[u64]) {
        self.withdrawn.extend(withdrawn.iter().map(|number| (*number, true)));
    }

    /// What a stream tells: the last word on some writes, and which ones the server does not know.
    pub(crate) fn take(&mut self, told: &Answers, position: Option<u64>) {
        self.answer(&told.answers, position, true);
        for entry in self.entries.iter_mut().filter(|entry| told.unknown.contains(&entry.number())) {
            entry.state = match entry.state {
                State::Queued | State::Applied(_) => State::Waiting,
                State::Asked => State::Doubtful,
                other => other,
            };
        }
    }

    /// What a stream is asked about.
    pub(crate) fn unanswered(&self) -> Vec<u64> {
        let is_asked_about = |entry: &&Entry| {
            let has_answer = !matches!(entry.state, State::Waiting | State::Kept | State::Doubtful);
            entry.sent && has_answer
        };
        let mut numbers: Vec<u64> = self.entries.iter().filter(is_asked_about).map(Entry::number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// What is in the server's rows now is not shown any more.
    pub(crate) fn come_to(&mut self, position: Option<u64>) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Applied(lsn) if Some(lsn) <= position) {
                entry.state = State::Kept;
            }
        }
    }

    /// Whether the server has what it took is not known any more.
    pub(crate) fn begin_epoch(&mut self) {
        self.withdrawn.values_mut().for_each(|told| *told = false);
        for entry in &mut self.entries {
            entry.state = match entry.state {
                State::Applied(_) => State::Waiting,
                State::Kept | State::Asked => State::Doubtful,
                other => other,
            };
        }
    }

    /// Everything that may not be in the data: what a device that is to be wiped offers.
    pub(crate) fn offers(&self) -> Vec<Bytes> {
        let is_in_data = |state| matches!(state, State::Applied(_) | State::Kept);
        self.entries.iter().filter(|entry| !is_in_data(entry.state)).map(|entry| entry.bytes.clone()).collect()
    }

    /// Writes that were refused.
    pub(crate) fn refused(&self) -> Vec<u64> {
        self.entries.iter().filter(|entry| entry.state == State::Refused).map(Entry::number).collect()
    }

    /// Writes a refused one anew, and all that depend on it.
    pub(crate) fn retry(&mut self, number: u64, written_at_us: i64) {
        let mut renumbered = BTreeMap::new();
        for entry in self.give_up(number) {
            let Entry { mut mutation, row, new, old, .. } = entry;
            let before = std::mem::replace(&mut mutation.number, self.next_number());
            renumbered.insert(before, mutation.number);
            mutation.written_at_us = written_at_us;
            for other in &mut mutation.depends_on {
                *other = renumbered.get(other).copied().unwrap_or(*other);
            }
            mutation.depends_on.retain(|other| *other < mutation.number);
            mutation.depends_on.sort_unstable();
            self.push(mutation, row, new, old);
        }
    }

    /// Forgets a refused write, and all that depend on it. Returns how many these were.
    pub(crate) fn discard(&mut self, number: u64) -> usize {
        self.give_up(number).len()
    }

    /// Takes out a write and all that depend on it; those that servers may have are withdrawn.
    fn give_up(&mut self, number: u64) -> Vec<Entry> {
        let taken = self.without(number);
        let known = taken.iter().filter(|entry| entry.sent && !entry.is_foreign);
        self.withdrawn.extend(known.map(|entry| (entry.number(), false)));
        taken
    }

    fn without(&mut self, number: u64) -> Vec<Entry> {
        let mut chain = BTreeSet::from([number]);
        for entry in self.visible() {
            if entry.mutation.depends_on.iter().any(|other| chain.contains(other)) {
                chain.insert(entry.number());
            }
        }
        let (taken, left) = std::mem::take(&mut self.entries).into_iter().partition(|it| chain.contains(&it.number()));
        self.entries = left;
        taken
    }

    /// Numbers that wait for one that was refused.
    fn held(&self) -> BTreeSet<u64> {
        let mut stopped = BTreeSet::new();
        for entry in &self.entries {
            let waits = matches!(entry.state, State::Waiting | State::Queued)
                && entry.mutation.depends_on.iter().any(|other| stopped.contains(other));
            if waits || matches!(entry.state, State::Refused | State::Held) {
                stopped.insert(entry.number());
            }
        }
        stopped
    }

    /// Creations of a row that the server has not taken.
    fn creations(&self, row: Row) -> impl Iterator<Item = u64> + '_ {
        let of_row = self.visible().filter(move |entry| entry.row == row && entry.kind() == MutationKind::Create);
        of_row.filter(|entry| !matches!(entry.state, State::Applied(_))).map(Entry::number)
    }

    fn push(&mut self, mutation: Mutation, row: Row, new: Cells, old: Cells) {
        let bytes = mutation.encode_to_vec().into();
        let state = State::Waiting;
        self.entries.push(Entry {
            mutation,
            bytes,
            row,
            new,
            old,
            state,
            sent: false,
            taken: false,
            is_foreign: false,
        });
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// The answer that a device gives itself where the server has another write of the number.
pub(crate) fn reused(number: u64) -> MutationAnswer {
    MutationAnswer {
        number,
        outcome: MutationOutcome::Invalid.into(),
        reason: ErrorReason::RequestInvalid.into(),
        ..MutationAnswer::default()
    }
}
