//! The endpoint as a whole: its runtime, its socket, its organizations, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haversack_proto::sync::report_service_server::SERVICE_NAME as REPORT_SERVICE_NAME;
use haversack_proto::sync::sync_service_server::SERVICE_NAME;
use haversack_proto::sync::upload_service_server::SERVICE_NAME as UPLOAD_SERVICE_NAME;
use haversack_staging::{LedgerPlace, Staging};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::Verifier;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::connections;
use crate::errors::SyncError;
use crate::limits::READER_THREADS_MAX;
use crate::organization::Organization;
use crate::report::ReportEndpoint;
use crate::service::SyncEndpoint;
use crate::statistics::Statistics;
use crate::tls::Tls;
use crate::upload::UploadEndpoint;

/// The services of devices.
const SERVICE_NAMES: [&str; 3] = [SERVICE_NAME, UPLOAD_SERVICE_NAME, REPORT_SERVICE_NAME];

/// Name of every thread of the runtime, as process viewers show it.
const THREAD_NAME: &str = "haversack-sync";

/// The sync endpoint. Everything blocks shortly or not at all, and nothing may be called from within a runtime.
pub struct Gateway {
    config: Config,
    endpoint: SyncEndpoint,
    /// `None`: plain text.
    tls: Option<Arc<Tls>>,
    running: Mutex<Option<Running>>,
}

struct Running {
    runtime: Runtime,
    stopping: watch::Sender<bool>,
    /// Gone when every connection has closed.
    served: std::sync::mpsc::Receiver<()>,
    health: HealthReporter,
}

impl Gateway {
    /// Checks the configuration; listens to nothing yet.
    pub fn new(config: Config) -> Result<Self, SyncError> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// As [`Self::new`], with a clock of the caller's.
    pub fn with_clock(config: Config, clock: Arc<dyn Clock>) -> Result<Self, SyncError> {
        config.address()?;
        let endpoint = SyncEndpoint::new(&config, clock)?;
        let tls = config.tls.as_ref().map(Tls::new).transpose()?.map(Arc::new);
        Ok(Self { config, endpoint, tls, running: Mutex::new(None) })
    }

    /// Begins to listen, and returns the address it has. Fails if it is in use, or if this gateway was started before.
    pub fn start(&self) -> Result<SocketAddr, SyncError> {
        let mut running = self.running.lock();
        if running.is_some() || self.endpoint.is_stopping() {
            return Err(SyncError::RequestInvalid("this server was started before; make a new one".into()));
        }
        let runtime = runtime(self.config.workers)?;
        let (listener, address) = self.listen(&runtime)?;
        let (health, routes) = runtime.block_on(routes(self.endpoint.clone()))?;
        let (stopping, stop_requested) = watch::channel(false);
        let (done, served) = std::sync::mpsc::channel();
        let tls = self.tls.clone();
        runtime.spawn(async move {
            connections::serve(listener, tls, routes, stop_requested).await;
            drop(done);
        });
        *running = Some(Running { runtime, stopping, served, health });
        tracing::info!(%address, "the sync endpoint listens");
        Ok(address)
    }

    /// Serves an organization from now on. Its index is built at first use.
    ///
    /// With `queues_writes` its rows are a source's outside: what devices write is judged and queued for that, and
    /// changes no row here. But for entities that follow the record database beside it: those are written here.
    pub fn add_organization(
        &self,
        name: &str,
        staging: Arc<dyn Staging>,
        queues_writes: bool,
    ) -> Result<(), SyncError> {
        self.endpoint.organizations().add(name, staging, queues_writes)
    }

    /// Serves an organization no longer: its streams end, and every later call hears that it is not provisioned, until
    /// it is added again. The name need not have been added. Waits until nothing reads its staging database but streams
    /// whose devices have yet to hear of their end.
    pub fn remove_organization(&self, name: &str) {
        self.endpoint.organizations().remove(name);
    }

    /// Has a refused mutation of the sync-error log judged again, as its user's and by what holds now; by force, the
    /// device's values count whatever the row is. Returns a serialized `haversack.sync.v1.MutationAnswer`, which devices
    /// that send the mutation again hear from now on.
    pub fn retry_mutation(&self, name: &str, place: LedgerPlace, forced: bool) -> Result<Vec<u8>, SyncError> {
        self.wait_for(self.judge_again(name, place, forced))
    }

    /// The same, for whoever has a runtime: also while this gateway has not been started.
    pub async fn judge_again(&self, name: &str, place: LedgerPlace, forced: bool) -> Result<Vec<u8>, SyncError> {
        let organization = self.organization(name)?;
        let answer = organization.retry_mutation(place, forced).await?;
        Ok(answer.encode_to_vec())
    }

