//! A gateway that lives and dies. Devices reach it without a socket; its clock is the world's, more or less.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haversack_gateway::{Clock, Config, Gateway, IssuerConfig};
use haversack_proto::sync::report_service_client::ReportServiceClient;
use haversack_proto::sync::sync_service_client::SyncServiceClient;
use haversack_proto::sync::upload_service_client::UploadServiceClient;
use haversack_proto::sync::{MutationAnswer, ReportRequest, SyncEvent, SyncRequest, UploadRequest, UploadResponse};
use haversack_staging::{LedgerPlace, SqliteStaging};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prost::Message;
use tonic::service::Routes;
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt;

use crate::gate::{Failure, Gate};
use crate::keys::ISSUER;
use crate::views::draw::{key, uuid_text};
use crate::views::organization::USER;

/// When tokens expire: 2100-01-01, seconds since the Unix epoch. No walk comes so far.
const EXPIRES: u64 = 4_102_444_800;

/// Longest that a device waits for anything, in virtual time: no stream is silent for longer than a heartbeat, and
/// none of a gateway's waits is longer than this.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// The organization's name.
pub(crate) const ORGANIZATION: &str = "contoso";

/// The world's clock, in microseconds since the Unix epoch, and by how much a server's differs.
pub(crate) struct SkewedClock {
    pub(crate) world: Arc<AtomicI64>,
    pub(crate) skew: AtomicI64,
}

impl Clock for SkewedClock {
    fn now(&self) -> SystemTime {
        let micros = self.world.load(Ordering::SeqCst) + self.skew.load(Ordering::SeqCst);
        UNIX_EPOCH + Duration::from_micros(micros as u64)
    }
}

/// A gateway of the organization.
pub(crate) struct Server {
    /// Counts up: a server that was started again is another one.
    pub(crate) id: u64,
    pub(crate) clock: Arc<SkewedClock>,
    gateway: Gateway,
    gate: Arc<Gate>,
    services: Routes,
    standing: Option<Standing>,
}

/// What a server's views are exact at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) lsn: u64,
    pub(crate) instant: i64,
    pub(crate) revision: u64,
}

impl Server {
    /// Starts one that has yet to build its index: until it has followed, calls fail.
    pub(crate) async fn start(
        id: u64,
        (staging, queues): (SqliteStaging, bool),
        clock: SkewedClock,
        token: &str,
    ) -> Self {
        let gate = Gate::new(staging);
        let issuer = IssuerConfig {
            issuer: "dev".into(),
            audience: Some("haversack-sync".into()),
            public_key_pem: Some(ISSUER.public.clone()),
            ..IssuerConfig::default()
        };
        let config =
            Config { listen: "127.0.0.1:0".into(), plain_text: true, issuers: vec![issuer], ..Config::default() };
        let clock = Arc::new(clock);
        let gateway = Gateway::with_clock(config, Arc::clone(&clock) as _).unwrap();
        gateway.add_organization(ORGANIZATION, Arc::clone(&gate) as _, queues).unwrap();
        let services = gateway.services().await.unwrap();
        let server = Self { id, clock, gateway, gate, services, standing: None };
        // The first call has the index built.
        let request = SyncRequest { install_id: vec![0; 16].into(), ..SyncRequest::default() };
        let refused = server.sync(token, request).await.unwrap_err();
        assert_eq!(reason(&refused), "SERVER_BEHIND", "{refused:?}");
        server
    }

    /// What its views are exact at; none while its index is being built.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// Lets the follower look at the staging database and the clock once.
    pub(crate) fn follow(&mut self) {
        self.gate.look_once();
        self.look();
    }

    /// Notes what its views are exact at.
    pub(crate) fn look(&mut self) {
        let statistics = self.gateway.statistics();
        let organization = statistics.organizations.iter().find(|it| it.loaded);
        self.standing = organization.map(|it| Standing { lsn: it.lsn, instant: it.instant_us, revision: it.revision });
    }

    /// Has its disk fail once.
    pub(crate) fn fail_once(&self, failure: Failure) {
        self.gate.fail_once(failure);
    }

    /// Its disk fails no more.
    pub(crate) fn mend(&self) {
        self.gate.mend();
    }

    /// Begins a stream.
    pub(crate) async fn sync(&self, token: &str, request: SyncRequest) -> Result<Streaming<SyncEvent>, Status> {
        let mut client = SyncServiceClient::new(self.services.clone()).max_decoding_message_size(16 << 20);
        let call = client.sync(with_token(request, token));
        Ok(in_time(call).await?.into_inner())
    }

    /// Has mutations judged. The follower goes on meanwhile, for the writer waits for it.
    pub(crate) async fn upload(&mut self, token: &str, request: UploadRequest) -> Result<UploadResponse, Status> {
        self.gate.open();
        let mut client = UploadServiceClient::new(self.services.clone());
        let answer = client.upload(with_token(request, token)).await;
        self.gate.close();
        self.follow();
        Ok(answer?.into_inner())
    }

    /// Has a refused mutation judged again.
    pub(crate) async fn retry(&mut self, place: LedgerPlace, forced: bool) -> Option<MutationAnswer> {
        self.gate.open();
        let answer = self.gateway.judge_again(ORGANIZATION, place, forced).await;
        self.gate.close();
        self.follow();
        Some(MutationAnswer::decode(&answer.ok()?[..]).unwrap())
    }

    /// A device says that it has wiped itself.
    pub(crate) async fn report_wiped(&self, token: &str, install: [u8; 16]) -> Result<(), Status> {
        let mut client = ReportServiceClient::new(self.services.clone());
        let request = ReportRequest { install_id: install.to_vec().into(), wiped: true, ..ReportRequest::default() };
        client.report(with_token(request, token)).await.map(drop)
    }

    /// The server says goodbye to its streams, and ends.
    pub(crate) fn stop(&mut self) {
        self.gate.open();
        self.gateway.stop(Duration::ZERO);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for what must come.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SILENCE_MAX, what).await.expect("a stream hangs")
}

/// The reason that a status gives.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// A token of a user.
pub(crate) fn token(user: u32) -> Arc<str> {
    let claims = serde_json::json!({
        "iss": "dev",
        "aud": "haversack-sync",
        "sub": uuid_text(key(USER, user)),
        "org": ORGANIZATION,
        "exp": EXPIRES,
    });
    let key = EncodingKey::from_ed_pem(ISSUER.private.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap().into()
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}
