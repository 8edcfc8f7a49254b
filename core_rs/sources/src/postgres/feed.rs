//! The feed of one organization: one commit of staging after the other.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use haversack_engine::ids::EntityNumber;
use haversack_engine::schema::Schema;
use haversack_staging::{Commit, Intake, Staging, Taken as Counts};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::apply::{Applied, Applier, Missing};
use super::copying::{Copied, copy, fetch};
use super::layout::Layout;
use super::look::{Look, Lookout};
use super::opening::{Opened, open};
use super::position::{Before, Position, Wal};
use super::row::Notes;
use super::session::{Gathered, Stream};
use super::settings::Settings;
use super::slot::Snapshot;
use crate::SourceError;

/// How far the source's log may be read without a change of ours before the position is written for that alone: so much
/// more of its log than needed does the source keep.
const QUIET_WAL_BYTES_MAX: u64 = 1 << 24;

/// Copies the rows of an organization's database, and follows its changes. One thread uses it at a time.
pub struct Feed {
    settings: Settings,
    layout: Arc<Layout>,
    staging: Arc<dyn Staging>,
    /// As it lies in staging, as far as this feed knows.
    position: Option<Position>,
    /// The tables as they were when the feed was opened last.
    look: Arc<Look>,
    doing: Doing,
    notes: Notes,
    /// Why the last reconciliation was needed.
    reason: &'static str,
    copied: BTreeMap<String, (u64, u64)>,
    /// How far the source's log was read; what is behind the position in staging had nothing of ours.
    read: Wal,
    /// Last, since what it runs must end before it.
    runtime: Runtime,
}

/// What became of one commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// What it did to rows.
    pub counts: Counts,
    /// 0 exactly when the source has no more; otherwise an estimate of what is left, at least 1.
    pub left: u64,
    /// Head of staging's commit order after it.
    pub lsn: u64,
    /// What the feed is doing.
    pub stage: Stage,
    /// The place in the source's log up to which staging has everything; empty before the first copy.
    pub position: String,
    /// Seconds that staging is behind.
    pub lag_seconds: f64,
    /// By entity that is or was copied: rows so far, and rows that the source expects to have.
    pub copied: BTreeMap<String, (u64, u64)>,
    /// What could not be carried, and how often.
    pub notes: BTreeMap<String, u64>,
    /// Why all rows were last copied; empty if they never were by this feed.
    pub reason: &'static str,
}

/// What a feed is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It connects, and waits for a snapshot.
    #[default]
    Connecting,
    /// It reads the changes that are older than a snapshot.
    CatchingUp,
    /// It copies rows.
    Copying,
    /// It follows changes.
    Following,
}

enum Doing {
    Nothing,
    Opening(JoinHandle<Result<Opened, SourceError>>),
    CatchingUp(Following, Snapshot),
    Copying(Copying),
    Following(Following),
}

struct Following {
    stream: Stream,
    applier: Applier,
    lookout: Lookout,
}

struct Copying {
    /// The stream that goes on afterwards, if there is one already.
    following: Option<Following>,
    batches: Receiver<Result<Copied, SourceError>>,
    /// Place of the entity whose pass has begun.
    begun: Option<usize>,
    _snapshot: Snapshot,
}

/// What became of an attempt to commit changes.
enum Tried {
    Done(Counts),
    /// What has to be fetched first.
    Missing(Vec<Missing>),
    /// Entities that have to be copied first.
    Doubtful(Vec<u32>),
}

impl Feed {
    /// Prepares; nothing is connected yet.
    ///
    /// # Errors
    /// [`SourceError::MappingInvalid`] if the mapping and the metadata contradict each other.
    pub fn new(settings: Settings, schema: &Schema, staging: Arc<dyn Staging>) -> Result<Self, SourceError> {
        let layout = Arc::new(Layout::new(&settings, schema)?);
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("haversack-source").enable_all().build();
        let runtime =
            runtime.map_err(|error| SourceError::Unavailable(format!("no thread for the source: {error}")))?;
        let (notes, copied) = (Notes::default(), BTreeMap::new());
        Ok(Self {
            settings,
            layout,
            staging,
            position: None,
            look: Arc::default(),
            doing: Doing::Nothing,
            notes,
            reason: "",
            copied,
            read: Wal(0),
            runtime,
        })
    }

    /// Makes the next commit: rows of a copy, or changes, at most `rows_max`. Waits for no longer than `wait` for
    /// something to do.
    ///
    /// # Errors
    /// If the source or staging fails. Then nothing has changed, and the next call connects anew.
    pub fn take(&mut self, rows_max: usize, wait: Duration) -> Result<Taken, SourceError> {
        let taken = self.step(rows_max.max(1), wait);
        if taken.is_err() {
            self.read = Wal(0);
            // Dropped within the runtime: the library spawns its farewell.
            let _inside = self.runtime.enter();
            self.doing = Doing::Nothing;
        }
        taken
    }

