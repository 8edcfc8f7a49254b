//! Everything that a view is a function of: a model, the directory, rows, and an instant.

use std::sync::Arc;

use super::asker::{Admission, Asker};
use super::inputs::{Inputs, Standing};
use super::membership::Scope;
use super::model::PreparedModel;
use super::profile::{Carried, Profile};
use super::solver::Solver;
use crate::columns::Reading;
use crate::digest::version_hash;
use crate::directory::Directory;
use crate::ids::{Instant, Lsn, Revision, RowKey};
use crate::view::{Denial, EntityView, Refusal, View};

/// Where views can be worked out from nothing: that of an engine, or one that is only tried out on its rows.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) model: Option<&'a PreparedModel>,
    pub(super) directory: &'a Directory,
    pub(super) index: Reading<'a>,
    pub(super) head: Lsn,
    pub(super) instant: Instant,
    pub(super) admission: Admission,
}

impl<'a> Situation<'a> {
    /// Where somebody who asks stands.
    pub(super) fn standing(&self, asker: &Asker) -> Standing {
        let app = |app| self.model.and_then(|model| model.membership.app(app));
        match (&*asker.app, app(&asker.app)) {
            ("", _) => self.standing_in(asker.user, Scope::Everything),
            (_, None) => Standing::Refused(Refusal::AppUnknown),
            (_, Some(app)) if !app.offline => Standing::Refused(Refusal::AppNotEnabled),
            (_, Some(app)) => self.standing_in(asker.user, Scope::App(app)),
        }
    }

    /// Where a user stands as to a profile of this scope.
    pub(super) fn standing_in(&self, user: RowKey, scope: Scope<'_>) -> Standing {
        match self.model {
            Some(model) => Standing::of(user, scope, model, self.directory, self.admission),
            None => Standing::Denied(Denial::ProfileMissing),
        }
    }

    /// The view of a standing; without rows if it is refused, which says nothing of what a device should hold.
    pub(super) fn view(&self, standing: &Standing) -> View {
        let revision = self.model.map_or(Revision(0), PreparedModel::revision);
        let mut view = View { lsn: self.head, revision, instant: self.instant, ..View::default() };
        match standing {
            Standing::Denied(denial) => view.denial = Some(*denial),
            Standing::Refused(_) => {}
            Standing::Follows(inputs) => view.entities = self.entities(inputs),
        }
        view
    }

    /// What works a view out.
    pub(super) fn solver<'b>(&self, inputs: &'b Inputs) -> Solver<'b>
    where
        'a: 'b,
    {
        Solver { index: self.index, shares: self.directory.shares(), profile: self.profile(inputs), inputs }
    }

    /// The profile of a standing that follows one.
    pub(super) fn profile(&self, inputs: &Inputs) -> &'a Profile {
        self.model.expect("inputs come from a model").profile(inputs.profile)
    }

    fn entities(&self, inputs: &Inputs) -> Vec<EntityView> {
        let mut entities = self.rows(inputs);
        let solver = self.solver(inputs);
        for (node, view) in entities.iter_mut().enumerate() {
            let hash = |row| version_hash(view.entity, row, solver.table(node).lsn(row));
            view.digest = view.rows.iter().fold(0, |sum, row| sum.wrapping_add(hash(row)));
        }
        entities
    }

    /// The rows of the view of these inputs, by node of the profile, without digests.
    pub(super) fn rows(&self, inputs: &Inputs) -> Vec<EntityView> {
        let mut entities = self.empty(inputs);
        self.solver(inputs).solve(&mut entities);
        entities
    }

    /// A view of these inputs that nothing has been put into.
    pub(super) fn empty(&self, inputs: &Inputs) -> Vec<EntityView> {
        let empty = |carried: &Carried| EntityView {
            entity: carried.entity,
            rows: Arc::default(),
            digest: 0,
            fingerprint: carried.fingerprint,
            delta: None,
        };
        self.profile(inputs).carried.iter().map(empty).collect()
    }
}
