//! What became of every mutation that was ever judged: it is judged once, does what it says, and is told the same
//! whenever it is asked about again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use haversack_proto::sync::{Mutation, MutationAnswer, MutationKind, MutationOutcome, UploadRequest, UploadResponse};
use haversack_staging::{Origin, Staging};
use prost::Message;
use tonic::Status;

use crate::counters::Counters;
use crate::rows::{OWNER_ENTITY, Row, companion_of, decoded, row_of};
use crate::server::reason;
use crate::truth::{Changed, Truth};
use crate::views::draw::{Cells, key};
use crate::views::organization::{ID, OWNER, OWNING_UNIT, STATE, USER};

/// Whose mutation, and which.
type Name = ([u8; 16], u32, u64);

/// Every mutation that was judged.
#[derive(Default)]
pub(crate) struct Ledger {
    known: BTreeMap<Name, Known>,
    /// Those that were judged by a database that was lost, and its epoch after that.
    lost: BTreeMap<Name, [u8; 16]>,
    /// Those that may have been judged, and what their calls did.
    unclear: BTreeMap<Name, Unclear>,
    /// Which staging database it is.
    generation: u32,
}

struct Known {
    bytes: Bytes,
    answer: MutationAnswer,
    drew_lsn: bool,
    generation: u32,
    /// Of the staging database that judged it. In a later one it may lack what became of it since.
    epoch: Bytes,
}

struct Unclear {
    bytes: Bytes,
    /// Rows that the call changed, with their LSNs.
    changed: BTreeSet<(Row, u64)>,
    generation: u32,
}

/// A call as it was made.
pub(crate) struct Call<'a> {
    pub(crate) user: u32,
    pub(crate) request: &'a UploadRequest,
    /// LSN of the last commit before it.
    pub(crate) before: u64,
    pub(crate) result: &'a Result<UploadResponse, Status>,
    /// What it did to the data.
    pub(crate) changed: &'a [Changed],
}

impl Ledger {
    /// Another staging database goes on with what is in the ledger.
    pub(crate) fn begin_generation(&mut self) {
        self.generation += 1;
    }

    /// The staging database is an earlier one: forgets what that does not have. Returns how much it is.
    pub(crate) fn lose(&mut self, truth: &Truth) -> u64 {
        let (head, epoch) = (truth.head(), truth.staging().identity().unwrap().epoch);
        for unclear in self.unclear.values_mut() {
            unclear.changed.retain(|(_, lsn)| *lsn <= head);
        }
        let snapshot = truth.staging().snapshot().unwrap();
        let lost: Vec<Name> =
            self.known.keys().copied().filter(|it| snapshot.ledger().find(&origin(*it)).unwrap().is_none()).collect();
        for name in &lost {
            self.known.remove(name);
            self.lost.insert(*name, epoch);
        }
        // Of the rest the database knows less than was told: what was judged again since.
        for (name, known) in &mut self.known {
            let recorded = snapshot.ledger().find(&origin(*name)).unwrap().expect("it was not lost");
            known.answer = MutationAnswer::decode(&recorded.answer[..]).unwrap();
        }
        lost.len() as u64
    }

    /// If a mutation was lost and has not come back: the epoch of the database that lacked it first.
    pub(crate) fn lost(&self, name: Name) -> Option<[u8; 16]> {
        self.lost.get(&name).filter(|_| !self.known.contains_key(&name)).copied()
    }

    /// An administrator has had mutations judged again: takes over what became of them, and checks what they did.
    pub(crate) fn check_retry(&mut self, truth: &Truth, changed: &[Changed], counters: &mut Counters) {
        let snapshot = truth.staging().snapshot().unwrap();
        let mut rows = BTreeSet::new();
        for (name, known) in &mut self.known {
            let Some(recorded) = snapshot.ledger().find(&origin(*name)).unwrap() else { continue };
            let answer = MutationAnswer::decode(&recorded.answer[..]).unwrap();
            let lsn = known.answer.lsn;
            if (MutationAnswer { lsn, ..answer.clone() }) == known.answer {
                continue;
            }
            if known.answer.outcome() == MutationOutcome::Queued {
                known.answer = answer;
                continue;
            }
            assert!(is_refusal(&known.answer), "I3: {name:?} was taken, and judged again: {answer:?}");
            counters.count("judged again");
            if answer.outcome() == MutationOutcome::Applied {
                rows.insert(row_of(&Mutation::decode(known.bytes.clone()).unwrap().id));
            }
            (known.answer, known.drew_lsn) = (answer, recorded.lsn.0 > 0);
        }
        // Of an upload that nobody heard of nothing is known here, and its refusal may be in the log.
        let all_known = self.unclear.is_empty();
        for it in changed.iter().filter(|_| all_known) {
            assert!(rows.contains(&it.row), "I3: {:?} was changed by no mutation that was judged again", it.row);
        }
    }

