//! A call's mutations, read and within bounds.

use std::sync::Arc;

use bytes::Bytes;
use haversack_engine::engine::Asker;
use haversack_engine::engine::mutation::row_id;
use haversack_engine::ids::RowKey;
use haversack_engine::row::Value;
use haversack_proto::sync::{Mutation, MutationKind, UploadRequest};
use haversack_staging::queue::Repeat;
use haversack_staging::{INSTALL_ID_BYTES, MutationHash, Origin, RowId};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::errors::{Blamed, SyncError};
use crate::limits::{CHANGED_FIELDS_MAX, DEPENDENCIES_MAX, UPLOAD_BYTES_MAX, UPLOAD_MUTATIONS_MAX, WITHDRAWN_MAX};
use crate::organization::NOBODY;
use crate::service::{check_lengths, install_id};

/// What a device sends at once.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) install: [u8; INSTALL_ID_BYTES],
    /// What the token names the user by.
    pub(super) name: Arc<str>,
    /// Who writes; nobody until the directory was asked who has the name.
    pub(super) asker: Asker,
    /// Why none of the mutations is taken, but all are recorded as refused: the device is to be wiped.
    pub(super) wiped: Option<Box<str>>,
    /// Whose outbox it is, if the device knows.
    pub(super) owner: Option<RowKey>,
    /// Whether nothing is taken, and only what the ledger has is answered.
    pub(super) known_only: bool,
    pub(super) mutations: Vec<Sent>,
    /// Numbers of earlier ones that the user has given up or written anew.
    pub(super) withdrawn: Vec<u64>,
    /// Bytes of the mutations.
    pub(super) bytes: usize,
}

/// A mutation as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) mutation: Mutation,
    pub(super) id: RowId,
    pub(super) bytes: Bytes,
    /// By which the ledger knows it: that of the bytes that were sent first.
    pub(super) hash: MutationHash,
    /// Whether it was sent before.
    pub(super) repeat: Repeat,
}

impl Call {
    /// Reads a request.
    ///
    /// # Errors
    /// If it breaks its contract.
    pub(super) fn read(request: UploadRequest, name: Arc<str>) -> Result<Self, SyncError> {
        check_lengths(&request.client, &request.app)?;
        let asker = Asker { user: NOBODY, app: request.app.as_str().into() };
        let install = install_id(&request.install_id)?;
        let owner = owner(&request.user)?;
        let count = request.mutations.len();
        if count > UPLOAD_MUTATIONS_MAX {
            return Err(invalid(format!("a call takes {UPLOAD_MUTATIONS_MAX} mutations, and this has {count}")));
        }
        if count == 0 && request.withdrawn.is_empty() {
            return Err(invalid("a call has to have mutations, or to withdraw some".into()));
        }
        let bytes = request.mutations.iter().map(Bytes::len).sum();
        if bytes > UPLOAD_BYTES_MAX {
            return Err(invalid(format!("the mutations have {bytes} bytes; a call takes {UPLOAD_BYTES_MAX}")));
        }
        let mut mutations: Vec<Sent> = request
            .mutations
            .into_iter()
            .enumerate()
            .map(|(at, bytes)| Sent::read_at(at, bytes))
            .collect::<Result<_, _>>()?;
        if !mutations.is_sorted_by(|one, next| one.mutation.number < next.mutation.number) {
            return Err(invalid("mutations must ascend by number".into()));
        }
        check_withdrawn(&request.withdrawn, &mutations)?;
        for (numbers, repeat) in [(&request.sent_before, Repeat::Sent), (&request.taken_before, Repeat::Taken)] {
            for &number in numbers {
                let sent = sent_of(&mut mutations, number).filter(|sent| sent.repeat < repeat);
                sent.ok_or_else(|| foreign("sent_before or taken_before", number))?.repeat = repeat;
            }
        }
        for shortened in &request.shortened {
            let hash = shortened.hash[..].try_into().map_err(|_| invalid("a hash has 16 bytes".into()))?;
            let sent = sent_of(&mut mutations, shortened.number).filter(|sent| sent.repeat != Repeat::No);
            sent.ok_or_else(|| foreign("shortened", shortened.number))?.hash = hash;
        }
        let (withdrawn, known_only) = (request.withdrawn, request.known_only);
        Ok(Self { install, name, asker, wiped: None, owner, known_only, mutations, withdrawn, bytes })
    }

