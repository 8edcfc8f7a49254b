//! Finds the names that a misspelt one may have meant.

/// Names offered at most.
const OFFERED_MAX: usize = 3;

/// Longest name compared; longer ones get no offer.
const NAME_CHARS_MAX: usize = 128;

/// The known names nearest to `name`, nearest first: those that differ in a third of its letters or fewer.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let letters: Vec<char> = name.chars().take(NAME_CHARS_MAX + 1).collect();
    if letters.len() > NAME_CHARS_MAX {
        return Vec::new();
    }
    let far = letters.len().div_ceil(3);
    let mut near: Vec<_> = known
        .filter(|other| other.chars().count().abs_diff(letters.len()) <= far)
        .map(|other| (distance(&letters, other), other))
        .filter(|&(distance, _)| distance <= far)
        .collect();
    near.sort_unstable();
    near.into_iter().take(OFFERED_MAX).map(|(_, other)| other).collect()
}

/// How many letters must be inserted, removed or replaced to make one of the other (Levenshtein).
fn distance(one: &[char], other: &str) -> usize {
    let mut costs: Vec<usize> = (0..=one.len()).collect();
    for (row, letter) in other.chars().enumerate() {
        let mut diagonal = costs[0];
        costs[0] = row + 1;
        for column in 0..one.len() {
            let replaced = diagonal + usize::from(one[column] != letter);
            diagonal = costs[column + 1];
            costs[column + 1] = replaced.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs[one.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        let distance = |one: &str, other| super::distance(&one.chars().collect::<Vec<_>>(), other);
        for (one, other, letters) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("é", "e", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{other} {one}");
        }
    }

    #[test]
    fn nearest_names_come_first_and_far_ones_not_at_all() {
        let known = ["ownerid", "owneridtype", "owningteam", "name", "revenue"];
        assert_eq!(nearest("ownrid", known.into_iter()), ["ownerid"]);
        assert_eq!(nearest("nane", known.into_iter()), ["name"]);
        assert_eq!(nearest("versionnumber", known.into_iter()), [""; 0]);
        assert_eq!(nearest(&"x".repeat(1000), known.into_iter()), [""; 0]);
    }
}
