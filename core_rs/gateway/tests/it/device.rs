//! A stage with a running gateway, and devices that sync with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haversack_gateway::{Clock, Config, Gateway, SystemClock};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::sync_service_client::SyncServiceClient;
use haversack_proto::sync::{Compression, SyncEvent, SyncMode, SyncRequest};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt;

use crate::replica::Replica;
use crate::tokens::{issuer, token};
use crate::world::World;

/// Longest that a test waits for an event which must come.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// A gateway that serves a world, and a runtime for its clients.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    clients: Runtime,
}

impl Stage {
    pub(crate) fn new(world: World) -> Self {
        Self::with(world, &Config::default())
    }

    /// Starts a gateway with the issuer of the tests on a free port.
    pub(crate) fn with(world: World, config: &Config) -> Self {
        Self::with_clock(world, config, Arc::new(SystemClock))
    }

    /// The same with a clock of the test's.
    pub(crate) fn with_clock(world: World, config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self::serving(world, config, clock, false)
    }

    /// A stage of an organization whose rows are a source's outside.
    pub(crate) fn queueing(world: World) -> Self {
        Self::queueing_with(world, &Config::default())
    }

    /// The same, otherwise configured.
    pub(crate) fn queueing_with(world: World, config: &Config) -> Self {
        Self::serving(world, config, Arc::new(SystemClock), true)
    }

    fn serving(world: World, config: &Config, clock: Arc<dyn Clock>, queues_writes: bool) -> Self {
        let config = Config {
            listen: "127.0.0.1:0".into(),
            plain_text: true,
            issuers: vec![issuer()],
            workers: 2,
            ..config.clone()
        };
        let gateway = Gateway::with_clock(config, clock).unwrap();
        gateway.add_organization("contoso", Arc::clone(&world.staging) as _, queues_writes).unwrap();
        let address = gateway.start().unwrap();
        Self { world, gateway, address, clients: Runtime::new().unwrap() }
    }

    /// A second gateway with a database of its own handle, as another process would have.
    pub(crate) fn beside(other: &Self, clock: Arc<dyn Clock>) -> Self {
        Self::with_clock(World::restored(&other.world.path()), &Config::default(), clock)
    }

    /// Where devices connect.
    pub(crate) fn door(&self) -> Door {
        Door { address: self.address }
    }

    /// Runs what clients do. The gateway is stopped outside of it.
    pub(crate) fn run<T>(&mut self, test: impl AsyncFnOnce(&mut World, &Door) -> T) -> T {
        let door = self.door();
        self.clients.block_on(test(&mut self.world, &door))
    }

    /// Waits for something that a client does.
    pub(crate) fn clients_block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.clients.block_on(what)
    }
}

/// Where devices connect.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
}

impl Door {
    /// A new device of a user of "contoso".
    pub(crate) async fn device(&self, user: u32) -> Device {
        self.device_with(token(user)).await
    }

    /// A new device with this token.
    pub(crate) async fn device_with(&self, token: String) -> Device {
        let channel = self.channel().await;
        let install = *uuid::Uuid::new_v4().as_bytes();
        Device {
            replica: Replica::new(install),
            contents: BTreeMap::new(),
            accept: Vec::new(),
            app: String::new(),
            token,
            channel,
        }
    }

    /// A new connection.
    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }
}

/// A device with its rows' contents.
pub(crate) struct Device {
    pub(crate) replica: Replica,
    /// By entity and ordinal: the payload.
    pub(crate) contents: BTreeMap<(u32, u32), Bytes>,
    pub(crate) accept: Vec<Compression>,
    pub(crate) app: String,
    pub(crate) token: String,
    channel: Channel,
}

/// A call's events as they come.
pub(crate) type Events = Streaming<SyncEvent>;

impl Device {
    /// Calls with what the device holds.
    pub(crate) async fn call(&self, mode: SyncMode) -> Result<Events, Status> {
        self.call_with(SyncRequest { app: self.app.clone(), ..self.replica.request(mode, &self.accept) }).await
    }

    /// Calls with a request of the test's.
    pub(crate) async fn call_with(&self, request: SyncRequest) -> Result<Events, Status> {
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        let mut client = SyncServiceClient::new(self.channel.clone()).max_decoding_message_size(16 * 1024 * 1024);
        Ok(client.sync(request).await?.into_inner())
    }

    /// Calls another server from now on.
    pub(crate) async fn move_to(&mut self, door: &Door) {
        self.channel = door.channel().await;
    }

    /// One ONCE call to its end.
    pub(crate) async fn sync(&mut self) -> Result<(), Status> {
        let mut events = self.call(SyncMode::Once).await?;
        while let Some(event) = next(&mut events).await? {
            self.apply(&event);
        }
        Ok(())
    }

    /// Applies the events of a live call up to its next verified checkpoint.
    pub(crate) async fn reach(&mut self, events: &mut Events) -> Result<(), Status> {
        loop {
            let event = next(events).await?.expect("a live stream does not end well");
            self.apply(&event);
            if matches!(event.event, Some(Event::Checkpoint(_))) {
                assert_eq!(self.replica.mismatches, [], "the device is not what the server says");
                return Ok(());
            }
        }
    }

    /// Applies one event.
    pub(crate) fn apply(&mut self, event: &SyncEvent) {
        let contents = &mut self.contents;
        let take = |entity, ordinal, payload| drop(contents.insert((entity, ordinal), payload));
        self.replica.apply(event, take).unwrap();
    }

    /// How many rows of an entity it holds.
    pub(crate) fn count(&self, entity: haversack_engine::ids::EntityNumber) -> usize {
        self.replica.rows(entity.0).count()
    }
}

/// The next event, which must come soon.
pub(crate) async fn next(events: &mut Events) -> Result<Option<SyncEvent>, Status> {
    tokio::time::timeout(EVENT_WAIT_MAX, events.message()).await.expect("an event should have come")
}

/// What a status says beside its reason.
pub(crate) fn metadata(status: &Status) -> Vec<(String, String)> {
    status.get_error_details().error_info().map(|info| info.metadata.clone()).into_iter().flatten().collect()
}

/// The reason that a status gives.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}
