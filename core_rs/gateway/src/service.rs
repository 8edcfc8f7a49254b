//! `SyncService`: admits a call and begins its stream.
//!
//! Every call passes here: token, organization, limits, cookie, in this order. Whatever fails before the stream begins
//! is the call's status.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haversack_engine::engine::Asker;
use haversack_engine::ids::{Instant, Position};
use haversack_engine::reconcile::{Cookie, Limits, Mode, Opened, Opening, Session};
use haversack_engine::row::row_key_of_text;
use haversack_proto::sync::{Compression, SyncMode, SyncRequest};
use haversack_staging::{Contact, Identity, Said};
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;

use crate::answers::Answering;
use crate::auth::{Caller, Verifier};
use crate::calls::CallLabels;
use crate::clock::Clock;
use crate::config::Config;
use crate::contacts::{Visitor, said};
use crate::cookie::Seal;
use crate::errors::SyncError;
use crate::limits::{APP_BYTES_MAX, CLIENT_BYTES_MAX, CLOCK_SKEW_US_MAX, INSTALL_ID_BYTES};
use crate::organization::{Organization, Organizations};
use crate::signal::{Device, Streams};
use crate::statistics::Statistics;
use crate::stream::{DeviceStream, Events, full_check_required, inventory_required};

/// Name of the token's organization that no device has.
const EVERY_ORGANIZATION: &str = "*";

/// The service; clones are one service.
#[derive(Clone)]
pub(crate) struct SyncEndpoint {
    inner: Arc<Inner>,
}

struct Inner {
    verifier: RwLock<Arc<Verifier>>,
    clock: Arc<dyn Clock>,
    heartbeat: Duration,
    streams_max: usize,
    permits: Arc<Semaphore>,
    organizations: Organizations,
    stopping: AtomicBool,
}

impl SyncEndpoint {
    /// Reads the issuers' keys; serves no organization yet.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, SyncError> {
        let inner = Inner {
            verifier: RwLock::new(Arc::new(Verifier::new(&config.issuers)?)),
            organizations: Organizations::new(Arc::clone(&clock), config.queue_bounds()),
            clock,
            heartbeat: config.heartbeat(),
            streams_max: config.streams_max,
            permits: Arc::new(Semaphore::new(config.streams_max)),
            stopping: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The organizations that are served.
    pub(crate) fn organizations(&self) -> &Organizations {
        &self.inner.organizations
    }

    /// Believes other issuers from the next call on.
    pub(crate) fn set_verifier(&self, verifier: Verifier) {
        *self.inner.verifier.write() = Arc::new(verifier);
    }

    /// Now, by this server's clock.
    pub(crate) fn instant(&self) -> Instant {
        self.inner.clock.instant()
    }

    /// What is going on.
    pub(crate) fn statistics(&self) -> Statistics {
        let streams = self.inner.streams_max - self.inner.permits.available_permits();
        Statistics { streams, organizations: self.inner.organizations.statistics() }
    }

    /// Refuses calls from now on, and ends every stream.
    pub(crate) fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.organizations.end_streams();
    }