    /// Checks a call, and remembers it.
    pub(crate) fn check(&mut self, call: &Call<'_>, truth: &Truth, counters: &mut Counters) {
        counters.count("upload calls");
        match call.result {
            Ok(response) => self.check_answers(call, &response.answers, truth, counters),
            Err(status) => self.check_failure(call, status, counters),
        }
    }

    /// Whether everything that was judged is in the ledger of the staging database.
    pub(crate) fn check_kept(&self, truth: &Truth) {
        let snapshot = truth.staging().snapshot().unwrap();
        for &(install, user, number) in self.known.keys() {
            let origin = origin((install, user, number));
            assert!(snapshot.ledger().contains(&origin).unwrap(), "I3: {origin:?} was answered, and is forgotten");
        }
    }

    /// What became of a mutation, by the first answer that a server gave.
    pub(crate) fn outcome(&self, name: Name) -> Option<MutationOutcome> {
        self.known.get(&name).map(|known| known.answer.outcome())
    }

    fn check_failure(&mut self, call: &Call<'_>, status: &Status, counters: &mut Counters) {
        let reason = reason(status);
        counters.count(&format!("upload calls failed: {reason}"));
        match reason.as_str() {
            "INTERNAL" | "STAGING_FAILED" | "SERVER_BEHIND" | "SERVER_STOPPING" => {
                counters.count(if call.changed.is_empty() {
                    "upload calls lost before"
                } else {
                    "upload calls lost behind"
                });
                return self.note_unclear(call);
            }
            "NUMBER_REUSED" => {
                let other = |(name, bytes): (Name, Bytes)| {
                    let known = self.known.get(&name).map(|it| &it.bytes);
                    known.or(self.unclear.get(&name).map(|it| &it.bytes)).is_some_and(|known| *known != bytes)
                };
                assert!(call.names().any(other), "a call was refused that says nothing wrong: {status:?}");
            }
            "USER_UNKNOWN"
            | "USER_DISABLED"
            | "PROFILE_MISSING"
            | "PROFILE_NOT_READABLE"
            | "APP_UNKNOWN"
            | "APP_NOT_ENABLED"
            | "DEVICE_BLOCKED"
            | "DEVICE_WIPED" => {}
            _ => panic!("an upload failed in a way that no device expects: {status:?}"),
        }
        assert!(call.changed.is_empty(), "nothing is done of a call that is refused: {:?}", call.changed);
    }

    /// Nobody heard what became of a call.
    fn note_unclear(&mut self, call: &Call<'_>) {
        let changed: BTreeSet<_> = call.changed.iter().map(|it| (it.row, it.lsn)).collect();
        for (name, bytes) in call.names().filter(|(name, _)| !self.known.contains_key(name)) {
            let unclear = Unclear { bytes, changed: BTreeSet::new(), generation: self.generation };
            self.unclear.entry(name).or_insert(unclear).changed.extend(&changed);
        }
        let rows: BTreeSet<Row> = call.mutations().map(|it| row_of(&it.id)).collect();
        assert!(changed.iter().all(|(row, _)| rows.contains(row)), "a call changed rows that it does not name");
    }

