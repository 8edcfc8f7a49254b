//! Patterns of `like`: T-SQL's. `%` is any text, `_` one character, `[a-c]`, `[abc]` one of these, `[^a-c]` one that is
//! none of these. There is no escape character: a literal wildcard stands in brackets. A pattern spans the whole text,
//! or the beginning or the end of it, with the same wildcards.
//!
//! Pattern and text are folded; a character is a code point of the folded text.

use haversack_proto::model::Collation;

use super::fold;

/// Longest pattern in bytes of UTF-8, as written.
pub const PATTERN_BYTES_MAX: usize = 8_000;

/// A pattern, cut at its `%`. Matching takes each piece at its leftmost place, which never has to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    /// Never empty; the first piece begins the text, the last one ends it.
    pieces: Vec<Piece>,
}

/// What stands between two `%`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Literal(String),
    /// One test for each character.
    Mixed(Vec<Letter>),
}

/// A test of one character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Letter {
    Is(char),
    Any,
    /// A character in some range, both ends included, or in none of them.
    Among {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Which ends of a text a pattern spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Both: all of the text (`like`).
    Whole,
    /// The text begins with the pattern (`begins-with`).
    Beginning,
    /// The text ends with it (`ends-with`).
    Ending,
}

/// Why a text is no pattern; continues "the pattern …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    #[error("opens a bracket that it never closes; write [[] for a literal bracket")]
    BracketOpen,
    #[error("has brackets around nothing; put characters between them, or remove them")]
    BracketEmpty,
    #[error("is longer than {PATTERN_BYTES_MAX} bytes; shorten it")]
    TooLong,
}

impl Pattern {
    /// Reads a pattern as its author wrote it, to be matched against folded text.
    pub(super) fn parse(pattern: &str, span: Span, collation: Collation) -> Result<Self, PatternError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let pattern = fold(pattern, collation);
        let mut pieces = vec![];
        let mut letters = vec![];
        let mut rest = &*pattern;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '%' => pieces.push(Piece::of(std::mem::take(&mut letters))),
                '_' => letters.push(Letter::Any),
                '[' => letters.push(bracket(&mut rest)?),
                _ => letters.push(Letter::Is(letter)),
            }
        }
        pieces.push(Piece::of(letters));
        match span {
            Span::Whole => {}
            Span::Beginning => pieces.push(Piece::of(vec![])),
            Span::Ending => pieces.insert(0, Piece::of(vec![])),
        }
        Ok(Self { pieces: without_idle(pieces) })
    }

    /// Whether a folded text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &self.pieces[..] else {
            return self.pieces[0].begin(text) == Some(text.len());
        };
        let Some(mut at) = first.begin(text) else { return false };
        let Some(end) = last.end(text).filter(|&end| end >= at) else { return false };
        for piece in middle {
            let Some(found) = piece.find(&text[at..end]) else { return false };
            at += found;
        }
        true
    }
}

impl Piece {
    fn of(letters: Vec<Letter>) -> Self {
        let literal = letters.iter().map(|letter| if let Letter::Is(it) = letter { Some(*it) } else { None }).collect();
        match literal {
            Some(text) => Self::Literal(text),
            None => Self::Mixed(letters),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Literal(text) if text.is_empty())
    }

    /// Where the piece ends, if the text begins with it.
    fn begin(&self, text: &str) -> Option<usize> {
        match self {
            Self::Literal(literal) => text.starts_with(literal.as_str()).then_some(literal.len()),
            Self::Mixed(letters) => {
                let mut chars = text.chars();
                let fits = letters.iter().all(|letter| chars.next().is_some_and(|it| letter.matches(it)));
                fits.then(|| text.len() - chars.as_str().len())
            }
        }
    }

    /// Where the piece begins, if the text ends with it.
    fn end(&self, text: &str) -> Option<usize> {
        match self {
            Self::Literal(literal) => text.ends_with(literal.as_str()).then(|| text.len() - literal.len()),
            Self::Mixed(letters) => {
                let mut chars = text.chars();
                let fits = letters.iter().rev().all(|letter| chars.next_back().is_some_and(|it| letter.matches(it)));
                fits.then_some(chars.as_str().len())
            }
        }
    }

    /// Where the leftmost occurrence of the piece ends.
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Self::Literal(literal) => text.find(literal.as_str()).map(|at| at + literal.len()),
            Self::Mixed(_) => text.char_indices().find_map(|(at, _)| self.begin(&text[at..]).map(|end| at + end)),
        }
    }
}

impl Letter {
    fn matches(&self, letter: char) -> bool {
        match self {
            Self::Is(it) => *it == letter,
            Self::Any => true,
            Self::Among { negated, ranges } => {
                ranges.iter().any(|&(from, to)| (from..=to).contains(&letter)) != *negated
            }
        }
    }
}

/// Drops pieces between two `%` that test nothing.
fn without_idle(pieces: Vec<Piece>) -> Vec<Piece> {
    let last = pieces.len() - 1;
    let kept = |&(index, ref piece): &(usize, Piece)| index == 0 || index == last || !piece.is_empty();
    pieces.into_iter().enumerate().filter(kept).map(|(_, piece)| piece).collect()
}

