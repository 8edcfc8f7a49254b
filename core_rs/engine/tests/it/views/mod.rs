//! Views of random organizations: kept up incrementally, computed from nothing, and by reading the definition.

mod access;
mod asking;
mod breaches;
mod calendar;
mod draw;
mod filters;
mod judge;
mod membership;
mod oracle;
mod organization;
mod permissions;
mod scenarios;
mod simulation;
mod smells;
mod world;

use haversack_engine::digest::version_hash;
use haversack_engine::directory::Privilege;
use haversack_engine::engine::{Applied, Asker, Engine, RehearsalError, Subscriber};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, RowKey};
use haversack_engine::view::{RowFacts, View};
use proptest::prelude::*;
use roaring::RoaringBitmap;

use self::access::Access;
use self::draw::{Cell, WORDS, key};
use self::oracle::{Answer, Oracle, alive};
use self::organization::{ACCOUNT, APPS, ITEM_ENTITIES, TEAM, UNIT, USER, USER_NAME, USER_OBJECT, name};
use self::world::World;

/// Users that are asked for: those that there are, and one that there is not.
const USERS: u32 = 6;

/// Kinds of steps that a world takes.
const STEPS: u8 = 27;

/// Everybody, without an application and in one.
fn askers() -> impl Iterator<Item = Asker> {
    let users = (0..USERS).map(|user| RowKey(key(USER, user)));
    users.zip(APPS.iter().cycle()).flat_map(|(user, &app)| [Asker::from(user), Asker { user, app: app.into() }])
}

/// An engine with somebody following every user's view.
struct Followed {
    world: World,
    engine: Engine,
    followers: Vec<(Asker, Subscriber)>,
    seen: Vec<View>,
    /// How many views have been rehearsed before they came true.
    rehearsed: usize,
}

