//! Which fields of an entity's rows a device may carry, and cutting rows down to them without decoding them.

use super::RowError;
use super::fields::Spans;
use crate::ids::AttributeNumber;
use crate::schema::Entity;

/// A set of field numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColumnSelection {
    /// Bit n stands for field n; the last word is never zero.
    words: Vec<u64>,
}

/// A column is named that its entity does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entity} has no attribute \"{attribute}\"")]
pub struct ColumnUnknown {
    /// The entity.
    pub entity: String,
    /// The name.
    pub attribute: String,
}

impl ColumnSelection {
    /// The columns of these names, the primary id, and the companions of the lookups among them.
    ///
    /// # Errors
    /// If the entity has no attribute of some name.
    pub fn of_names<N: AsRef<str>>(entity: &Entity, names: &[N]) -> Result<Self, ColumnUnknown> {
        let mut selection = Self::default();
        selection.insert(entity.primary_id);
        for name in names.iter().map(AsRef::as_ref) {
            let attribute = entity
                .attribute(name)
                .ok_or_else(|| ColumnUnknown { entity: entity.name.clone(), attribute: name.to_owned() })?;
            selection.insert(attribute.number);
            attribute.entity_field.into_iter().for_each(|companion| selection.insert(companion));
        }
        Ok(selection)
    }

    /// Adds a field.
    pub fn insert(&mut self, number: AttributeNumber) {
        let (word, bit) = Self::position(number);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    /// Whether the field is selected.
    #[inline]
    pub fn contains(&self, number: AttributeNumber) -> bool {
        let (word, bit) = Self::position(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The selected fields, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = AttributeNumber> + '_ {
        (0..self.words.len() as u32 * u64::BITS).map(AttributeNumber).filter(|&number| self.contains(number))
    }

    fn position(number: AttributeNumber) -> (usize, u64) {
        ((number.0 / u64::BITS) as usize, 1 << (number.0 % u64::BITS))
    }
}

impl FromIterator<AttributeNumber> for ColumnSelection {
    fn from_iter<I: IntoIterator<Item = AttributeNumber>>(numbers: I) -> Self {
        let mut selection = Self::default();
        numbers.into_iter().for_each(|number| selection.insert(number));
        selection
    }
}

/// Appends the row to `out` with the selected fields alone, byte for byte.
///
/// # Errors
/// If the payload is damaged; `out` is then as it was.
pub fn select(payload: &[u8], selection: &ColumnSelection, out: &mut Vec<u8>) -> Result<(), RowError> {
    let before = out.len();
    // Neighbours are copied together: `run` is what is selected but not yet copied.
    let mut run = 0..0;
    for span in Spans::of(payload) {
        let span = span.inspect_err(|_| out.truncate(before))?;
        if !selection.contains(AttributeNumber(span.number)) {
            continue;
        }
        if run.end != span.start {
            out.extend_from_slice(&payload[run]);
            run = span.start..span.start;
        }
        run.end = span.end;
    }
    out.extend_from_slice(&payload[run]);
    Ok(())
}