/// Reads what follows an opening bracket, up to and with the closing one. A range that runs backwards holds nothing.
fn bracket(rest: &mut &str) -> Result<Letter, PatternError> {
    let (inside, behind) = rest.split_once(']').ok_or(PatternError::BracketOpen)?;
    *rest = behind;
    let (negated, inside) = inside.strip_prefix('^').map_or((false, inside), |inside| (true, inside));
    let letters: Vec<char> = inside.chars().collect();
    let mut ranges = vec![];
    let mut at = 0;
    while at < letters.len() {
        let is_range = at + 2 < letters.len() && letters[at + 1] == '-';
        let to = if is_range { at + 2 } else { at };
        ranges.push((letters[at], letters[to]));
        at = to + 1;
    }
    ranges.sort_unstable();
    ranges.dedup();
    match ranges[..] {
        [] => Err(PatternError::BracketEmpty),
        [(from, to)] if from == to && !negated => Ok(Letter::Is(from)),
        _ => Ok(Letter::Among { negated, ranges }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, Span::Whole, Collation::CiAs).expect("a pattern").matches(text)
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "xabc", false),
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("%", "anything", true),
            ("%%", "x", true),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a%c", "abc", true),
            ("a%a", "a", false),
            ("a%a", "aa", true),
            ("_", "", false),
            ("_", "é", true),
            ("__", "a", false),
            ("a_c", "abc", true),
            ("%_", "", false),
            ("%_c", "bc", true),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[abc]", "c", true),
            ("5[%]", "5%", true),
            ("5[%]", "55", false),
            ("[_]n", "_n", true),
            ("[[]", "[", true),
            ("]", "]", true),
            ("[a-cdf]", "d", true),
            ("[-acdf]", "-", true),
            ("[ab-]", "-", true),
            ("[c-a]", "b", false),
            ("a\\%", "a\\xyz", true),
            ("abc ", "abc", false),
            ("%ab%ab%", "abab", true),
            ("%ab%ab%", "aba", false),
            ("%a_b%", "xacb", true),
            ("a%b_%c", "abxxbyc", true),
            ("%^%", "a^b", true),
            ("[a^]", "^", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_of_one_end() {
        for (pattern, text, begins, ends) in [
            ("", "", true, true),
            ("", "abc", true, true),
            ("ab", "abc", true, false),
            ("bc", "abc", false, true),
            ("abc", "abc", true, true),
            ("abcd", "abc", false, false),
            ("b", "abc", false, false),
            ("%c", "abc", true, true),
            ("a%", "abc", true, true),
            ("%b", "abc", true, false),
            ("b%", "abc", false, true),
            ("_b", "abc", true, false),
            ("[bc]_", "abc", false, true),
            ("a_c", "abc", true, true),
            ("[%]", "5%", false, true),
            ("c ", "abc", false, false),
            ("c ", "abc ", false, true),
        ] {
            let matches = |span| Pattern::parse(pattern, span, Collation::CiAi).expect("a pattern").matches(text);
            assert_eq!((matches(Span::Beginning), matches(Span::Ending)), (begins, ends), "{pattern} {text}");
        }
        let longest = "x".repeat(PATTERN_BYTES_MAX);
        assert!(Pattern::parse(&longest, Span::Beginning, Collation::CiAi).is_ok());
    }

    #[test]
    fn what_is_no_pattern() {
        let parse = |pattern: &str| Pattern::parse(pattern, Span::Whole, Collation::CiAi);
        assert_eq!(parse("a[b"), Err(PatternError::BracketOpen));
        assert_eq!(parse("[]"), Err(PatternError::BracketEmpty));
        assert_eq!(parse("[^]"), Err(PatternError::BracketEmpty));
        assert_eq!(parse(&"a".repeat(PATTERN_BYTES_MAX + 1)), Err(PatternError::TooLong));
    }

    #[test]
    fn patterns_fold_as_texts_do() {
        let pattern = Pattern::parse("[É-Z]%", Span::Whole, Collation::CiAi).expect("a pattern");
        assert!(pattern.matches(&fold("Été", Collation::CiAi)) && !pattern.matches("a"));
    }

    #[test]
    fn many_wildcards_stay_cheap() {
        let pattern = "a%".repeat(PATTERN_BYTES_MAX / 2 - 1) + "b";
        assert!(!matches(&pattern, &"a".repeat(100_000)));
    }

    /// The definition, by trying every way.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
        match first {
            '%' => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            '[' => {
                let close = rest.iter().position(|&it| it == ']').expect("generated closed");
                let (negated, set) = if rest[0] == '^' { (true, &rest[1..close]) } else { (false, &rest[..close]) };
                let within = |it: char| match set {
                    [from, '-', to] => (*from..=*to).contains(&it),
                    _ => set.contains(&it),
                };
                text.first().is_some_and(|&it| within(it) != negated) && naive(&rest[close + 1..], &text[1..])
            }
            _ => text.first().is_some_and(|&it| first == '_' || first == it) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            pattern in "([abé]|%|_|\\[[abé]{1,2}\\]|\\[\\^[abé]\\]|\\[a-b\\]|\\[\\^b-é\\]){0,8}",
            text in "[abcé]{0,10}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn any_pattern_is_read_or_refused(pattern: String, text: String) {
            if let Ok(pattern) = Pattern::parse(&pattern, Span::Whole, Collation::CiAi) {
                pattern.matches(&text);
            }
        }
    }
}
