//! Whose device it is: what a device must know of its user to answer filters by itself.

use haversack_proto::sync::User;
use prost::Message;
use prost::bytes::Bytes;

use super::asker::Asker;
use super::fingerprint::hash;
use super::inputs::Standing;
use super::situation::Situation;
use crate::ids::RowKey;
use crate::zone::Zone;

/// Who the user of a device is, and by which rules the organization compares. Views are shared by users who may see the
/// same; this is each user's own, and no view depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceUser {
    user: User,
    fingerprint: u64,
}

impl DeviceUser {
    fn new(user: User) -> Self {
        let fingerprint = hash(user.encode_to_vec());
        Self { user, fingerprint }
    }

    /// What devices are told; all but the name, which a token states.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Hash of what devices are told. Part of the protocol, as the version of a model rests on it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl Situation<'_> {
    /// Whose device somebody's is who stands there; nobody's without a view.
    pub(super) fn device_user(&self, asker: &Asker, standing: &Standing) -> Option<DeviceUser> {
        standing.inputs()?;
        let model = self.model?;
        let person = self.directory.person(asker.user, &model.layout.hierarchy).ok()?;
        let zone = person.zone.as_deref().and_then(Zone::named).unwrap_or_else(|| model.zone().clone());
        let rules = model.filters().rules;
        let id = |key: RowKey| Bytes::copy_from_slice(&key.0);
        Some(DeviceUser::new(User {
            id: id(person.user),
            name: String::new(),
            name_attribute: self.directory.user_attribute().into(),
            business_unit: person.unit.map(id).unwrap_or_default(),
            teams: person.teams.into_iter().map(id).collect(),
            language: person.language.unwrap_or_default(),
            time_zone: zone.name().into(),
            collation: rules.collation.into(),
            null_never_matches: rules.null_never_matches,
            week_start: rules.week_start.into(),
            fiscal: Some(rules.fiscal.stated()),
        }))
    }
}
