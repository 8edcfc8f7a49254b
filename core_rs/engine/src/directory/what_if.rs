//! The directory as it would be after changes that nobody has made.

use super::Directory;
use super::changes::Changes;
use super::facts::Facts;
use crate::ids::RowKey;

/// One change of who is who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryChange {
    /// The user belongs to this business unit. Roles and teams stay as they are.
    Unit(RowKey),
    /// The user has this role.
    RoleGiven(RowKey),
    /// The user no longer has this role. What teams hand on stays.
    RoleTaken(RowKey),
    /// The user is a member of this team.
    TeamJoined(RowKey),
    /// The user is no longer a member of this team.
    TeamLeft(RowKey),
    /// The user reports to this user, or to nobody.
    Manager(Option<RowKey>),
}

/// A change that cannot be thought through: it names somebody or something that the directory does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryChangeError {
    /// There is no such user.
    #[error("the directory has no user {0:?}; check the id")]
    UserUnknown(RowKey),
    /// There is no such role.
    #[error("the directory has no role {0:?}; check the id")]
    RoleUnknown(RowKey),
    /// There is no such team.
    #[error("the directory has no team {0:?}; check the id")]
    TeamUnknown(RowKey),
}

impl Directory {
    /// The directory after these changes of users, in this order. A change that says what is so already changes nothing.
    ///
    /// # Errors
    /// A user, role or team is unknown.
    pub fn after(&self, changes: &[(RowKey, DirectoryChange)]) -> Result<Self, DirectoryChangeError> {
        let mut after = self.clone();
        for (number, &(user, change)) in changes.iter().enumerate() {
            after.facts.suppose(user, change, link_row(number), &mut after.changes)?;
        }
        Ok(after)
    }
}

impl Facts {
    /// Takes one change. `link` is the id of a link row that there is not.
    fn suppose(
        &mut self,
        user: RowKey,
        change: DirectoryChange,
        link: RowKey,
        changes: &mut Changes,
    ) -> Result<(), DirectoryChangeError> {
        let known = |user| self.users.contains_key(&user).then_some(()).ok_or(DirectoryChangeError::UserUnknown(user));
        known(user)?;
        match change {
            DirectoryChange::Unit(unit) => {
                let facts = self.users.get_mut(&user).expect("is known");
                facts.unit = Some(unit);
            }
            DirectoryChange::RoleGiven(role) if !self.roles.contains_key(&role) => {
                return Err(DirectoryChangeError::RoleUnknown(role));
            }
            DirectoryChange::RoleGiven(role) => {
                self.user_roles.set(link, Some((user, role)));
            }
            DirectoryChange::RoleTaken(role) => {
                for row in self.user_roles.rows_of(user, role) {
                    self.user_roles.set(row, None);
                }
            }
            DirectoryChange::TeamJoined(team) if !self.teams.contains_key(&team) => {
                return Err(DirectoryChangeError::TeamUnknown(team));
            }
            DirectoryChange::TeamJoined(team) => self.set_membership(link, Some((user, team)), changes),
            DirectoryChange::TeamLeft(team) => {
                for row in self.memberships.rows_of(user, team) {
                    self.set_membership(row, None, changes);
                }
            }
            DirectoryChange::Manager(manager) => {
                manager.map_or(Ok(()), known)?;
                self.managers.set(user, manager);
            }
        }
        Ok(())
    }
}

/// The id of a link row that stands for a change: no UUID has this form.
fn link_row(number: usize) -> RowKey {
    let mut key = *b"what if\0\0\0\0\0\0\0\0\0";
    key[8..].copy_from_slice(&(number as u64).to_be_bytes());
    RowKey(key)
}
