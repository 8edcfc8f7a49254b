//! One transaction: mutations judged, rows written, and what became of each entered into the ledger.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use haversack_engine::engine::mutation::{Author, Barred, Refusal, Verdict, Written};
use haversack_engine::engine::{Asker, Engine};
use haversack_engine::ids::{AttributeNumber, EntityNumber, Instant, Lsn, RowKey};
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::{MutationAnswer, MutationKind, MutationOutcome, UploadResponse};
use haversack_staging::queue::{Queued, Repeat};
use haversack_staging::{
    Change, Commit, Effect, Entry, LedgerPlace, Origin, ROW_BYTES_MAX, Recorded, Resolution, StagingError, open_refusal,
};
use prost::Message;

use super::call::{Call, Sent};
use super::queueing;
use super::rows::Seen;
use crate::answers::recorded_answer;
use crate::errors::SyncError;
use crate::limits::FREED_MAX;
use crate::organization::{Organization, unknown_user};

/// A transaction under way. The engine has followed to the head that it began at, and nothing else commits meanwhile.
pub(crate) struct Batch<'a> {
    organization: &'a Organization,
    commit: Box<dyn Commit + 'a>,
    /// Where the engine has to be.
    head: Lsn,
    /// What the LSNs of answers count in.
    epoch: [u8; 16],
    now: Instant,
    authors: HashMap<Asker, Author>,
    /// Whether a row was written that privileges may depend on: the engine must be fed before it judges again.
    moved_directory: bool,
}

/// What a mutation did to its row.
#[derive(Default)]
pub(super) struct Done {
    pub(super) before: Lsn,
    pub(super) lsn: Lsn,
    pub(super) effect: Option<Effect>,
    /// What waits for the organization's source.
    pub(super) queued: Option<Queued>,
}

impl<'a> Batch<'a> {
    /// # Errors
    /// If the database cannot be read.
    pub(crate) fn new(
        organization: &'a Organization,
        mut commit: Box<dyn Commit + 'a>,
        now: Instant,
    ) -> Result<Self, SyncError> {
        let (head, epoch) = (commit.drawn(), commit.epoch()?);
        Ok(Self { organization, commit, head, epoch, now, authors: HashMap::new(), moved_directory: false })
    }

    /// Takes what is left of a call, `answered` being what was answered before, until it is done or another transaction
    /// must go on with it. Returns whether it is done.
    ///
    /// # Errors
    /// [`SyncError::StagingReplaced`] if answers were given before in another epoch;
    /// [`SyncError::QueueFull`] if it would be too much for the queue;
    /// [`SyncError::NumberReused`] if a number comes again with other bytes,
    /// [`SyncError::UserUnknown`], [`SyncError::UserReplaced`], [`SyncError::Denied`] or [`SyncError::Refused`] if there is
    /// no view for the user: then only what it withdraws is done of it here. All others cost the transaction.
    pub(super) fn take(&mut self, call: &Call, answered: &mut UploadResponse) -> Result<bool, SyncError> {
        let UploadResponse { answers, epoch } = answered;
        if !answers.is_empty() && epoch[..] != self.epoch {
            return Err(SyncError::StagingReplaced);
        }
        *epoch = Bytes::copy_from_slice(&self.epoch);
        self.check_name(call)?;
        for &number in &call.withdrawn {
            self.commit.ledger().withdraw(&call.origin(number))?;
        }
        let rest = &call.mutations[answers.len()..];
        let known = self.known(call, rest)?;
        if call.known_only {
            for (sent, recorded) in rest.iter().zip(&known) {
                if let Some(recorded) = recorded.as_ref().filter(|recorded| recorded.hash == sent.hash) {
                    answers.push(self.repeat(recorded, sent)?);
                }
            }
            return Ok(true);
        }
        if call.wiped.is_none() && known.iter().any(Option::is_none) {
            self.meet(&call.asker)?;
        }
        if let Some(bounds) = self.organization.queue_bounds().filter(|_| answers.is_empty() && call.wiped.is_none()) {
            let mut new = Vec::new();
            for (sent, known) in rest.iter().zip(&known) {
                if known.as_ref().map_or(Ok(true), |recorded| self.is_in_doubt(recorded, sent))? {
                    new.push(sent);
                }
            }
            bounds.check(&mut *self.commit, new.into_iter())?;
        }
        for (sent, known) in rest.iter().zip(known) {
            if self.moved_directory {
                return Ok(false);
            }
            let origin = call.origin(sent.mutation.number);
            answers.push(match (known, &call.wiped) {
                (Some(recorded), _) => self.repeat(&recorded, sent)?,
                (None, Some(why)) => self.record(origin, sent, refused(sent.mutation.number, wiped(why)))?,
                (None, None) => {
                    let judged = self.judge(&call.asker, origin, sent, None)?;
                    self.record(origin, sent, judged)?
                }
            });
        }
        Ok(true)
    }

