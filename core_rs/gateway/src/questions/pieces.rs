//! Long work in short pieces.

use std::time::Instant;

use haversack_engine::engine::ask::Moment;
use haversack_engine::ids::RowKey;
use haversack_proto::admin;

use crate::errors::SyncError;
use crate::limits::{PIECE_TIME, QUESTION_TIME_MAX};

/// The time that a question has taken, and the moments that it has been asked at.
pub(super) struct Pieces {
    began: Instant,
    first: Option<Moment>,
    last: Moment,
}

/// Users to be looked at while the engine is held.
pub(super) struct Piece<'a> {
    users: &'a [RowKey],
    began: Instant,
}

impl Piece<'_> {
    /// The next user; `None` when the engine must be let go. There is always one at first.
    pub(super) fn next(&mut self, done: &mut usize) -> Option<RowKey> {
        if *done > 0 && self.began.elapsed() >= PIECE_TIME {
            return None;
        }
        let user = self.users.get(*done).copied();
        *done += usize::from(user.is_some());
        user
    }
}

impl Pieces {
    /// A question that begins now.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), first: None, last: Moment::default() }
    }

    /// Notes a moment at which something was answered.
    pub(super) fn see(&mut self, moment: Moment) {
        self.first.get_or_insert(moment);
        self.last = moment;
    }

    /// From when to when.
    pub(super) fn moment(&self) -> admin::AnswerMoment {
        admin::AnswerMoment {
            lsn_first: self.first.unwrap_or_default().lsn.0,
            lsn_last: self.last.lsn.0,
            revision: self.last.revision.0,
            instant_us: self.last.instant.0,
        }
    }

    /// Fails if the question has taken too long.
    pub(super) fn check_time(&self) -> Result<(), SyncError> {
        if self.began.elapsed() < QUESTION_TIME_MAX {
            return Ok(());
        }
        let seconds = QUESTION_TIME_MAX.as_secs();
        Err(SyncError::LimitReached(format!("the answer would take more than {seconds} seconds, which is the limit")))
    }

    /// Has every user looked at, in as many pieces as it takes. `look` looks at users until the piece has none left, and
    /// tells when.
    pub(super) fn run(
        &mut self,
        users: &[RowKey],
        mut look: impl FnMut(&mut dyn FnMut() -> Option<RowKey>) -> Result<Moment, SyncError>,
    ) -> Result<(), SyncError> {
        let mut users = users;
        while !users.is_empty() {
            self.check_time()?;
            let (mut piece, mut done) = (Piece { users, began: Instant::now() }, 0);
            let moment = look(&mut || piece.next(&mut done))?;
            self.see(moment);
            users = &users[done..];
        }
        Ok(())
    }
}