    /// Builds an organization's index now, and waits for it. Fails unless this gateway has been started.
    pub fn load_organization(&self, name: &str) -> Result<(), SyncError> {
        let organization = self.organization(name)?;
        self.wait_for(organization.loaded())
    }

    /// An organization that is served.
    pub(crate) fn organization(&self, name: &str) -> Result<Arc<Organization>, SyncError> {
        self.endpoint.organizations().get(name)
    }

    /// Waits for something on the runtime. Fails unless this gateway has been started and not stopped.
    pub(crate) fn wait_for<T>(&self, what: impl Future<Output = Result<T, SyncError>>) -> Result<T, SyncError> {
        let handle = self.running.lock().as_ref().map(|running| running.runtime.handle().clone());
        handle.ok_or(SyncError::ServerStopping)?.block_on(what)
    }

    /// Believes the issuers of a JSON list, and no others, from the next call on. Streams go on.
    ///
    /// # Errors
    /// [`SyncError::ConfigurationInvalid`]; those that were believed are believed still.
    pub fn set_issuers(&self, issuers: &str) -> Result<(), SyncError> {
        self.endpoint.set_verifier(Verifier::from_json(issuers)?);
        Ok(())
    }

    /// Shows another certificate to new connections: the chain and its private key, as PEM.
    ///
    /// # Errors
    /// [`SyncError::RequestInvalid`]: this gateway serves plain text. [`SyncError::ConfigurationInvalid`]: they cannot be
    /// used; the certificate that was shown is shown still.
    pub fn set_tls(&self, certificate_chain_pem: &str, private_key_pem: &str) -> Result<(), SyncError> {
        let plain = || SyncError::RequestInvalid("this server serves plain text; start one with `tls`".into());
        self.tls.as_ref().ok_or_else(plain)?.replace(certificate_chain_pem, private_key_pem)
    }

    /// What is going on.
    pub fn statistics(&self) -> Statistics {
        self.endpoint.statistics()
    }

    /// Names of the organizations that have something to be written back, or may have: those whose devices have written
    /// since this was asked last, and those that are served anew.
    pub fn take_written(&self) -> Vec<String> {
        self.endpoint.organizations().take_written()
    }

    /// Ends every stream with SERVER_STOPPING, waits up to `grace` for devices to read that, and gives up everything.
    pub fn stop(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.endpoint.stop();
        if let Some(running) = self.running.lock().take() {
            running.stop(deadline);
        }
        self.endpoint.organizations().close();
    }

    /// What is served, for whoever brings a transport and a runtime of its own: nothing listens, and nothing need be
    /// started. Ends with this gateway.
    pub async fn services(&self) -> Result<Routes, SyncError> {
        routes(self.endpoint.clone()).await.map(|(_, routes)| routes)
    }

    fn listen(&self, runtime: &Runtime) -> Result<(TcpListener, SocketAddr), SyncError> {
        let failed = |error| SyncError::RequestInvalid(format!("cannot listen on {:?}: {error}", self.config.listen));
        let _entered = runtime.enter();
        let listener = connections::listen(self.config.address()?).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, address))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl Running {
    fn stop(self, deadline: Instant) {
        for service in SERVICE_NAMES {
            self.runtime.block_on(self.health.set_service_status(service, ServingStatus::NotServing));
        }
        self.stopping.send_replace(true);
        // The sender is dropped, never used: an error is what the wait is for.
        let _ = self.served.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        self.runtime.shutdown_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn runtime(workers: usize) -> Result<Runtime, SyncError> {
    let mut builder = Builder::new_multi_thread();
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder
        .thread_name(THREAD_NAME)
        .max_blocking_threads(READER_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| SyncError::Internal(format!("the runtime could not start: {error}")))
}

/// The sync service with health and reflection beside it.
async fn routes(endpoint: SyncEndpoint) -> Result<(HealthReporter, Routes), SyncError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in SERVICE_NAMES {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    let broken = |error| SyncError::Internal(format!("the contract's descriptors are broken: {error}"));
    let routes = Routes::new(endpoint.clone())
        .add_service(ReportEndpoint::service(endpoint.clone()))
        .add_service(UploadEndpoint::service(endpoint))
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(broken)?)
        .add_service(reflection().build_v1alpha().map_err(broken)?);
    Ok((health, routes.prepare()))
}

/// Tells of what is served here, although the contract has more.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(haversack_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(SERVICE_NAME)
        .with_service_name(UPLOAD_SERVICE_NAME)
        .with_service_name(REPORT_SERVICE_NAME)
        .with_service_name(tonic_health::pb::health_server::SERVICE_NAME)
}