    /// Judges a refused mutation again; `forced` means that the device's write counts whatever the row is now. In a history
    /// that was lost it may have been judged again already, so a source is asked for it first.
    ///
    /// # Errors
    /// [`SyncError::WriteWithdrawn`] if its user has given it up; [`SyncError::RequestInvalid`] if none is open there; others
    /// as [`Self::take`].
    pub(super) fn retry(&mut self, place: LedgerPlace, forced: bool) -> Result<MutationAnswer, SyncError> {
        let entry = open_refusal(self.commit.ledger(), place)?;
        let mutation = entry.mutation.clone().ok_or(StagingError::RefusalUnknown(place.0))?;
        let sent = Sent::read(mutation.into())?;
        let repeat = if self.commit.queue().is_doubted(place)? { Repeat::Sent } else { Repeat::No };
        let sent = Sent { hash: entry.hash, repeat, ..sent };
        let asker = Asker::from(RowKey(entry.origin.user));
        self.meet(&asker)?;
        let policy = forced.then_some(ConflictPolicy::ClientWins);
        let (answer, done) = self.judge(&asker, entry.origin, &sent, policy)?;
        self.amend(place, entry, &answer, done)?;
        Ok(answer)
    }

    /// Enters what became of a refused mutation that was judged again.
    fn amend(
        &mut self,
        place: LedgerPlace,
        entry: Entry,
        answer: &MutationAnswer,
        done: Done,
    ) -> Result<(), SyncError> {
        let resolution = match entry.resolution {
            Resolution::Withdrawn => Resolution::Withdrawn,
            _ if is_taken(answer.outcome) => Resolution::Retried,
            _ => Resolution::Open,
        };
        let amended = Entry {
            outcome: answer.outcome,
            answer: answer.encode_to_vec(),
            before: done.before,
            lsn: done.lsn,
            effect: done.effect,
            resolution,
            ..entry
        };
        match done.queued {
            Some(queued) => {
                self.commit.ledger().amend(place, &amended)?;
                self.commit.queue().enqueue(&amended.origin, &queued)?;
            }
            None => self.commit.queue().settle(place, &amended)?,
        }
        Ok(())
    }

