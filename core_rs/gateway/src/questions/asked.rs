//! What requests say, read and checked.

use haversack_engine::directory::DirectoryChange;
use haversack_engine::engine::ask::Inquiry;
use haversack_engine::ids::{EntityNumber, RowKey};
use haversack_engine::row::{parse_id, parse_uuid, row_key};
use haversack_proto::admin;
use haversack_proto::admin::directory_change::Change;
use prost::Message;

use crate::errors::SyncError;
use crate::limits::DIRECTORY_CHANGES_MAX;

/// Reads a request.
pub(super) fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, SyncError> {
    M::decode(bytes).map_err(|error| SyncError::RequestInvalid(format!("the request cannot be read: {error}")))
}

/// The id of a row of the directory. `what` says whose.
pub(super) fn uuid(text: &str, what: &str) -> Result<RowKey, SyncError> {
    let wrong =
        || SyncError::RequestInvalid(format!("{what} is {text:?}, which is no UUID; copy it from the directory"));
    parse_uuid(text).map(RowKey).ok_or_else(wrong)
}

/// The id of a row of any entity.
pub(super) fn row(text: &str) -> Result<RowKey, SyncError> {
    let wrong = || SyncError::RequestInvalid(format!("{text:?} is no id of a row; give a UUID, or the source's key"));
    parse_id(text).as_ref().and_then(row_key).ok_or_else(wrong)
}

/// An entity by its logical name.
pub(super) fn entity(inquiry: &Inquiry<'_>, name: &str) -> Result<EntityNumber, SyncError> {
    let found = inquiry.schema().and_then(|schema| schema.entity(name));
    found.map(|entity| entity.number).ok_or_else(|| SyncError::EntityUnknown(name.to_owned()))
}

/// The same question about one profile alone. Fails unless there is one of this name.
pub(super) fn about<'e>(inquiry: &Inquiry<'e>, profile: &str) -> Result<Inquiry<'e>, SyncError> {
    inquiry.about(profile).ok_or_else(|| SyncError::ProfileUnknown(profile.to_owned()))
}

/// Which part of a list is told: its first place and its length. 0 asks for `default`.
pub(super) fn page<T>(list: &[T], offset: u32, count: u32, default: usize, most: usize) -> &[T] {
    let count = if count == 0 { default } else { (count as usize).min(most) };
    let start = (offset as usize).min(list.len());
    &list[start..list.len().min(start + count)]
}

/// Changes of the directory, with the users whom they are about.
pub(super) fn changes(changes: &[admin::DirectoryChange]) -> Result<Vec<(RowKey, DirectoryChange)>, SyncError> {
    if changes.len() > DIRECTORY_CHANGES_MAX {
        let problem = format!("{} changes of the directory are more than {DIRECTORY_CHANGES_MAX}", changes.len());
        return Err(SyncError::RequestInvalid(problem));
    }
    changes.iter().map(|it| Ok((uuid(&it.user, "the user of a change")?, change(it)?))).collect()
}

fn change(change: &admin::DirectoryChange) -> Result<DirectoryChange, SyncError> {
    Ok(match &change.change {
        Some(Change::BusinessUnit(unit)) => DirectoryChange::Unit(uuid(unit, "the business unit")?),
        Some(Change::RoleGiven(role)) => DirectoryChange::RoleGiven(uuid(role, "the role")?),
        Some(Change::RoleTaken(role)) => DirectoryChange::RoleTaken(uuid(role, "the role")?),
        Some(Change::TeamJoined(team)) => DirectoryChange::TeamJoined(uuid(team, "the team")?),
        Some(Change::TeamLeft(team)) => DirectoryChange::TeamLeft(uuid(team, "the team")?),
        Some(Change::Manager(manager)) if manager.is_empty() => DirectoryChange::Manager(None),
        Some(Change::Manager(manager)) => DirectoryChange::Manager(Some(uuid(manager, "the manager")?)),
        None => return Err(SyncError::RequestInvalid(format!("nothing is supposed of user {}", change.user))),
    })
}
