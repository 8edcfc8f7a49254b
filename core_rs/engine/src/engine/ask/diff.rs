//! What a change does to views.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Amount, Inquiry, Moment};
use crate::engine::inputs::Standing;
use crate::ids::{EntityNumber, RowKey};
use crate::view::{Denial, EntityView};

/// What a view gains and loses of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityDiff {
    /// The entity.
    pub entity: EntityNumber,
    /// What comes.
    pub gained: Amount,
    /// What goes.
    pub lost: Amount,
    /// Ids of some rows that come, by ordinal.
    pub gained_sample: Vec<RowKey>,
    /// Ids of some rows that go, by ordinal.
    pub lost_sample: Vec<RowKey>,
}

/// What a user's view gains and loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDiff {
    /// The user.
    pub user: RowKey,
    /// Why there is nothing before, if the user must be told.
    pub denial_before: Option<Denial>,
    /// Why there is nothing after, if the user must be told.
    pub denial_after: Option<Denial>,
    /// Entities of which rows come or go, by number; shared by users to whom the same happens.
    pub entities: Arc<[EntityDiff]>,
}

impl UserDiff {
    /// Whether the user sees no difference.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.denial_before == self.denial_after
    }

    /// All that comes.
    pub fn gained(&self) -> Amount {
        self.entities.iter().map(|entity| entity.gained).sum()
    }

    /// All that goes.
    pub fn lost(&self) -> Amount {
        self.entities.iter().map(|entity| entity.lost).sum()
    }
}

/// Compares two inquiries for one user after the other.
#[derive(Debug)]
pub struct Differ {
    sample_max: usize,
    moments: Option<[Moment; 2]>,
    known: HashMap<[Vec<Standing>; 2], Arc<[EntityDiff]>>,
}

impl Differ {
    /// Names up to `sample_max` rows that come, and as many that go, of each entity.
    pub fn new(sample_max: usize) -> Self {
        Self { sample_max, moments: None, known: HashMap::new() }
    }

    /// What a user's view has more and less in `after` than in `before`. If applications give the user several views,
    /// it is about what they have together. Both read rows of one staging database; a
    /// differ is for one pair of models and directories, and may ask at other moments.
    pub fn diff(&mut self, before: &Inquiry<'_>, after: &Inquiry<'_>, user: RowKey) -> UserDiff {
        let moments = Some([before.moment(), after.moment()]);
        if self.moments != moments {
            self.moments = moments;
            self.known.clear();
        }
        let pair = [before.standings(user), after.standings(user)];
        let entities = match self.known.get(&pair) {
            Some(entities) => Arc::clone(entities),
            None => self.compare([before, after], &pair),
        };
        let diff = UserDiff {
            user,
            denial_before: pair[0].iter().find_map(Standing::denial),
            denial_after: pair[1].iter().find_map(Standing::denial),
            entities: Arc::clone(&entities),
        };
        self.known.entry(pair).or_insert(entities);
        diff
    }

    fn compare(&self, inquiries: [&Inquiry<'_>; 2], pair: &[Vec<Standing>; 2]) -> Arc<[EntityDiff]> {
        let [before, after] = [rows(inquiries[0], &pair[0]), rows(inquiries[1], &pair[1])];
        let mut entities: Vec<EntityNumber> = before.iter().chain(&after).map(|view| view.entity).collect();
        entities.sort_unstable();
        entities.dedup();
        let diffs = entities.into_iter().map(|entity| {
            let [before, after] = [&before, &after].map(|views| rows_of(views, entity));
            let (gained, lost) = (&after - &before, &before - &after);
            EntityDiff {
                entity,
                gained: amount(inquiries[1], entity, &gained),
                lost: amount(inquiries[0], entity, &lost),
                gained_sample: inquiries[1].sample(entity, &gained, self.sample_max),
                lost_sample: inquiries[0].sample(entity, &lost, self.sample_max),
            }
        });
        diffs.filter(|diff| diff.gained.rows + diff.lost.rows > 0).collect()
    }
}

fn rows(inquiry: &Inquiry<'_>, standings: &[Standing]) -> Vec<EntityView> {
    standings.iter().filter_map(Standing::inputs).flat_map(|inputs| inquiry.situation.rows(inputs)).collect()
}

fn rows_of(views: &[EntityView], entity: EntityNumber) -> RoaringBitmap {
    let rows = views.iter().filter(|view| view.entity == entity).map(|view| &*view.rows);
    rows.fold(RoaringBitmap::new(), |all, rows| all | rows)
}

fn amount(inquiry: &Inquiry<'_>, entity: EntityNumber, rows: &RoaringBitmap) -> Amount {
    let table = inquiry.situation.index.table_of(entity);
    Amount { rows: rows.len(), bytes: table.map_or(0, |table| table.sizes(rows)) }
}
