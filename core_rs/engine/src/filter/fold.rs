//! How text compares: folded to one spelling, then by code points. Case never counts; accents do where the collation
//! says so.
//!
//! The spelling is: canonical decomposition, without accents (CI_AI), simple Unicode case folding of every character,
//! canonical composition. Its tables are those of two crates at exact versions, so that all servers agree.

use std::borrow::Cow;

use haversack_proto::model::Collation;
use unicode_normalization::UnicodeNormalization;

/// The spelling that all texts equal to `text` share. An unspecified collation is CI_AI.
pub fn fold(text: &str, collation: Collation) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let accents_count = collation == Collation::CiAs;
    let kept = text.nfd().filter(|&letter| accents_count || !is_accent(letter));
    Cow::Owned(kept.map(fold_case).nfc().collect())
}

fn fold_case(letter: char) -> char {
    unicode_case_mapping::case_folded(letter).and_then(|folded| char::from_u32(folded.get())).unwrap_or(letter)
}

/// Whether a character is a mark on a Latin, Greek or Cyrillic letter: the blocks of combining diacritical marks. Marks
/// of other scripts are vowels and tones, without which words are other words.
fn is_accent(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_by_collation() {
        for (left, right, without_accents, with_accents) in [
            ("Cafe", "CAFE", true, true),
            ("café", "CAFÉ", true, true),
            ("cafe", "café", true, false),
            ("cafe\u{301}", "café", true, true),
            ("Ångström", "angstrom", true, false),
            ("Straße", "STRAẞE", true, true),
            ("Straße", "strasse", false, false),
            ("ΑΘΉΝΑ", "αθηνα", true, false),
            ("ΣΊΣΥΦΟΣ", "σίσυφος", true, true),
            ("İ", "i", true, false),
            ("ı", "i", false, false),
            ("K", "k", true, true),
            ("が", "か", false, false),
            ("한", "하", false, false),
            ("กี", "กา", false, false),
        ] {
            let equal = |collation| fold(left, collation) == fold(right, collation);
            assert_eq!(equal(Collation::CiAi), without_accents, "{left} {right} CI_AI");
            assert_eq!(equal(Collation::Unspecified), without_accents, "{left} {right} unspecified");
            assert_eq!(equal(Collation::CiAs), with_accents, "{left} {right} CI_AS");
        }
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text: String) {
            for collation in [Collation::CiAi, Collation::CiAs] {
                let folded = fold(&text, collation).into_owned();
                prop_assert_eq!(&fold(&folded, collation), &folded);
            }
        }

        #[test]
        fn spelling_does_not_count(text: String) {
            let decomposed: String = text.nfd().collect();
            for collation in [Collation::CiAi, Collation::CiAs] {
                prop_assert_eq!(fold(&text, collation), fold(&decomposed, collation));
            }
        }
    }
}
