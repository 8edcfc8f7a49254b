//! FetchXML: from what an administrator writes to a plan that the engine evaluates.
//!
//! [`compile`] reads the text once, at publish, checks it against the metadata and yields the compiled form that is
//! stored in the model. [`Plan::from_model`] loads that form: user language is read in one place, and the meaning of a
//! stored plan never changes. A plan's leaves are either a [`Test`] that does not depend on who asks, and is shared by
//! every profile that states it, or one that the engine resolves for a user or an instant.

mod comparison;
mod compile;
mod condition;
mod describe;
mod document;
mod error;
mod fold;
mod leaf;
mod like;
mod load;
mod operand;
mod operator;
mod plan;
mod range;
mod rules;
mod stored;
mod test;
#[cfg(test)]
mod tests;
mod window;
mod xml;

pub use comparison::ComparisonTest;
pub use compile::{compile, compile_bytes, count_conditions};
pub use describe::describe;
pub(crate) use describe::{clock, day};
pub use document::{CONDITIONS_MAX, FILTER_LEVELS_MAX, LINK_LEVELS_MAX};
pub use error::{FilterError, Place};
pub use fold::fold;
pub use like::PATTERN_BYTES_MAX;
pub use operator::{COUNT_MAX, FISCAL_YEAR_MAX, HOURS_MAX};
pub use plan::{Comparison, HierarchyTest, Holder, Kin, Leaf, LeafTest, Link, Plan, UserTest};
pub use rules::FilterRules;
pub(crate) use test::comparable;
pub use test::{IntegerTest, IntegerValues, Test, real_order};
pub use window::{FiscalCalendar, Moving, WindowTest};
pub use xml::DOCUMENT_BYTES_MAX;