    fn step(&mut self, rows_max: usize, wait: Duration) -> Result<Taken, SourceError> {
        if self.is_between() && self.position.as_ref().is_some_and(|position| !position.sweeping.is_empty()) {
            return self.sweep(rows_max);
        }
        let deadline = Instant::now() + wait;
        match mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => {
                let opening = self.open()?;
                self.await_opening(opening, deadline, rows_max)
            }
            Doing::Opening(opening) => self.await_opening(opening, deadline, rows_max),
            Doing::CatchingUp(following, snapshot) => self.catch_up(following, snapshot, rows_max, deadline),
            Doing::Copying(copying) => self.copy(copying, deadline),
            Doing::Following(following) => self.follow(following, rows_max, deadline),
        }
    }

    /// Whether staging stands between two transactions.
    fn is_between(&self) -> bool {
        !matches!(self.doing, Doing::Nothing | Doing::Opening(_))
            && self.position.as_ref().is_some_and(|position| position.part.is_none())
    }

    fn open(&mut self) -> Result<JoinHandle<Result<Opened, SourceError>>, SourceError> {
        let before = Before::read(&*self.staging, &self.layout.entities)?;
        self.position.clone_from(&before.position);
        let (settings, layout) = (self.settings.clone(), Arc::clone(&self.layout));
        Ok(self.runtime.spawn(async move { open(&settings, &layout, before).await }))
    }

    fn await_opening(
        &mut self,
        mut opening: JoinHandle<Result<Opened, SourceError>>,
        deadline: Instant,
        rows_max: usize,
    ) -> Result<Taken, SourceError> {
        let joined = self.runtime.block_on(async { tokio::time::timeout_at(deadline, &mut opening).await });
        let Ok(joined) = joined else {
            self.doing = Doing::Opening(opening);
            return self.told(Counts::default(), 1, Stage::Connecting);
        };
        let Opened { position, reason, snapshot, stream, look, expected } =
            joined.map_err(|error| SourceError::Unavailable(format!("connecting to the source: {error}")))??;
        if !reason.is_empty() {
            self.reason = reason;
        }
        self.write_position(position)?;
        self.look = Arc::new(look);
        self.copied = expected.into_iter().map(|(name, expected)| (name, (0, expected))).collect();
        let following = stream.map(|stream| self.following(stream));
        let stage = match (following, snapshot) {
            (Some(following), Some(snapshot)) => {
                self.doing = Doing::CatchingUp(following, snapshot);
                Stage::CatchingUp
            }
            (Some(following), None) => {
                self.doing = Doing::Following(following);
                Stage::Following
            }
            (None, Some(snapshot)) => {
                self.begin_copying(None, snapshot, rows_max);
                Stage::Copying
            }
            (None, None) => return Err(SourceError::Unavailable("nothing was opened".into())),
        };
        self.told(Counts::default(), 1, stage)
    }

    fn begin_copying(&mut self, following: Option<Following>, snapshot: Snapshot, rows_max: usize) {
        let places = self.look.to_copy(&self.layout, self.position());
        let _inside = self.runtime.enter();
        let (connection, layout) = (self.settings.connection.clone(), Arc::clone(&self.layout));
        let batches = copy(connection, layout, snapshot.name.clone(), places, rows_max);
        self.doing = Doing::Copying(Copying { following, batches, begun: None, _snapshot: snapshot });
    }

    /// Reads on to the snapshot from which entities will be copied.
    fn catch_up(
        &mut self,
        mut following: Following,
        snapshot: Snapshot,
        rows_max: usize,
        deadline: Instant,
    ) -> Result<Taken, SourceError> {
        let (from, until) = (self.position().wal, Some(snapshot.wal));
        let gathering = following.stream.gather(from, rows_max, deadline, until);
        let gathered = self.runtime.block_on(gathering)?;
        let counts = match self.apply(&mut following, &gathered)? {
            Ok(counts) => counts,
            Err(others) => return self.begin_anew(following, others),
        };
        if gathered.is_there || (gathered.part.is_none() && gathered.wal >= snapshot.wal) {
            self.begin_copying(Some(following), snapshot, rows_max);
        } else {
            self.doing = Doing::CatchingUp(following, snapshot);
        }
        self.told(counts, 1, Stage::CatchingUp)
    }

    fn copy(&mut self, mut copying: Copying, deadline: Instant) -> Result<Taken, SourceError> {
        let batches = &mut copying.batches;
        let received = self.runtime.block_on(async { tokio::time::timeout_at(deadline, batches.recv()).await });
        let Ok(received) = received else {
            self.doing = Doing::Copying(copying);
            return self.told(Counts::default(), self.left(), Stage::Copying);
        };
        let counts = match received.transpose()? {
            Some(Copied::Rows(place, mut batch)) => {
                let rows = batch.len() as u64;
                let begins = copying.begun.replace(place) != Some(place);
                let counts = self.commit(self.position().clone(), |intake, layout| {
                    if begins {
                        intake.begin_pass(layout.entities[place].entity)?;
                    }
                    Ok(batch.flush(intake)?)
                })?;
                self.copied.entry(self.layout.entities[place].name.clone()).or_default().0 += rows;
                counts
            }
            Some(Copied::End(place, notes)) => {
                self.notes.append(notes);
                self.end_copy(place, copying.begun == Some(place))?
            }
            None => return self.follow_on(copying.following),
        };
        self.doing = Doing::Copying(copying);
        self.told(counts, self.left(), Stage::Copying)
    }

    /// All rows of an entity were met; the others are swept next.
    fn end_copy(&mut self, place: usize, has_begun: bool) -> Result<Counts, SourceError> {
        let (entity, fingerprint) = (self.layout.entities[place].entity, self.look.fingerprint(&self.layout, place));
        let mut position = self.position().clone();
        position.copying.retain(|copying| *copying != entity.0);
        if !position.sweeping.contains(&entity.0) {
            position.sweeping.push(entity.0);
        }
        self.commit(position, |intake, _| {
            if !has_begun {
                intake.begin_pass(entity)?;
            }
            Ok(intake.commit().set_position(entity, Some(&fingerprint))?)
        })
    }

    /// Everything is copied.
    fn follow_on(&mut self, following: Option<Following>) -> Result<Taken, SourceError> {
        let following = if let Some(following) = following {
            following
        } else {
            let stream = self.runtime.block_on(Stream::open(&self.settings, self.position()))?;
            self.following(stream)
        };
        self.doing = Doing::Following(following);
        self.told(Counts::default(), 1, Stage::Following)
    }

    fn following(&self, stream: Stream) -> Following {
        let applier = Applier::new(Arc::clone(&self.layout), Arc::clone(&self.look));
        Following { stream, applier, lookout: Lookout::new(&self.settings) }
    }

    fn follow(&mut self, mut following: Following, rows_max: usize, deadline: Instant) -> Result<Taken, SourceError> {
        if let Some(look) = following.lookout.seen(self.runtime.handle(), &self.settings, &self.layout) {
            let others = look.changed(&self.layout, &self.look);
            if !others.is_empty() {
                return self.begin_anew(following, others);
            }
        }
        let gathering = following.stream.gather(self.position().wal, rows_max, deadline, None);
        let gathered = self.runtime.block_on(gathering)?;
        let counts = match self.apply(&mut following, &gathered)? {
            Ok(counts) => counts,
            Err(others) => return self.begin_anew(following, others),
        };
        if !gathered.has_more {
            following.stream.caught_up();
        }
        self.doing = Doing::Following(following);
        // A stream has no end: that there is no more shows when nothing comes.
        let has_more = !gathered.is_empty() || !self.position().sweeping.is_empty();
        self.told(counts, u64::from(has_more), Stage::Following)
    }

    /// Has entities copied whose tables are others than when they were copied last: opens again, which looks at all tables
    /// before it makes a snapshot.
    fn begin_anew(&mut self, following: Following, others: Vec<u32>) -> Result<Taken, SourceError> {
        let mut position = self.position().clone();
        position.copy(others);
        self.write_position(position)?;
        self.runtime.block_on(following.stream.end());
        self.told(Counts::default(), 1, Stage::Connecting)
    }

    /// Commits what was gathered, and lets the source forget it; or returns the entities that have to be copied first.
    fn apply(
        &mut self,
        following: &mut Following,
        gathered: &Gathered,
    ) -> Result<Result<Counts, Vec<u32>>, SourceError> {
        self.read = gathered.wal;
        let before = self.position();
        if gathered.is_empty() && gathered.wal.0 < before.wal.0 + QUIET_WAL_BYTES_MAX {
            return Ok(Ok(Counts::default()));
        }
        let from = before.wal;
        let mut position = Position { wal: gathered.wal, part: gathered.part, ..before.clone() };
        let counts = loop {
            following.applier.is_ahead = from < position.ahead;
            following.applier.notes = Notes::default();
            // This ends: what was fetched is not missing again.
            let missing = match self.try_apply(following, gathered, position.clone())? {
                Tried::Done(counts) => break counts,
                Tried::Doubtful(others) => return Ok(Err(others)),
                Tried::Missing(missing) => missing,
            };
            let fetching = fetch(&self.settings.connection, &self.layout, &missing, &mut self.notes);
            let fetched = self.runtime.block_on(fetching)?;
            position.ahead = position.ahead.max(fetched.until);
            let keys = missing.into_iter().map(|it| (self.layout.entities[it.place].entity, it.id));
            following.applier.fetched.extend(keys.zip(fetched.rows));
        };
        following.applier.fetched.clear();
        self.notes.append(mem::take(&mut following.applier.notes));
        following.stream.confirm(self.position().wal);
        Ok(Ok(counts))
    }

    fn try_apply(
        &mut self,
        following: &mut Following,
        gathered: &Gathered,
        mut position: Position,
    ) -> Result<Tried, SourceError> {
        let staging = Arc::clone(&self.staging);
        let mut commit = staging.begin()?;
        let mut intake = Intake::new(&mut *commit);
        match following.applier.apply(&mut intake, &gathered.messages, &mut position)? {
            Applied::Whole => {}
            Applied::Missing(missing) => return Ok(Tried::Missing(missing)),
            Applied::Doubtful(entities) => return Ok(Tried::Doubtful(entities.into_iter().collect())),
        }
        let counts = intake.taken();
        self.finish(commit, position)?;
        Ok(Tried::Done(counts))
    }

    /// Deletes a bounded number of rows that are gone at the source.
    fn sweep(&mut self, rows_max: usize) -> Result<Taken, SourceError> {
        let mut position = self.position().clone();
        let entity = EntityNumber(position.sweeping[0]);
        let staging = Arc::clone(&self.staging);
        let mut commit = staging.begin()?;
        let mut intake = Intake::new(&mut *commit);
        if intake.sweep(entity, rows_max)?.left == 0 {
            position.sweeping.remove(0);
        }
        let counts = intake.taken();
        self.finish(commit, position)?;
        self.told(counts, self.left(), self.stage())
    }

    /// Makes one commit that also moves the position.
    fn commit(
        &mut self,
        position: Position,
        take: impl FnOnce(&mut Intake<'_>, &Layout) -> Result<(), SourceError>,
    ) -> Result<Counts, SourceError> {
        let staging = Arc::clone(&self.staging);
        let mut commit = staging.begin()?;
        let mut intake = Intake::new(&mut *commit);
        take(&mut intake, &self.layout)?;
        let counts = intake.taken();
        self.finish(commit, position)?;
        Ok(counts)
    }

    fn write_position(&mut self, position: Position) -> Result<(), SourceError> {
        if self.position.as_ref() == Some(&position) {
            return Ok(());
        }
        self.commit(position, |_, _| Ok(())).map(drop)
    }

    fn finish(&mut self, mut commit: Box<dyn Commit + '_>, position: Position) -> Result<(), SourceError> {
        position.write(&mut *commit, self.position.as_ref())?;
        commit.finish()?;
        self.position = Some(position);
        Ok(())
    }

    fn position(&self) -> &Position {
        self.position.as_ref().expect("a feed that is open has its position")
    }

    fn stage(&self) -> Stage {
        match &self.doing {
            Doing::Nothing | Doing::Opening(_) => Stage::Connecting,
            Doing::CatchingUp(..) => Stage::CatchingUp,
            Doing::Copying(_) => Stage::Copying,
            Doing::Following(_) => Stage::Following,
        }
    }

    /// Rows that are still to be copied, as far as is known.
    fn left(&self) -> u64 {
        self.copied.values().map(|(rows, expected)| expected.saturating_sub(*rows)).sum::<u64>().max(1)
    }

    fn told(&self, counts: Counts, left: u64, stage: Stage) -> Result<Taken, SourceError> {
        let lag_seconds = match &self.doing {
            Doing::Following(following) | Doing::CatchingUp(following, _) => following.stream.lag_seconds(),
            _ => 0.0,
        };
        let position = self.position.as_ref().map_or_else(String::new, |it| it.wal.max(self.read).to_string());
        let copied = self.copied.clone();
        let notes = self.notes.0.iter().chain(&self.look.notes.0).map(|(note, count)| (note.clone(), *count)).collect();
        let lsn = self.staging.head()?.0;
        Ok(Taken { counts, left, lsn, stage, position, lag_seconds, copied, notes, reason: self.reason })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let doing = mem::replace(&mut self.doing, Doing::Nothing);
        // Within the runtime, since what is dropped spawns its farewell.
        self.runtime.block_on(async {
            if let Doing::CatchingUp(following, _) | Doing::Following(following) = doing {
                following.stream.end().await;
            }
        });
    }
}

impl Stage {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching up",
            Self::Copying => "copying",
            Self::Following => "following",
        }
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wal = self.position.as_ref().map_or(Wal::default(), |position| position.wal);
        write!(out, "Feed of {:?} at {wal}", self.settings.connection)
    }
}
