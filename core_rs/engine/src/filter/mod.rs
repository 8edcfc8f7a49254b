//! FetchXML: from what an administrator writes to a plan that the engine evaluates.
//!
//! [`compile`] reads the text once, at publish, checks it against the metadata and yields the compiled form that is
//! stored in the model. [`Plan::from_model`] loads that form: user language is read in one place, and the meaning of a
//! stored plan never changes. A plan's leaves are either a [`Test`] that does not depend on who asks, and is shared by
//! every profile that states it, or one that the engine resolves for a user or an instant.

mod comparison;
mod compile;
mod document;
mod error;
mod fold;
mod leaf;
mod like;
mod operand;
mod operator;
mod plan;
mod test;
#[cfg(test)]
mod tests;
mod window;
mod xml;

pub use comparison::ComparisonTest;
pub use compile::{compile, count_conditions};
pub use document::{CONDITIONS_MAX, FILTER_LEVELS_MAX};
pub use error::{FilterError, Place};
pub use fold::fold;
pub use like::PATTERN_BYTES_MAX;
pub use plan::{Comparison, FilterRules, HierarchyTest, Holder, Kin, Leaf, LeafTest, Link, Plan, UserTest};
pub use test::{IntegerTest, IntegerValues, Test, real_order};
pub use window::{LAST_X_DAYS_MAX, Moving, WindowTest, last_days_window, next_local_midnight};
pub use xml::DOCUMENT_BYTES_MAX;
