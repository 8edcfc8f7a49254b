//! Whether a row is what the device saw.
//!
//! A field is in conflict when its current value is neither what the device saw nor what it wants. What it saw is the
//! value that the mutation states as the old one. Where that is the work of an own earlier mutation that was refused, what
//! that one states will do as well, and so on.

use haversack_proto::sync::Mutation;
use prost::Message;

use super::values::{Changes, Reader};
use super::{Rows, refusal::Stopped};
use crate::ids::{AttributeNumber, Lsn};
use crate::row::{RowError, encoded};
use crate::schema::Attribute;

/// Steps back through own changes of a row; a device that has made more without a sync is taken to be in conflict.
const OWN_CHANGES_MAX: usize = 1_000;

/// The fields of an attribute as they are somewhere.
type Value = Vec<Option<Vec<u8>>>;

/// The changed attributes that are in conflict, of those in `attributes`.
pub(super) fn conflicting<'a, R: Rows>(
    attributes: impl Iterator<Item = &'a Attribute>,
    changes: &Changes,
    old: &Changes,
    payload: &[u8],
    rows: &mut R,
    reader: impl Fn() -> Reader<'a>,
) -> Result<Vec<AttributeNumber>, Stopped<R::Error>> {
    let failed = |error: RowError| Stopped::Failed(error.into());
    let mut found = Vec::new();
    let mut earlier: Option<Vec<(Changes, Changes)>> = None;
    for attribute in attributes {
        let current = current(attribute, payload).map_err(failed)?;
        let mut seen = stated(attribute, old);
        if current == seen || current == stated(attribute, changes) {
            continue;
        }
        let earlier = match &mut earlier {
            Some(known) => known,
            unknown => unknown.insert(refused_before(rows, &reader).map_err(Stopped::Failed)?),
        };
        for (wanted, before) in earlier.iter().filter(|(wanted, _)| wanted.contains_key(&attribute.number)) {
            if current != seen && stated(attribute, wanted) == seen {
                seen = stated(attribute, before);
            }
        }
        if current != seen {
            found.push(attribute.number);
        }
    }
    Ok(found)
}

/// Whether somebody else has changed a row since `base`: its last changes back to there are not all the device's own.
pub(super) fn changed_by_others<R: Rows>(last: Lsn, base: Lsn, rows: &mut R) -> Result<bool, R::Error> {
    let mut lsn = last;
    for _ in 0..OWN_CHANGES_MAX {
        if lsn <= base {
            return Ok(false);
        }
        match rows.own_change(lsn)? {
            Some(before) => lsn = before,
            None => return Ok(true),
        }
    }
    Ok(true)
}

fn current(attribute: &Attribute, payload: &[u8]) -> Result<Value, RowError> {
    attribute.fields().map(|field| Ok(encoded(payload, field)?.map(<[u8]>::to_vec))).collect()
}

fn stated(attribute: &Attribute, changes: &Changes) -> Value {
    attribute.fields().map(|field| changes.get(&field).cloned().flatten()).collect()
}

/// What refused mutations wanted, and what was before; the newest first.
fn refused_before<'a, R: Rows>(
    rows: &mut R,
    reader: &impl Fn() -> Reader<'a>,
) -> Result<Vec<(Changes, Changes)>, R::Error> {
    let refused = rows.refused_before()?;
    let decoded = refused.iter().filter_map(|bytes| Mutation::decode(&bytes[..]).ok());
    Ok(decoded
        .map(|mutation| {
            let mut wanted: Changes = mutation.changed.iter().map(|&number| (AttributeNumber(number), None)).collect();
            wanted.extend(reader().read_old(&mutation.values));
            (wanted, reader().read_old(&mutation.old_values))
        })
        .collect())
}