    /// What a mutation that was judged again, and taken, has blocked until now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(super) fn freed_by(&mut self, place: LedgerPlace) -> Result<BTreeSet<LedgerPlace>, SyncError> {
        let Some(entry) = self.commit.ledger().entry(place)?.filter(|entry| is_taken(entry.outcome)) else {
            return Ok(BTreeSet::new());
        };
        let mut freed = BTreeSet::new();
        for (place, blocked) in self.commit.ledger().blocked_of(&entry.origin, FREED_MAX)? {
            let mutation = blocked.mutation.map(|bytes| Sent::read(bytes.into())).transpose()?;
            if mutation.is_some_and(|sent| sent.mutation.depends_on.contains(&entry.origin.number)) {
                freed.insert(place);
            }
        }
        Ok(freed)
    }

    /// Makes everything true.
    ///
    /// # Errors
    /// If the database fails; it may have become true nevertheless.
    pub(super) fn finish(self) -> Result<(), SyncError> {
        self.commit.finish()?;
        Ok(())
    }

    /// Makes sure that the token's name still is the user's whose numbers these are.
    fn check_name(&self, call: &Call) -> Result<(), SyncError> {
        let users = self.with_engine(|engine| engine.users_named(&call.name))?;
        match users[..] {
            [user] if user == call.asker.user => Ok(()),
            [_] => Err(SyncError::UserReplaced),
            _ => self.with_engine(|engine| Err(unknown_user(engine, &call.name)))?,
        }
    }

    /// What became of each mutation before. Fails if one comes again with other bytes, unless only those are asked for that
    /// do not.
    fn known(&mut self, call: &Call, rest: &[Sent]) -> Result<Vec<Option<Recorded>>, SyncError> {
        let mut known = Vec::with_capacity(rest.len());
        for sent in rest {
            let number = sent.mutation.number;
            let recorded = self.commit.ledger().find(&call.origin(number))?;
            if !call.known_only && recorded.as_ref().is_some_and(|recorded| recorded.hash != sent.hash) {
                return Err(SyncError::NumberReused(number));
            }
            known.push(recorded);
        }
        Ok(known)
    }

    /// Whether what is recorded as refused may have been judged again in a history that was lost, and be in the source.
    fn is_in_doubt(&mut self, recorded: &Recorded, sent: &Sent) -> Result<bool, SyncError> {
        let may_be_elsewhere = !is_taken(recorded.outcome) && self.may_be_elsewhere(sent)?;
        Ok(may_be_elsewhere && (sent.repeat == Repeat::Taken || self.commit.queue().is_doubted(recorded.place)?))
    }

    /// The answer that was given, unless it is in doubt; where the row's LSN is not one of this database's commits, the head
    /// stands for it.
    fn repeat(&mut self, recorded: &Recorded, sent: &Sent) -> Result<MutationAnswer, SyncError> {
        if self.is_in_doubt(recorded, sent)?
            && let Some(entry) = self.commit.ledger().entry(recorded.place)?
        {
            let policy = self.with_engine(Engine::conflict_policy)?;
            let (answer, done) = queueing::ask(&mut *self.commit, sent, recorded.answer.clone(), policy)?;
            self.amend(recorded.place, entry, &answer, done)?;
            return Ok(answer);
        }
        if sent.repeat == Repeat::Taken && recorded.outcome == MutationOutcome::Queued as i32 {
            // The database is an earlier one, in which it still waits.
            let waiting = self.commit.queue().queued_at(recorded.place)?;
            if let Some(waiting) = waiting.filter(|it| it.queued.repeat != Repeat::Taken) {
                self.commit.queue().is_repeat(waiting.turn, Repeat::Taken)?;
            }
        }
        recorded_answer(recorded, || self.commit.drawn())
    }

    /// Finds out who writes, once.
    fn meet(&mut self, asker: &Asker) -> Result<(), SyncError> {
        if !self.authors.contains_key(asker) {
            let author = self.with_engine(|engine| engine.author(asker))?.map_err(|barred| match barred {
                Barred::Denied(denial) => SyncError::Denied(denial),
                Barred::Refused(refusal) => SyncError::Refused(refusal, asker.app.to_string()),
            })?;
            self.authors.insert(asker.clone(), author);
        }
        Ok(())
    }

    fn record(
        &mut self,
        origin: Origin,
        sent: &Sent,
        (answer, done): (MutationAnswer, Done),
    ) -> Result<MutationAnswer, SyncError> {
        let entry = Entry {
            origin,
            hash: sent.hash,
            entity: EntityNumber(sent.mutation.entity),
            id: sent.id.clone(),
            kind: sent.mutation.kind,
            outcome: answer.outcome,
            before: done.before,
            lsn: done.lsn,
            answer: answer.encode_to_vec(),
            written_at_us: sent.mutation.written_at_us,
            received_at_us: self.now.0,
            resolution: Resolution::Open,
            mutation: (!is_taken(answer.outcome)).then(|| sent.bytes.to_vec()),
            effect: done.effect,
        };
        self.commit.ledger().record(&entry)?;
        if let Some(queued) = done.queued {
            self.commit.queue().enqueue(&entry.origin, &queued)?;
        }
        Ok(answer)
    }

    fn judge(
        &mut self,
        asker: &Asker,
        origin: Origin,
        sent: &Sent,
        policy: Option<ConflictPolicy>,
    ) -> Result<(MutationAnswer, Done), SyncError> {
        let policy = match policy {
            Some(policy) => policy,
            None => self.with_engine(Engine::conflict_policy)?,
        };
        let verdict = match self.blocked(origin, sent)? {
            Some(refusal) => Verdict::Refuse(refusal),
            None => self.verdict(asker, origin, sent, policy)?,
        };
        let entity = EntityNumber(sent.mutation.entity);
        let number = sent.mutation.number;
        match verdict {
            Verdict::Write(written) if written.payload.len() > ROW_BYTES_MAX => {
                Ok(refused(number, too_large(&written)))
            }
            Verdict::Write(_) | Verdict::Delete(_) if self.is_elsewhere(entity)? => {
                Ok(queueing::queue(&mut *self.commit, sent, verdict, policy)?)
            }
            Verdict::Write(written) => self.write(number, entity, sent, written),
            Verdict::Delete(before) => self.delete(number, entity, sent, before),
            Verdict::Refuse(refusal) => self.refuse(sent, refusal, policy),
        }
    }

    /// Whether an entity's rows are a source's outside. Of an organization with a source, Haversack keeps those rows itself
    /// that follow the record database.
    fn is_elsewhere(&mut self, entity: EntityNumber) -> Result<bool, SyncError> {
        Ok(self.organization.queues_writes() && self.commit.mark(entity)?.is_none())
    }

    /// Whether a mutation was sent before, and the source of its entity can be asked for it.
    fn may_be_elsewhere(&mut self, sent: &Sent) -> Result<bool, SyncError> {
        let entity = EntityNumber(sent.mutation.entity);
        if sent.repeat == Repeat::No || !self.is_elsewhere(entity)? {
            return Ok(false);
        }
        self.with_engine(|engine| engine.schema().is_some_and(|it| it.entity_by_number(entity).is_some()))
    }

    /// What is refused may have been taken before, by a database that was lost: then it is no refusal.
    fn refuse(
        &mut self,
        sent: &Sent,
        refusal: Refusal,
        policy: ConflictPolicy,
    ) -> Result<(MutationAnswer, Done), SyncError> {
        let (entity, number) = (EntityNumber(sent.mutation.entity), sent.mutation.number);
        if self.may_be_elsewhere(sent)? {
            let otherwise = refused(number, refusal).0.encode_to_vec();
            return queueing::ask(&mut *self.commit, sent, otherwise, policy);
        }
        if sent.repeat == Repeat::Taken && refusal.reason == made_true_already(sent.mutation.kind()) {
            let row = self.commit.row(entity, &sent.id)?;
            if row.is_some() == (sent.mutation.kind() == MutationKind::Create) {
                let lsn = row.map_or_else(|| self.commit.drawn(), |(lsn, _)| lsn);
                return Ok((applied(number, lsn, Vec::new()), Done { before: lsn, ..Done::default() }));
            }
        }
        Ok(refused(number, refusal))
    }

    /// Why the mutation cannot be judged: one that it depends on was not taken.
    fn blocked(&mut self, origin: Origin, sent: &Sent) -> Result<Option<Refusal>, SyncError> {
        for &number in &sent.mutation.depends_on {
            let other = self.commit.ledger().find(&Origin { number, ..origin })?;
            if !other.is_some_and(|other| is_taken(other.outcome)) {
                let message = format!(
                    "it depends on mutation {number}, which was not taken; mend or discard that one, and send both anew"
                );
                return Ok(Some(Refusal::new(MutationOutcome::Blocked, ErrorReason::WriteBlocked, message)));
            }
        }
        Ok(None)
    }

    fn verdict(
        &mut self,
        asker: &Asker,
        origin: Origin,
        sent: &Sent,
        policy: ConflictPolicy,
    ) -> Result<Verdict, SyncError> {
        let Self { organization, commit, head, now, authors, .. } = self;
        let author = authors.get_mut(asker).expect("the asker was met");
        let entity = EntityNumber(sent.mutation.entity);
        let queues = organization.queues_writes();
        let mut rows = Seen { commit: &mut **commit, origin, entity, id: &sent.id, queues };
        organization.with_engine(|engine| {
            check_head(engine, *head)?;
            engine.judge(author, &sent.mutation, policy, *now, &mut rows)
        })?
    }

    fn write(
        &mut self,
        number: u64,
        entity: EntityNumber,
        sent: &Sent,
        written: Written,
    ) -> Result<(MutationAnswer, Done), SyncError> {
        let Written { before, payload, changed, values, overruled } = written;
        let change = self.commit.upsert(entity, &sent.id, &payload)?;
        let mut answer = applied(number, before, overruled);
        let mut done = Done { before, ..Done::default() };
        if change != Change::Unchanged {
            done.lsn = self.commit.drawn();
            answer.lsn = done.lsn.0;
            let changed = changed.into_iter().map(|field| field.0).collect();
            done.effect = Some(Effect { deleted: false, created: before == Lsn(0), changed, values });
            self.note(entity)?;
        }
        Ok((answer, done))
    }

    fn delete(
        &mut self,
        number: u64,
        entity: EntityNumber,
        sent: &Sent,
        before: Lsn,
    ) -> Result<(MutationAnswer, Done), SyncError> {
        self.commit.delete(entity, &sent.id)?;
        self.note(entity)?;
        let lsn = self.commit.drawn();
        let effect = Some(Effect { deleted: true, ..Effect::default() });
        Ok((applied(number, lsn, Vec::new()), Done { before, lsn, effect, queued: None }))
    }

    /// A row of this entity was written.
    fn note(&mut self, entity: EntityNumber) -> Result<(), SyncError> {
        self.moved_directory |= self.with_engine(|engine| engine.directory_depends_on(entity))?;
        Ok(())
    }

    /// Looks at the engine, which must still be where the transaction began.
    fn with_engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> Result<T, SyncError> {
        self.organization.with_engine(|engine| check_head(engine, self.head).map(|()| look(engine)))?
    }
}