    /// Whose mutation it is.
    pub(super) fn origin(&self, number: u64) -> Origin {
        Origin { install: self.install, user: self.asker.user.0, number }
    }
}

impl Sent {
    /// Reads a serialized mutation.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn read(bytes: Bytes) -> Result<Self, SyncError> {
        Self::read_at(0, bytes)
    }

    /// Reads the mutation at a place of its call.
    fn read_at(index: usize, bytes: Bytes) -> Result<Self, SyncError> {
        let nameless = |message| SyncError::MutationInvalid { blamed: Blamed::Index(index), message };
        let damaged = |error| nameless(format!("mutation at {index} of the call cannot be read: {error}"));
        let mutation = Mutation::decode(bytes.clone()).map_err(damaged)?;
        let number = mutation.number;
        if number == 0 || i64::try_from(number).is_err() {
            return Err(nameless("a mutation needs a number from 1 to 2^63 - 1".into()));
        }
        let invalid = |message| SyncError::MutationInvalid { blamed: Blamed::Number(number), message };
        if mutation.kind() == MutationKind::Unspecified {
            return Err(invalid(format!("mutation {number} does not say what it does")));
        }
        if mutation.changed.len() > CHANGED_FIELDS_MAX || !mutation.changed.is_sorted_by(|one, next| one < next) {
            return Err(invalid(format!(
                "mutation {number}: changed fields must ascend, at most {CHANGED_FIELDS_MAX}"
            )));
        }
        if mutation.depends_on.len() > DEPENDENCIES_MAX || mutation.depends_on.iter().any(|&other| other >= number) {
            return Err(invalid(format!(
                "mutation {number} can depend on at most {DEPENDENCIES_MAX} others, of lower numbers"
            )));
        }
        let id = row_id(&mutation.id).map(stored_id);
        let id = id.ok_or_else(|| invalid(format!("mutation {number}: the id is neither 16 bytes nor short text")))?;
        let digest = Sha256::digest(&bytes);
        let (hash, _) = digest.split_first_chunk().expect("a SHA-256 digest has 32 bytes");
        Ok(Self { hash: *hash, mutation, id, bytes, repeat: Repeat::No })
    }
}

/// Whose outbox a request says it is; none if it does not say.
fn owner(user: &[u8]) -> Result<Option<RowKey>, SyncError> {
    if user.is_empty() {
        return Ok(None);
    }
    let key = user.try_into().map_err(|_| invalid("user must be the 16 bytes that a stream has told".into()))?;
    Ok(Some(RowKey(key)))
}

/// Makes sure that what a call withdraws are other mutations, within bounds.
fn check_withdrawn(numbers: &[u64], mutations: &[Sent]) -> Result<(), SyncError> {
    if numbers.len() > WITHDRAWN_MAX {
        let count = numbers.len();
        return Err(invalid(format!("a call withdraws at most {WITHDRAWN_MAX} mutations, and this {count}")));
    }
    let is_number = |number: &u64| *number > 0 && i64::try_from(*number).is_ok();
    if !numbers.is_sorted_by(|one, next| one < next) || !numbers.iter().all(is_number) {
        return Err(invalid("what is withdrawn must ascend, from 1 to 2^63 - 1".into()));
    }
    match mutations.iter().find(|sent| numbers.binary_search(&sent.mutation.number).is_ok()) {
        Some(sent) => Err(invalid(format!("mutation {} is sent and withdrawn at once", sent.mutation.number))),
        None => Ok(()),
    }
}

/// An id as staging keeps it.
pub(super) fn stored_id(id: Value<'_>) -> RowId {
    match id {
        Value::Id(uuid) => RowId::Uuid(uuid),
        Value::IdText(text) => RowId::Text(text.into()),
        other => unreachable!("{other:?} is no id"),
    }
}

/// The mutation of a number; `mutations` ascend.
fn sent_of(mutations: &mut [Sent], number: u64) -> Option<&mut Sent> {
    let at = mutations.binary_search_by_key(&number, |sent| sent.mutation.number).ok()?;
    mutations.get_mut(at)
}

fn foreign(list: &str, number: u64) -> SyncError {
    invalid(format!("{number} is twice in {list}, or of no mutation that may be there"))
}

fn invalid(message: String) -> SyncError {
    SyncError::RequestInvalid(message)
}
