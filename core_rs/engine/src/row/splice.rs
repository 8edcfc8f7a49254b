//! Putting fields of one payload into another without decoding either.

use std::cmp::Ordering;

use super::RowError;
use super::fields::Spans;
use crate::ids::AttributeNumber;

/// The payload with the fields of `changed` (ascending) as they are in `values`: a field that `values` lacks is cut out.
/// Fields of `values` that are not in `changed` count too.
///
/// # Errors
/// If a payload is damaged.
pub fn splice(payload: &[u8], changed: &[AttributeNumber], values: &[u8]) -> Result<Vec<u8>, RowError> {
    let mut out = Vec::with_capacity(payload.len() + values.len());
    let mut kept = Spans::of(payload).peekable();
    let mut set = Spans::of(values).peekable();
    loop {
        let order = match (kept.peek().copied().transpose()?, set.peek().copied().transpose()?) {
            (None, None) => return Ok(out),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(kept), Some(set)) => kept.number.cmp(&set.number),
        };
        if order != Ordering::Less
            && let Some(span) = set.next().transpose()?
        {
            out.extend_from_slice(&values[span.start..span.end]);
        }
        if order != Ordering::Greater
            && let Some(span) = kept.next().transpose()?
            && order == Ordering::Less
            && changed.binary_search(&AttributeNumber(span.number)).is_err()
        {
            out.extend_from_slice(&payload[span.start..span.end]);
        }
    }
}

/// A field as it lies in the payload, tag and all; None is NULL. Of canonical payloads, equal values have equal bytes.
///
/// # Errors
/// If the payload is damaged before the field.
pub fn encoded(payload: &[u8], number: AttributeNumber) -> Result<Option<&[u8]>, RowError> {
    for span in Spans::of(payload) {
        let span = span?;
        if span.number >= number.0 {
            return Ok((span.number == number.0).then(|| &payload[span.start..span.end]));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::{RowWriter, Value};

    fn row(fields: &[(u32, i64)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out);
        for (number, value) in fields {
            writer.push(AttributeNumber(*number), &Value::Integer(*value));
        }
        writer.finish();
        out
    }

    proptest! {
        #[test]
        fn a_splice_is_what_writing_anew_would_be(
            before in proptest::collection::btree_map(1u32..40, any::<i64>(), 0..12),
            values in proptest::collection::btree_map(1u32..40, any::<i64>(), 0..12),
            cleared in proptest::collection::btree_set(1u32..40, 0..6),
        ) {
            let mut after = before.clone();
            after.retain(|number, _| !cleared.contains(number));
            after.extend(values.clone());
            let changed: std::collections::BTreeSet<u32> = cleared.iter().chain(values.keys()).copied().collect();
            let changed: Vec<_> = changed.into_iter().map(AttributeNumber).collect();
            let of = |map: &std::collections::BTreeMap<u32, i64>| row(&map.clone().into_iter().collect::<Vec<_>>());
            let spliced = splice(&of(&before), &changed, &of(&values)).expect("both are sound");
            prop_assert_eq!(&spliced, &of(&after));
            for number in 1..40 {
                let expected = after.get(&number).map(|value| row(&[(number, *value)]));
                prop_assert_eq!(encoded(&spliced, AttributeNumber(number)).expect("it is sound").map(<[u8]>::to_vec), expected);
            }
        }
    }

    #[test]
    fn damage_is_told_of() {
        assert!(splice(&[0xff], &[], &[]).is_err());
        assert!(splice(&[], &[], &[0x08]).is_err());
        assert!(encoded(&[0x08], AttributeNumber(1)).is_err());
    }
}
