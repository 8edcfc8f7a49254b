//! What is asked of the orders.

use std::error::Error;

use haversack_engine::columns::{Needs, Predicate, PredicateKey, Table, WindowKey};
use haversack_engine::filter::{FilterRules, Leaf, LeafTest, Plan, compile};
use haversack_engine::ids::Instant;
use haversack_engine::schema::{Entity, Schema};
use haversack_engine::zone::Zone;
use haversack_proto::model::Settings;
use roaring::RoaringBitmap;
use serde_json::{Value, json};

use crate::orders::NOW;

/// Names, and the conditions that all have to hold.
pub(crate) const CASES: [(&str, &str); 12] = [
    ("choice equality", r#"<condition attribute="statuscode" operator="eq" value="3"/>"#),
    (
        "choice in",
        r#"<condition attribute="statuscode" operator="in"><value>1</value><value>4</value><value>7</value></condition>"#,
    ),
    ("narrow int equality", r#"<condition attribute="rating" operator="eq" value="42"/>"#),
    ("int equality", r#"<condition attribute="quantity" operator="eq" value="4242"/>"#),
    ("int inequality", r#"<condition attribute="quantity" operator="ne" value="4242"/>"#),
    (
        "range",
        r#"<condition attribute="quantity" operator="between"><value>20000</value><value>40000</value></condition>"#,
    ),
    (
        "three-clause and",
        r#"<condition attribute="statuscode" operator="eq" value="3"/>
        <condition attribute="quantity" operator="ge" value="50000"/>
        <condition attribute="modifiedon" operator="last-x-days" value="200"/>"#,
    ),
    ("like, a start", r#"<condition attribute="city" operator="like" value="Aar%"/>"#),
    ("like, within", r#"<condition attribute="city" operator="like" value="%bor%"/>"#),
    ("last 30 days, by the second", r#"<condition attribute="modifiedon" operator="last-x-days" value="30"/>"#),
    ("last 30 days, by the microsecond", r#"<condition attribute="measuredon" operator="last-x-days" value="30"/>"#),
    ("last 30 days, ascending", r#"<condition attribute="createdon" operator="last-x-days" value="30"/>"#),
];

/// A question about orders.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    parts: Vec<Part>,
}

enum Part {
    Test(PredicateKey),
    Window(WindowKey),
}

impl Case {
    /// Compiles a case as a profile's filter, and needs what it tests.
    pub(crate) fn compile(
        (name, conditions): (&'static str, &str),
        schema: &Schema,
        needs: &mut Needs,
    ) -> Result<Self, Box<dyn Error>> {
        let entity = &schema.entities()[0];
        let node = compile(schema, entity, &format!("<filter>{conditions}</filter>"))?;
        let rules = FilterRules::from_settings(&Settings::default());
        let parts = match Plan::from_model(&node, schema, entity, &rules)? {
            Plan::And(plans) => plans,
            plan => vec![plan],
        };
        let parts = parts.into_iter().map(|part| Part::new(part, entity, needs)).collect::<Result<_, _>>()?;
        Ok(Self { name, parts })
    }

    /// What other systems have to know: the name, and the span of each window in microseconds, the end excluded.
    pub(crate) fn tell(&self, table: &Table) -> Value {
        let windows = self.parts.iter().filter_map(|part| part.span(table));
        json!({"name": self.name, "windows": windows.collect::<Vec<_>>()})
    }

    /// The rows that pass, from nothing.
    pub(crate) fn scan(&self, table: &Table) -> RoaringBitmap {
        let rows = self.parts.iter().map(|part| part.scan(table));
        rows.reduce(|left, right| left & right).unwrap_or_default()
    }
}

impl Part {
    fn new(plan: Plan, entity: &Entity, needs: &mut Needs) -> Result<Self, Box<dyn Error>> {
        match plan {
            Plan::Leaf(Leaf { attribute, test: LeafTest::Shared(test) }) => {
                let test = haversack_engine::columns::SharedTest::Fixed(attribute, test);
                needs.predicate(entity, test.clone());
                Ok(Self::Test(PredicateKey { entity: entity.number, test }))
            }
            Plan::Leaf(Leaf { attribute, test: LeafTest::Window(test) }) => {
                needs.window(entity, attribute, test);
                Ok(Self::Window(WindowKey { entity: entity.number, attribute, test }))
            }
            other => Err(format!("no scan answers {other:?}").into()),
        }
    }

    fn scan(&self, table: &Table) -> RoaringBitmap {
        match self {
            Self::Test(key) => {
                let mut predicate = Predicate::new(key.clone());
                predicate.update(table, table.alive())
            }
            Self::Window(key) => key.passing(table, Instant(NOW), &Zone::default()),
        }
    }

    fn span(&self, table: &Table) -> Option<[i64; 2]> {
        let Self::Window(key) = self else { return None };
        let kind = table.column(key.attribute).0;
        let ranges = key.test.ranges(kind, Instant(NOW), Zone::default().rules());
        Some([ranges.first()?.start, ranges.last()?.end])
    }
}