    fn check_answers(&mut self, call: &Call<'_>, answers: &[MutationAnswer], truth: &Truth, counters: &mut Counters) {
        assert_eq!(answers.len(), call.request.mutations.len(), "every mutation has its answer");
        let mut rows: BTreeMap<Row, Option<Cells>> =
            call.changed.iter().map(|changed| (changed.row, changed.before.clone())).collect();
        let mut written = BTreeSet::new();
        for ((name, bytes), answer) in call.names().zip(answers) {
            assert_eq!(name.2, answer.number, "answers come in order");
            if !self.is_fresh(name, &bytes, answer, call, counters) {
                continue;
            }
            counters.count(&format!("judged: {}", answer.outcome().as_str_name().to_lowercase()));
            counters.count(&format!("reason: {}", answer.reason().as_str_name().to_lowercase()));
            if truth.outside.is_some() {
                let is_final = answer.outcome() == MutationOutcome::Applied;
                assert!(call.changed.is_empty() && !(is_final && answer.lsn > call.before), "the source decides first");
                continue;
            }
            if answer.outcome() == MutationOutcome::Applied {
                let mutation = Mutation::decode(bytes).unwrap();
                let row = row_of(&mutation.id);
                let now = || truth.world.rows[&row.0][row.1 as usize].cells.clone();
                let cells = rows.entry(row).or_insert_with(now);
                counters.add("fields overruled", answer.overruled.len() as u64);
                // What makes or deletes a row draws an LSN; a later mutation of the call may have drawn another.
                let is_as_it_was = answer.lsn <= call.before || !call.has_drawn(row, answer.lsn);
                if call.says_taken(name.2) && mutation.kind() != MutationKind::Update && is_as_it_was {
                    counters.count("taken before, and as it made it");
                    continue;
                }
                let done = written.contains(&row) || call.changed.iter().any(|changed| changed.row == row);
                assert!(done || answer.lsn <= call.before, "I3: {name:?} was applied, and nothing was done");
                let left = after(&mutation, &answer.overruled, cells.clone());
                // What left the row as it was is told of its last change, which may be another's of this very call.
                self.known.get_mut(&name).unwrap().drew_lsn &= left != *cells;
                *cells = left;
                written.insert(row);
            } else {
                assert!(!answer.message.is_empty(), "who is refused hears why");
            }
        }
        for changed in call.changed {
            assert!(written.contains(&changed.row), "I3: {:?} was changed by a repeat: {changed:?}", changed.row);
        }
        for row in written {
            let is = truth.world.rows[&row.0][row.1 as usize].cells.as_ref();
            let about = call.mutations().zip(answers).filter(|(mutation, _)| row_of(&mutation.id) == row);
            let about: Vec<String> = about.map(|(it, answer)| format!("{it:?} {answer:?}\n")).collect();
            check_written(row, rows[&row].as_ref(), is, &about.concat());
        }
    }

    /// Whether this answer is the first to a mutation that was not judged before the call; all others are checked.
    fn is_fresh(
        &mut self,
        name: Name,
        bytes: &Bytes,
        answer: &MutationAnswer,
        call: &Call<'_>,
        counters: &mut Counters,
    ) -> bool {
        if let Some(known) = self.known.get_mut(&name) {
            assert_eq!(known.bytes, bytes, "{name:?} came with other bytes, and was taken");
            let is_asked_for = is_refusal(&known.answer)
                && !is_refusal(answer)
                && (call.says_taken(name.2) || (call.says_sent(name.2) && known.epoch != call.epoch()));
            if is_asked_for {
                counters.count("refused in an earlier database, and asked for");
            }
            if is_asked_for || known.answer.outcome() == MutationOutcome::Queued {
                known.answer = answer.clone();
            }
            // What drew no LSN, or one of a database that was given up, is surely there at the head.
            let same_lsn = (known.generation == self.generation && known.drew_lsn) || known.answer.lsn == 0;
            let lsn = if same_lsn { known.answer.lsn } else { answer.lsn };
            assert_eq!(&MutationAnswer { lsn, ..known.answer.clone() }, answer, "a repeat is told the same");
            counters.count("repeats answered");
            return false;
        }
        // One that changed nothing behind another of the same row and call has the LSN of that one.
        let mut earlier = call.answers().iter().take_while(|it| it.number < answer.number);
        let drew_lsn = answer.lsn > call.before && earlier.all(|it| it.lsn != answer.lsn);
        let (generation, epoch) = (self.generation, call.epoch());
        let known = Known { bytes: bytes.clone(), answer: answer.clone(), drew_lsn, generation, epoch };
        self.known.insert(name, known);
        let Some(unclear) = self.unclear.remove(&name) else { return true };
        assert_eq!(unclear.bytes, bytes, "{name:?} came with other bytes, and was taken");
        let applied = answer.outcome() == MutationOutcome::Applied;
        if applied && unclear.generation != self.generation {
            // In another database the head stands for the LSN of a repeat: what is new draws one beyond that.
            let earlier = call.answers().iter().take_while(|it| it.number < answer.number).map(|it| it.lsn);
            return answer.lsn > earlier.max().unwrap_or(0).max(call.before);
        }
        if applied && answer.lsn > call.before {
            // Where a repeat has drawn no LSN the head stands for it, which another row of this very call may have drawn.
            return call.has_drawn(row_of(&Mutation::decode(bytes.clone()).unwrap().id), answer.lsn);
        }
        let wrote = |(_, lsn): &&(Row, u64)| *lsn >= answer.lsn;
        let done = unclear.changed.iter().any(|it| wrote(&it));
        if applied && done {
            counters.count("acknowledged after an unclear call");
        }
        !done
    }
}

