//! One device's stream: the shell around the reconcile machine.
//!
//! It is pulled. The connection asks for the next event when it has room for one, and only then is anything decided,
//! read or encoded. So there is no task, no queue and no lock behind a device that reads slowly, and what it gets next
//! is always judged on the newest view. A stream that has nothing to send waits for its signal.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{once, try_unfold};
use haversack_engine::ids::{Position, RowKey};
use haversack_engine::reconcile::{Cookie, Fetch, Session, Step};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{self, Answers, FullCheckRequired, Heartbeat, InventoryRequired, SyncEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::Status;

use crate::answers::Answering;
use crate::clock::Clock;
use crate::contacts::Visitor;
use crate::cookie::Seal;
use crate::errors::SyncError;
use crate::limits::SEEN_INTERVAL;
use crate::organization::{Moment, Organization, Subscription, blocking};
use crate::payloads::fill;
use crate::signal::Presence;

/// The events of one call.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

/// Everything that a stream needs from the outside.
pub(crate) struct DeviceStream {
    /// The organization that it serves rows of.
    pub organization: Arc<Organization>,
    /// Keeps the user's view alive and exact.
    pub subscription: Subscription,
    /// Decides what comes next.
    pub session: Session,
    /// What the device has yet to hear of its mutations.
    pub answering: Answering,
    /// Seals the cookies.
    pub seal: Seal,
    /// How the stream is reached.
    pub presence: Presence,
    /// Whose it is, for the registry.
    pub visitor: Visitor,
    /// Tells when the token has expired.
    pub clock: Arc<dyn Clock>,
    /// When the token expires.
    pub expires: SystemTime,
    /// Silence after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// Whether the device can undo zstd.
    pub zstd: bool,
    /// The stream's part of the limit on streams.
    #[expect(dead_code, reason = "it is held, not read: dropping it gives the place up")]
    pub permit: OwnedSemaphorePermit,
}

/// A stream and when it last sent something.
struct Running {
    stream: DeviceStream,
    sent: Instant,
    /// When the registry was last told that it is open.
    noted: Instant,
    /// Whether it has said anything.
    begun: bool,
    /// Whether it has said all that it has to say.
    ended: bool,
    /// Where the device is once it has applied what was decided last.
    position: Position,
}

impl DeviceStream {
    /// Begins, with a device that has come to `position`. Nothing happens until the first event is asked for.
    pub(crate) fn into_events(self, position: Position) -> Events {
        let now = Instant::now();
        let running = Running { stream: self, sent: now, noted: now, begun: false, ended: false, position };
        Box::pin(try_unfold(running, |mut running| async move {
            let user = running.stream.presence.device.user;
            let is_first = !std::mem::replace(&mut running.begun, true);
            let event = running.next().await?;
            Ok(event.map(|event| (if is_first { first(user, event) } else { event }, running)))
        }))
    }
}

/// Fails if what the stream has sent is of another past than the engine by now: the device must begin anew.
fn check_past(moment: &Moment<'_>, position: Position) -> Result<(), SyncError> {
    if moment.has_been(position) { Ok(()) } else { Err(SyncError::StagingReplaced) }
}

impl Drop for DeviceStream {
    /// However it ends: the device was there until now.
    fn drop(&mut self) {
        self.organization.note(self.visitor.contact(self.clock.instant()));
    }
}

/// The only event of a stream whose device must make a check of this number first.
pub(crate) fn full_check_required(user: RowKey, number: i64) -> Events {
    Box::pin(once(async move { Ok(first(user, full_check(number))) }))
}

fn full_check(number: i64) -> SyncEvent {
    let required = FullCheckRequired { number: number.unsigned_abs() };
    SyncEvent { event: Some(Event::FullCheckRequired(required)), ..SyncEvent::default() }
}

/// The only event of a stream that cannot begin before the device has told more.
pub(crate) fn inventory_required(user: RowKey, required: InventoryRequired) -> Events {
    let event = SyncEvent { event: Some(Event::InventoryRequired(required)), ..SyncEvent::default() };
    Box::pin(once(async move { Ok(first(user, event)) }))
}

/// The first event of a stream says whose rows these are.
fn first(user: RowKey, event: SyncEvent) -> SyncEvent {
    SyncEvent { user: Bytes::copy_from_slice(&user.0), ..event }
}

impl Running {
    /// Waits for the next event; none means that the stream ends well.
    async fn next(&mut self) -> Result<Option<SyncEvent>, SyncError> {
        if self.ended {
            return Ok(None);
        }
        let event = loop {
            self.check_end()?;
            if let Some(check) = self.ordered().await? {
                self.ended = true;
                return Ok(Some(full_check(check)));
            }
            if let Some(answers) = self.answers().await? {
                self.sent = Instant::now();
                return Ok(Some(SyncEvent { event: Some(Event::Answers(answers)), ..SyncEvent::default() }));
            }
            self.stream.presence.signal.settle();
            match self.step()? {
                Step::Send(event) => break event,
                Step::Fetch(fetch) => {
                    if let Some(event) = self.batch(fetch).await? {
                        break event;
                    }
                }
                Step::Sleep => {
                    if let Some(heartbeat) = self.rest().await {
                        return Ok(Some(SyncEvent { event: Some(heartbeat), ..SyncEvent::default() }));
                    }
                }
                Step::Denied(denial) => return Err(self.stream.organization.denied(&self.stream.subscription, denial)),
                Step::End => return Ok(None),
            }
        };
        self.sent = Instant::now();
        let Position { lsn, history } = self.position;
        let cookie = Cookie { history, ..self.stream.session.cookie() };
        let cookie = self.stream.seal.close(&cookie.encode());
        let position = Some(sync::Position { lsn: lsn.0, history: history.0 });
        Ok(Some(SyncEvent { event: Some(event), position, cookie, user: Bytes::new() }))
    }

    /// Fails if the stream must end: it was told so, or its token has expired.
    fn check_end(&self) -> Result<(), SyncError> {
        if let Some(ending) = self.stream.presence.signal.ending(self.stream.organization.name()) {
            return Err(ending);
        }
        let expired = self.stream.clock.until(self.stream.expires).is_zero();
        if expired { Err(SyncError::TokenExpired) } else { Ok(()) }
    }

    /// The check that the device was ordered since the stream began. Fails if it may not go on at all.
    async fn ordered(&mut self) -> Result<Option<i64>, SyncError> {
        let DeviceStream { organization, presence, .. } = &mut self.stream;
        if !presence.signal.take_order() {
            return Ok(None);
        }
        let (organization, device) = (Arc::clone(organization), presence.device);
        blocking(move || organization.admit(device)).await
    }

    /// What has become of the device's mutations, as far as it has not been told.
    async fn answers(&mut self) -> Result<Option<Answers>, SyncError> {
        let DeviceStream { organization, answering, presence, .. } = &mut self.stream;
        if presence.signal.take_answered() {
            answering.look(organization).await?;
        }
        Ok(answering.next())
    }

    /// What to do next. The model goes before the first step on a view of it, so both are taken from one moment.
    fn step(&mut self) -> Result<Step, SyncError> {
        let DeviceStream { organization, subscription, session, visitor, .. } = &mut self.stream;
        organization.with_view(subscription, |moment| {
            check_past(moment, self.position)?;
            let model = moment.model()?;
            // Who is denied everything keeps the tables, and is told to empty them.
            if session.model_version() == model.version() || moment.view.denial.is_some() {
                let step = session.step(moment.view, moment.facts);
                if let Step::Send(Event::Checkpoint(_)) = &step {
                    organization.checkpoint_sent(visitor, moment.view);
                }
                self.position = moment.position(session.seen())?;
                return Ok(step);
            }
            session.model_sent(model.version());
            self.position = moment.position(session.seen())?;
            Ok(Step::Send(Event::Model(moment.message(&model))))
        })?
    }

    /// Reads rows and makes a batch of those that may be sent.
    async fn batch(&mut self, fetch: Fetch) -> Result<Option<Event>, SyncError> {
        let DeviceStream { organization, subscription, session, zstd, .. } = &mut self.stream;
        let entity = fetch.entity;
        let body = organization.read(subscription, fetch).await?;
        let admitted = organization.with_view(subscription, |moment| {
            check_past(moment, self.position)?;
            let admitted = session.admit(entity, body.rows(), moment.view, moment.facts)?;
            self.position = moment.position(session.seen())?;
            Ok::<_, SyncError>(admitted)
        })??;
        let Some(mut admitted) = admitted else { return Ok(None) };
        fill(&mut admitted.batch, body.keep(&admitted.positions), *zstd)?;
        Ok(Some(Event::Rows(admitted.batch)))
    }

    /// Waits until something happens; a heartbeat is due if nothing does.
    async fn rest(&mut self) -> Option<Event> {
        let stream = &self.stream;
        let silence_ends = self.sent + stream.heartbeat;
        let token_ends = Instant::now() + stream.clock.until(stream.expires);
        tokio::select! {
            () = stream.presence.signal.raised() => return None,
            () = tokio::time::sleep_until(silence_ends.min(token_ends)) => {}
        }
        if token_ends <= silence_ends {
            return None;
        }
        if self.noted.elapsed() >= SEEN_INTERVAL {
            stream.organization.note(stream.visitor.contact(stream.clock.instant()));
            self.noted = Instant::now();
        }
        self.sent = Instant::now();
        let lsn = stream.session.reached().0;
        Some(Event::Heartbeat(Heartbeat { instant_us: stream.clock.instant().0, lsn }))
    }
}
