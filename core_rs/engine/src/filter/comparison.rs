//! Tests of two values of one row against each other.

use haversack_proto::model::Collation;

use crate::row::Value;

/// What has to hold between two values of one family. No order holds, and no equality, where one of them is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComparisonTest {
    pub(super) collation: Collation,
    pub(super) less: bool,
    pub(super) equal: bool,
    pub(super) greater: bool,
    /// Whether the test holds where the left value is NULL.
    pub(super) matches_null: bool,
}

impl ComparisonTest {
    /// Whether the test holds between two values.
    pub fn matches(&self, _left: Option<&Value<'_>>, _right: Option<&Value<'_>>) -> bool {
        unimplemented!("{:?} {} {} {} {}", self.collation, self.less, self.equal, self.greater, self.matches_null)
    }
}
