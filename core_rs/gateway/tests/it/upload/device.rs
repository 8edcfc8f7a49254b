//! A device's outbox as a test keeps it.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::row::{RowWriter, Value};
use haversack_proto::error::ErrorReason;
use haversack_proto::sync::upload_service_client::UploadServiceClient;
use haversack_proto::sync::{Mutation, MutationAnswer, MutationKind, MutationOutcome, Position, UploadRequest};
use prost::Message;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::device::Door;
use crate::tokens::token;
use crate::world::{ACCOUNT, account_id};

/// A device that writes.
pub(crate) struct Outbox {
    pub(crate) install: [u8; 16],
    pub(crate) token: String,
    number: AtomicU64,
    channel: Channel,
}

/// Values of a row by their fields.
pub(crate) type Fields<'v> = [(u32, Value<'v>)];

impl Outbox {
    pub(crate) async fn of(door: &Door, user: u32) -> Self {
        let install = *uuid::Uuid::new_v4().as_bytes();
        Self { install, token: token(user), number: AtomicU64::new(0), channel: door.channel().await }
    }

    /// The next mutation of an account.
    pub(crate) fn next(&self, kind: MutationKind, account: u32) -> Mutation {
        self.next_of(ACCOUNT, kind, account_id(account))
    }

    /// The next mutation of a row.
    pub(crate) fn next_of(&self, entity: EntityNumber, kind: MutationKind, id: [u8; 16]) -> Mutation {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let id = Bytes::copy_from_slice(&id);
        Mutation { number, entity: entity.0, id, kind: kind.into(), ..Mutation::default() }
    }

    pub(crate) fn create(&self, account: u32, values: &Fields<'_>) -> Mutation {
        self.next(MutationKind::Create, account).setting(values)
    }

    pub(crate) fn update(&self, account: u32, values: &Fields<'_>) -> Mutation {
        self.next(MutationKind::Update, account).setting(values)
    }

    pub(crate) fn delete(&self, account: u32) -> Mutation {
        self.next(MutationKind::Delete, account)
    }

    /// Sends mutations in one call.
    pub(crate) async fn send(&self, mutations: &[Mutation]) -> Result<Vec<MutationAnswer>, Status> {
        self.send_bytes(mutations.iter().map(|mutation| mutation.encode_to_vec().into()).collect()).await
    }

    /// Sends serialized mutations.
    pub(crate) async fn send_bytes(&self, mutations: Vec<Bytes>) -> Result<Vec<MutationAnswer>, Status> {
        let install_id = Bytes::copy_from_slice(&self.install);
        self.call(UploadRequest { install_id, mutations, ..UploadRequest::default() }).await
    }

    /// Calls with a request of the test's.
    pub(crate) async fn call(&self, request: UploadRequest) -> Result<Vec<MutationAnswer>, Status> {
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        let mut client = UploadServiceClient::new(self.channel.clone());
        Ok(client.upload(request).await?.into_inner().answers)
    }

    /// Sends one mutation, which must be answered.
    pub(crate) async fn send_one(&self, mutation: &Mutation) -> MutationAnswer {
        let answers = self.send(std::slice::from_ref(mutation)).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.into_iter().next().unwrap()
    }

    /// Sends one mutation, which must be applied.
    pub(crate) async fn apply(&self, mutation: &Mutation) -> MutationAnswer {
        let answer = self.send_one(mutation).await;
        assert_eq!(answer.outcome(), MutationOutcome::Applied, "{}", answer.message);
        answer
    }

    /// Sends one mutation, which must be refused for this reason; returns the answer.
    pub(crate) async fn refused(
        &self,
        mutation: &Mutation,
        outcome: MutationOutcome,
        reason: ErrorReason,
    ) -> MutationAnswer {
        let answer = self.send_one(mutation).await;
        assert_eq!((answer.outcome(), answer.reason()), (outcome, reason), "{}", answer.message);
        assert!(!answer.message.is_empty() && answer.lsn == 0);
        answer
    }
}

/// What a test says of a mutation.
pub(crate) trait Setting {
    /// Changes fields; one without a value is listed by [`Self::clearing`].
    fn setting(self, values: &Fields<'_>) -> Self;
    /// Makes fields NULL.
    fn clearing(self, fields: &[u32]) -> Self;
    /// The device saw these values.
    fn seeing(self, values: &Fields<'_>) -> Self;
    /// It means nothing without an earlier one.
    fn after(self, number: u64) -> Self;
    /// It was based on this version of its row, by a device that had come to this position.
    fn based_on(self, lsn: u64, seen: Position) -> Self;
}

impl Setting for Mutation {
    fn setting(mut self, values: &Fields<'_>) -> Self {
        self.values = payload(values).into();
        self.changed = values.iter().map(|(number, _)| *number).collect();
        self
    }

    fn clearing(mut self, fields: &[u32]) -> Self {
        self.changed.extend(fields);
        self.changed.sort_unstable();
        self
    }

    fn seeing(mut self, values: &Fields<'_>) -> Self {
        self.old_values = payload(values).into();
        self
    }

    fn after(mut self, number: u64) -> Self {
        self.depends_on.push(number);
        self
    }

    fn based_on(mut self, lsn: u64, seen: Position) -> Self {
        (self.base_lsn, self.seen) = (lsn, Some(seen));
        self
    }
}

/// A row message of these values.
pub(crate) fn payload(values: &Fields<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out);
    for (number, value) in values {
        writer.push(AttributeNumber(*number), value);
    }
    writer.finish();
    out
}