fn is_refusal(answer: &MutationAnswer) -> bool {
    ![MutationOutcome::Applied, MutationOutcome::Queued].contains(&answer.outcome())
}

fn origin((install, user, number): Name) -> Origin {
    Origin { install, user: key(USER, user), number }
}

impl Call<'_> {
    fn answers(&self) -> &[MutationAnswer] {
        self.result.as_ref().map_or(&[], |response| &response.answers)
    }

    /// Whether a row was changed by this call, at an LSN or behind it.
    fn has_drawn(&self, row: Row, lsn: u64) -> bool {
        self.changed.iter().any(|changed| changed.row == row && changed.lsn >= lsn)
    }

    /// Whether the device was told that a mutation had been taken.
    fn says_taken(&self, number: u64) -> bool {
        self.request.taken_before.contains(&number)
    }

    fn says_sent(&self, number: u64) -> bool {
        self.request.sent_before.contains(&number)
    }

    /// Of the staging database that answered.
    fn epoch(&self) -> Bytes {
        self.result.as_ref().map_or_else(|_| Bytes::new(), |response| response.epoch.clone())
    }

    fn mutations(&self) -> impl Iterator<Item = Mutation> {
        self.request.mutations.iter().map(|bytes| Mutation::decode(bytes.clone()).unwrap())
    }

    fn names(&self) -> impl Iterator<Item = (Name, Bytes)> {
        let install: [u8; 16] = self.request.install_id.as_ref().try_into().unwrap();
        let numbers = self.mutations().map(move |it| (install, self.user, it.number));
        numbers.zip(self.request.mutations.iter().cloned())
    }
}

/// What a row is after a mutation that was applied.
fn after(mutation: &Mutation, overruled: &[u32], row: Option<Cells>) -> Option<Cells> {
    let new = decoded(mutation.entity, &mutation.values);
    match mutation.kind() {
        MutationKind::Delete => None,
        MutationKind::Create => Some(new),
        _ => row.map(|mut row| {
            let gives_way = |field: u32, to: u32| to == field || companion_of(mutation.entity, to) == Some(field);
            let is_overruled = |field: u32| overruled.iter().any(|it| gives_way(field, *it));
            for &field in mutation.changed.iter().filter(|field| !is_overruled(**field)) {
                row.remove(&field);
                row.extend(new.get(&field).map(|cell| (field, cell.clone())));
            }
            row
        }),
    }
}

/// Whether a row is what its writers made of it, but for what the server sets.
fn check_written(row: Row, meant: Option<&Cells>, is: Option<&Cells>, about: &str) {
    assert_eq!(meant.is_some(), is.is_some(), "I3: {row:?} should be {meant:?}, and is {is:?}, by {about}");
    let (Some(meant), Some(is)) = (meant, is) else { return };
    let of_server = |field: u32| match field {
        ID | OWNING_UNIT => true,
        OWNER | OWNER_ENTITY | STATE => !meant.contains_key(&field),
        _ => false,
    };
    for field in meant.keys().chain(is.keys()).filter(|field| !of_server(**field)) {
        assert_eq!(meant.get(field), is.get(field), "I3: field {field} of {row:?}, by {about}");
    }
}