    /// Whether [`Self::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Acquire)
    }

    /// Admits a call and begins its stream; the error is the call's status. Either is logged.
    pub(crate) async fn sync(&self, metadata: &MetadataMap, request: SyncRequest) -> Result<Events, SyncError> {
        let mut labels = CallLabels::of(metadata, &request);
        let result = self.begin_sync(metadata, request, &mut labels).await;
        labels.log(&result);
        result
    }

    async fn begin_sync(
        &self,
        metadata: &MetadataMap,
        request: SyncRequest,
        labels: &mut CallLabels,
    ) -> Result<Events, SyncError> {
        let caller = self.caller(metadata)?;
        labels.know(&caller);
        let organization = self.organization_of(&caller)?;
        check_lengths(&request.client, &request.app)?;
        let install = install_id(&request.install_id)?;
        let said = said(request.report.as_ref())?;
        let permit = self.permit()?;
        organization.ready().await?;
        let identity = organization.identity()?;
        let seal = Seal::new(&identity.secret, organization.name(), row_key_of_text(&caller.user), &install);
        let cookie = open_cookie(&seal, &request)?;
        let identity = match &cookie {
            Some(cookie) => self.catch_up(&organization, identity, cookie).await?,
            None => identity,
        };
        let call = Call { organization, caller, install, said, permit, seal };
        // Working out a view, and comparing it with what the device holds, may take milliseconds.
        let endpoint = self.clone();
        tokio::task::spawn_blocking(move || endpoint.begin(call, cookie.as_ref(), &identity.epoch, &request))
            .await
            .map_err(|error| SyncError::Internal(format!("beginning a stream: {error}")))?
    }

    /// Who calls, by the token.
    pub(crate) fn caller(&self, metadata: &MetadataMap) -> Result<Caller, SyncError> {
        if self.is_stopping() {
            return Err(SyncError::ServerStopping);
        }
        let verifier = Arc::clone(&self.inner.verifier.read());
        verifier.caller(metadata, self.inner.clock.now())
    }

    /// The organization that a device's token is for.
    pub(crate) fn organization_of(&self, caller: &Caller) -> Result<Arc<Organization>, SyncError> {
        if &*caller.organization == EVERY_ORGANIZATION {
            return Err(SyncError::TokenNotAllowed("it is an administrator's; devices need one of a user".into()));
        }
        self.inner.organizations.get(&caller.organization)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, SyncError> {
        let limit = self.inner.streams_max;
        Arc::clone(&self.inner.permits)
            .try_acquire_owned()
            .map_err(|_| SyncError::LimitReached(format!("{limit} streams are open, which is the limit")))
    }

    /// Makes sure that the device is not served from a past that it has left behind.
    ///
    /// A cookie of its own staging database, beyond whose head it is or whose history was another at its LSN, proves that
    /// commits were lost: a new epoch begins.
    async fn catch_up(
        &self,
        organization: &Arc<Organization>,
        identity: Identity,
        cookie: &Cookie,
    ) -> Result<Identity, SyncError> {
        if *cookie.epoch != identity.epoch {
            return Ok(identity);
        }
        if organization.history_at(cookie.lsn)? != Some(cookie.history) {
            return organization.begin_anew(identity).await;
        }
        let latest = Instant(self.inner.clock.instant().0.saturating_add(CLOCK_SKEW_US_MAX));
        organization.reach(cookie.lsn, cookie.revision, cookie.instant.min(latest)).await?;
        Ok(identity)
    }

    /// Subscribes to the user's view and opens the session.
    fn begin(
        &self,
        call: Call,
        cookie: Option<&Cookie>,
        epoch: &[u8],
        request: &SyncRequest,
    ) -> Result<Events, SyncError> {
        let Call { organization, caller, install, said, permit, seal } = call;
        let asker = Asker { user: organization.user_named(&caller.user)?, app: request.app.as_str().into() };
        let device = Device { user: asker.user, install };
        let presence = Streams::enter(organization.streams(), device);
        let (app, client) = (Arc::clone(&asker.app), request.client.as_str().into());
        let visitor = Visitor { device, name: Arc::clone(&caller.user), app, client };
        let known = cookie.filter(|cookie| *cookie.epoch == *epoch);
        let full_syncs = u32::from(known.is_none());
        organization.note(Contact { said, full_syncs, ..visitor.contact(self.instant()) });
        // The stream is among the open ones already, so an order that comes after this look reaches it there.
        if let Some(check) = organization.admit(device)? {
            if u64::try_from(check) != Ok(request.full_check) {
                return Ok(full_check_required(device.user, check));
            }
            organization.checked(device, check)?;
        }
        let mut position = Position::default();
        if let Some(cookie) = known {
            organization.devices().called(device, cookie.lsn, cookie.instant);
            position = Position { lsn: cookie.lsn, history: cookie.history };
        }
        let subscription = organization.subscribe(asker, &caller.user, Arc::clone(&presence.signal))?;
        let opening = Opening {
            epoch,
            cookie,
            holdings: &request.holdings,
            inventories: &request.inventories,
            mismatches: &request.mismatches,
            mode: if request.mode() == SyncMode::Live { Mode::Live } else { Mode::Once },
            limits: Limits::default(),
        };
        let opened =
            organization.with_view(&subscription, |moment| Session::open(&opening, moment.view, moment.facts))??;
        let session = match opened {
            Opened::Session(session) => session,
            Opened::InventoryRequired(required) => return Ok(inventory_required(device.user, required)),
        };
        let answering = Answering::begin(&organization, device, &request.unanswered)?;
        let stream = DeviceStream {
            organization,
            subscription,
            session,
            answering,
            seal,
            presence,
            visitor,
            clock: Arc::clone(&self.inner.clock),
            expires: caller.expires,
            heartbeat: self.inner.heartbeat,
            zstd: request.accept().any(|it| it == Compression::Zstd),
            permit,
        };
        Ok(stream.into_events(position))
    }
}

/// A call that may be served, before its session is open.
struct Call {
    organization: Arc<Organization>,
    caller: Caller,
    install: [u8; INSTALL_ID_BYTES],
    said: Option<Said>,
    permit: OwnedSemaphorePermit,
    seal: Seal,
}

/// Refuses names of a client library or an application that are too long.
pub(crate) fn check_lengths(client: &str, app: &str) -> Result<(), SyncError> {
    for (name, text, most) in [("client", client, CLIENT_BYTES_MAX), ("app", app, APP_BYTES_MAX)] {
        if text.len() > most {
            return Err(SyncError::RequestInvalid(format!("{name} is longer than {most} bytes")));
        }
    }
    Ok(())
}

/// Reads an install id.
pub(crate) fn install_id(bytes: &[u8]) -> Result<[u8; INSTALL_ID_BYTES], SyncError> {
    let wrong = |_| SyncError::RequestInvalid(format!("install_id must be {INSTALL_ID_BYTES} random bytes"));
    bytes.try_into().map_err(wrong)
}

fn open_cookie(seal: &Seal, request: &SyncRequest) -> Result<Option<Cookie>, SyncError> {
    if request.cookie.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cookie::decode(seal.open(&request.cookie)?)?))
}
