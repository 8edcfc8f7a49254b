//! Distinct values of one attribute, each under a small number: a filter judges a value once, not once a row.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::row::{Integers, Value};

/// The code of NULL.
pub(super) const NULL: u32 = 0;

/// The distinct values of an attribute under codes from 1. A value that no row has any more gives its code back.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// By code less one.
    entries: Vec<Entry>,
    codes: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: Vec<u32>,
    /// Codes given out since [`Self::forget_fresh`].
    fresh: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    value: Stored,
    rows: u32,
}

/// A [`Value`] of its own.
#[derive(Debug, PartialEq, Eq)]
enum Stored {
    Integer(i64),
    Text(Box<str>),
    Truth(bool),
    Id([u8; 16]),
    IdText(Box<str>),
    Integers(Box<[u8]>),
}

impl Stored {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        Some(match *value {
            Value::Integer(number) => Self::Integer(number),
            Value::Text(text) => Self::Text(text.into()),
            Value::Truth(truth) => Self::Truth(truth),
            Value::Id(id) => Self::Id(id),
            Value::IdText(text) => Self::IdText(text.into()),
            Value::Integers(set) => Self::Integers(set.packed().into()),
            Value::Real(_) | Value::Entity(_) => return None,
        })
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Id(id) => Value::Id(*id),
            Self::IdText(text) => Value::IdText(text),
            Self::Integers(packed) => {
                Value::Integers(Integers::from_packed(packed).expect("was taken from a well-formed set"))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::IdText(text) => text.len(),
            Self::Integers(packed) => packed.len(),
            Self::Integer(_) | Self::Truth(_) | Self::Id(_) => 0,
        }
    }
}

impl Dictionary {
    /// The code of a value, for one more row. NULL and values of a type that no dictionary holds have [`NULL`].
    pub(super) fn take(&mut self, value: Option<&Value<'_>>) -> u32 {
        let Some(value) = value else { return NULL };
        let hash = hash(&self.hasher, value);
        let entries = &self.entries;
        if let Some(&code) = self.codes.find(hash, |&code| entries[code as usize - 1].value.value() == *value) {
            self.entries[code as usize - 1].rows += 1;
            return code;
        }
        Stored::from_value(value).map_or(NULL, |value| self.add(value, hash))
    }

    /// One row less has this code.
    pub(super) fn give_back(&mut self, code: u32) {
        if code == NULL {
            return;
        }
        let entry = &mut self.entries[code as usize - 1];
        entry.rows -= 1;
        if entry.rows == 0 {
            let hash = hash(&self.hasher, &entry.value.value());
            self.codes.find_entry(hash, |&other| other == code).expect("every code in use is indexed").remove();
            self.free.push(code);
        }
    }

    /// The value of a code, or the last one that it had. The code must be [`NULL`] or have been given out.
    pub(super) fn value(&self, code: u32) -> Option<Value<'_>> {
        code.checked_sub(1).map(|index| self.entries[index as usize].value.value())
    }

    /// One more than the highest code ever given out.
    pub(super) fn end(&self) -> u32 {
        self.entries.len() as u32 + 1
    }

    /// Codes that have another value than before, given out since [`Self::forget_fresh`].
    pub(super) fn fresh(&self) -> &[u32] {
        &self.fresh
    }

    /// Ends a commit.
    pub(super) fn forget_fresh(&mut self) {
        self.fresh = Vec::new();
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let values: usize = self.entries.iter().map(|entry| entry.value.bytes()).sum();
        self.entries.capacity() * size_of::<Entry>() + values + self.codes.allocation_size()
    }

    fn add(&mut self, value: Stored, hash: u64) -> u32 {
        let entry = Entry { value, rows: 1 };
        let code = if let Some(code) = self.free.pop() {
            self.entries[code as usize - 1] = entry;
            code
        } else {
            self.entries.push(entry);
            self.entries.len() as u32
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |&other: &u32| self::hash(hasher, &entries[other as usize - 1].value.value());
        self.codes.insert_unique(hash, code, rehash);
        self.fresh.push(code);
        code
    }
}

fn hash(hasher: &DefaultHashBuilder, value: &Value<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    match *value {
        Value::Integer(number) => number.hash(&mut state),
        Value::Real(real) => real.to_bits().hash(&mut state),
        Value::Text(text) | Value::IdText(text) => text.hash(&mut state),
        Value::Truth(truth) => truth.hash(&mut state),
        Value::Id(id) => id.hash(&mut state),
        Value::Integers(set) => set.hash(&mut state),
        Value::Entity(entity) => entity.hash(&mut state),
    }
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_code_and_unused_codes_come_back() {
        let mut words = Dictionary::default();
        let (red, blue) = (Value::Text("red"), Value::Text("blue"));
        let first = words.take(Some(&red));
        assert_eq!((words.take(Some(&red)), words.take(None)), (first, NULL));
        let second = words.take(Some(&blue));
        assert_eq!(words.fresh(), [first, second]);
        words.forget_fresh();

        words.give_back(first);
        assert_eq!(words.value(first), Some(red));
        words.give_back(first);
        assert_eq!(words.take(Some(&Value::Text("green"))), first);
        assert_eq!((words.fresh(), words.end()), (&[first][..], 3));
        assert_ne!(words.take(Some(&red)), first);
    }
}