impl Followed {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let mut engine = world.engine();
        world.feed(&mut engine);
        let followers: Vec<_> = askers().map(|asker| (asker.clone(), engine.subscribe(asker))).collect();
        let mut followed = Self { world, engine, followers, seen: Vec::new(), rehearsed: 0 };
        followed.look();
        followed
    }

    /// What a follower sees; what is computed from nothing stands in for a view that is refused.
    fn view(&self, follower: usize) -> View {
        let (asker, subscriber) = &self.followers[follower];
        let view = self.engine.view(*subscriber);
        assert_eq!(view.is_none(), self.engine.refusal(*subscriber).is_some(), "there is a view or a refusal");
        view.cloned().unwrap_or_else(|| self.engine.from_scratch(asker.clone()))
    }

    fn held(&self, follower: usize) -> Held {
        match self.engine.refusal(self.followers[follower].1) {
            Some(refusal) => Err(Answer::Refused(refusal)),
            None => held(&self.view(follower)),
        }
    }

    fn look(&mut self) {
        self.seen = (0..self.followers.len()).map(|follower| self.view(follower)).collect();
    }

    fn step(&mut self, kind: u8) {
        self.check_nothing_changes_before_the_boundary();
        let boundary = self.engine.next_boundary();
        let revision = self.world.model.revision;
        self.world.step(kind, boundary);
        let rehearsed = if self.world.model.revision == revision { None } else { self.rehearse() };
        let applied = self.world.feed(&mut self.engine);
        self.check_rehearsed(rehearsed);
        self.check_touched(&applied);
        self.check_views();
        self.look();
    }

    /// The views that the model would give which the world has published and the engine has not seen, if the engine
    /// can tell.
    fn rehearse(&self) -> Option<Vec<View>> {
        let rehearsal = self.engine.rehearse(&self.world.model);
        match rehearsal {
            Ok(rehearsal) => Some(self.followers.iter().map(|(asker, _)| rehearsal.view(asker.clone())).collect()),
            Err(RehearsalError::Unread(entities)) => {
                assert!(!entities.is_empty());
                None
            }
            Err(error) => panic!("random models are right: {error}"),
        }
    }

    fn check_rehearsed(&mut self, rehearsed: Option<Vec<View>>) {
        for (follower, rehearsed) in rehearsed.into_iter().flatten().enumerate() {
            let view = self.view(follower);
            assert_eq!((&rehearsed.entities, rehearsed.denial), (&view.entities, view.denial), "as rehearsed");
            assert_eq!(rehearsed.revision, view.revision);
            self.rehearsed += 1;
        }
    }

    /// What no step changed is the same until the boundary.
    fn check_nothing_changes_before_the_boundary(&mut self) {
        let Some(boundary) = self.engine.next_boundary() else { return };
        let ahead = boundary.0 - self.world.instant;
        assert!(ahead > 0, "a boundary lies ahead");
        // Most often the last moment before it, and now and then one between.
        let (seed, before) = (self.world.head as i64, boundary.0 - 1);
        let then = if seed % 4 == 0 { self.world.instant + ahead / (2 + seed / 4 % 5) } else { before };
        let now = std::mem::replace(&mut self.world.instant, then.min(before));
        for (follower, (asker, _)) in self.followers.iter().enumerate() {
            assert_eq!(expected(&self.world, asker), self.held(follower), "until the boundary");
        }
        self.world.instant = now;
    }

    fn check_touched(&self, applied: &Applied) {
        for (follower, (_, subscriber)) in self.followers.iter().enumerate() {
            let (old, new) = (&self.seen[follower], &self.view(follower));
            let differs = (&old.entities, old.denial, old.revision) != (&new.entities, new.denial, new.revision);
            assert_eq!(applied.touched.contains(subscriber), differs, "touched is what changed");
        }
        assert!(applied.touched.is_sorted());
    }

    fn check_views(&self) {
        for (follower, (asker, subscriber)) in self.followers.iter().enumerate() {
            let view = self.view(follower);
            assert_eq!(view, self.engine.from_scratch(asker.clone()), "kept up as from scratch");
            assert_eq!(self.held(follower), expected(&self.world, asker), "as defined");
            assert_eq!((view.lsn, view.instant), (Lsn(self.world.head), Instant(self.world.instant)));
            let carried = self.engine.carried(*subscriber);
            assert!(carried.iter().map(|carried| carried.entity).eq(view.entities.iter().map(|part| part.entity)));
            for part in &view.entities {
                let hashes = part.rows.iter().map(|row| version_hash(part.entity, row, self.lsn(part.entity, row)));
                assert_eq!(part.digest, hashes.fold(0, u64::wrapping_add), "the digest is of these rows and versions");
                self.check_changed_since(part.entity, &part.rows);
            }
        }
        (0..USERS).for_each(|user| self.check_rights(RowKey(key(USER, user))));
        self.check_names();
    }

    /// One privilege at each step, on every entity that some profile carries; and whether rows may be made.
    fn check_rights(&self, user: RowKey) {
        let number = self.world.head as usize % Privilege::ALL.len();
        let access = Access::new(&self.world, user.0);
        let items = self.world.model.profiles.iter().flat_map(|profile| &profile.items);
        for entity in ITEM_ENTITIES.into_iter().filter(|it| items.clone().any(|item| item.entity == name(*it))) {
            let expected = access.as_ref().map(|access| access.rows(entity, number as i64 + 1).into_iter().collect());
            let rows = self.engine.accessible(user, EntityNumber(entity), Privilege::ALL[number]);
            assert_eq!(rows, expected.map_err(|denial| *denial), "{:?} on {}", Privilege::ALL[number], name(entity));
        }
        let owner = if self.world.head.is_multiple_of(2) { user.0 } else { key(TEAM, self.world.head as u32 / 2 % 4) };
        for entity in ITEM_ENTITIES {
            let may = self.engine.may_create(user, EntityNumber(entity), RowKey(owner), None);
            assert_eq!(may, access.as_ref().is_ok_and(|access| access.may_create(entity, owner)), "{}", name(entity));
        }
    }

    /// Whom claims name: against the equality of filters, on every user's cells.
    fn check_names(&self) {
        let settings = self.world.model.settings.clone().unwrap_or_default();
        let attribute = match settings.user_attribute.as_str() {
            "domainname" => USER_NAME,
            "azureactivedirectoryobjectid" => USER_OBJECT,
            _ => return,
        };
        let of_words = WORDS.into_iter().chain(["ALPHA", "beta", "CAFE", " alpha", "", "  "]).map(str::to_owned);
        let of_ids = (0..4).flat_map(|number| [draw::uuid_text(key(UNIT, number)), format!("{{{number}}}")]);
        let claims = of_words.map(Cell::Text).chain(of_ids.map(Cell::Text));
        for claim in claims {
            let Cell::Text(text) = &claim else { unreachable!("claims are texts") };
            let named: Vec<RowKey> = alive(&self.world, USER)
                .filter(|(_, cells)| cells.get(&attribute).is_some_and(|cell| judge::names(&settings, cell, text)))
                .map(|(user, _)| RowKey(key(USER, user)))
                .collect();
            assert_eq!(self.engine.users_named(text), named, "{text:?} as {}", settings.user_attribute);
        }
    }

    fn lsn(&self, entity: EntityNumber, row: u32) -> Lsn {
        Lsn(self.world.rows[&entity.0][row as usize].lsn)
    }

    fn check_changed_since(&self, entity: EntityNumber, rows: &RoaringBitmap) {
        for floor in [0, self.world.head / 2, self.world.head - 1, self.world.head] {
            let expected: RoaringBitmap = rows.iter().filter(|&row| self.lsn(entity, row) > Lsn(floor)).collect();
            assert_eq!(self.engine.changed_since(entity, rows, Lsn(floor)), expected);
        }
        assert_eq!(self.engine.allocated(entity) as usize, self.world.rows[&entity.0].len());
    }
}

/// What a view holds, comparable with [`expected`].
type Held = Result<Vec<(u32, Vec<u32>)>, Answer>;

fn held(view: &View) -> Held {
    match view.denial {
        Some(denial) => Err(Answer::Denied(denial)),
        None => Ok(view.entities.iter().map(|part| (part.entity.0, part.rows.iter().collect())).collect()),
    }
}

fn expected(world: &World, asker: &Asker) -> Held {
    let view = Oracle::new(world, asker)?.view();
    Ok(view.into_iter().map(|(entity, rows)| (entity, rows.into_iter().collect())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn views_are_what_their_definition_says_after_every_change(
        seed in any::<u64>(),
        steps in prop::collection::vec(0..STEPS, 1..20),
    ) {
        let mut followed = Followed::new(seed);
        followed.check_views();
        for kind in steps {
            followed.step(kind);
        }
    }
}

#[test]
fn an_engine_loaded_late_says_what_one_that_followed_says() {
    for seed in 0..4 {
        let mut followed = Followed::new(seed);
        (0..STEPS).for_each(|kind| followed.step(kind));
        followed.world.forget_what_was_fed();
        let mut late = followed.world.engine();
        followed.world.feed(&mut late);
        for (asker, _) in &followed.followers {
            assert_eq!(late.from_scratch(asker.clone()), followed.engine.from_scratch(asker.clone()));
        }
        assert_eq!(late.allocated(EntityNumber(ACCOUNT)), followed.engine.allocated(EntityNumber(ACCOUNT)));
    }
}