/// The engine may have been given up and built anew meanwhile, but never at an earlier place.
fn check_head(engine: &Engine, head: Lsn) -> Result<(), SyncError> {
    let reached = engine.head();
    if reached >= head { Ok(()) } else { Err(SyncError::ServerBehind { reached, wanted: head }) }
}

/// Whether an outcome means that the write counts.
fn is_taken(outcome: i32) -> bool {
    [MutationOutcome::Applied, MutationOutcome::Queued].map(|taken| taken as i32).contains(&outcome)
}

pub(super) fn applied(number: u64, lsn: Lsn, overruled: Vec<AttributeNumber>) -> MutationAnswer {
    MutationAnswer {
        number,
        outcome: MutationOutcome::Applied.into(),
        lsn: lsn.0,
        overruled: overruled.into_iter().map(|field| field.0).collect(),
        ..MutationAnswer::default()
    }
}

pub(super) fn refused(number: u64, refusal: Refusal) -> (MutationAnswer, Done) {
    let Refusal { outcome, reason, message, fields } = refusal;
    let fields = fields.into_iter().map(|field| field.0).collect();
    let (outcome, reason) = (outcome.into(), reason.into());
    let answer = MutationAnswer { number, outcome, lsn: 0, reason, message, fields, overruled: Vec::new() };
    (answer, Done::default())
}

/// What a mutation is refused for if its row is as it has made it: there, or gone.
fn made_true_already(kind: MutationKind) -> ErrorReason {
    match kind {
        MutationKind::Create => ErrorReason::RowExists,
        MutationKind::Delete => ErrorReason::RowUnknown,
        MutationKind::Update | MutationKind::Unspecified => ErrorReason::Unspecified,
    }
}

/// The device is to be wiped: what it has not had taken yet is for an administrator to decide on.
fn wiped(why: &str) -> Refusal {
    Refusal::new(MutationOutcome::Forbidden, ErrorReason::DeviceWiped, why.to_owned())
}

fn too_large(written: &Written) -> Refusal {
    let bytes = written.payload.len();
    let message = format!("the row would have {bytes} bytes, and may have {ROW_BYTES_MAX}; shorten its values");
    Refusal::new(MutationOutcome::Invalid, ErrorReason::RowTooLarge, message)
}
