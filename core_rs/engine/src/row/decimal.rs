//! Exact decimals as canonical text: no exponent, no leading or trailing zeros, no plus, never "-0".
//!
//! Equal numbers have equal canonical text, and [`compare`] orders it by value; nothing is ever rounded.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Most digits of a canonical decimal, before and behind the point together.
pub const DECIMAL_DIGITS_MAX: usize = 100;

/// Brings a decimal into canonical form. An exponent is expanded exactly ("1e5" is "100000"). None if the text is no
/// decimal, or if it has more than [`DECIMAL_DIGITS_MAX`] digits.
///
/// Text that is canonical but for trailing zeros, the usual case, is borrowed.
pub fn canonical(text: &str) -> Option<Cow<'_, str>> {
    let trimmed = without_trailing_zeros(text);
    if is_canonical(trimmed) {
        return Some(Cow::Borrowed(trimmed));
    }
    let parts = Parts::of(text)?;
    parts.expand().map(Cow::Owned)
}

/// Whether a text is a canonical decimal.
pub fn is_canonical(text: &str) -> bool {
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "1"));
    is_digits(whole)
        && is_digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && !fraction.ends_with('0')
        && text != "-0"
        && magnitude.len() <= DECIMAL_DIGITS_MAX + usize::from(magnitude.contains('.'))
}

/// Orders two canonical decimals by value.
pub fn compare(left: &str, right: &str) -> Ordering {
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (None, None) => compare_magnitudes(left, right),
        (Some(left), Some(right)) => compare_magnitudes(right, left),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// Cuts the zeros that end a fraction, and the point if nothing is left behind it.
fn without_trailing_zeros(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else { return text };
    let kept = fraction.trim_end_matches('0').len();
    if kept == 0 { whole } else { &text[..whole.len() + 1 + kept] }
}

fn compare_magnitudes(left: &str, right: &str) -> Ordering {
    let whole = |text: &str| text.find('.').unwrap_or(text.len());
    // With as many digits before the point, text order is the order of the numbers: a point is below any digit, and
    // the shorter of two texts is below its own continuation.
    whole(left).cmp(&whole(right)).then_with(|| left.cmp(right))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A decimal taken apart.
struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i16>().ok()?)),
            None => (text, 0),
        };
        let (negative, magnitude) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let digits_only = |text: &str| text.is_empty() || is_digits(text);
        let sound = digits_only(whole) && digits_only(fraction) && !(whole.is_empty() && fraction.is_empty());
        sound.then_some(Self { negative, whole, fraction, exponent })
    }

    /// Writes the canonical form.
    fn expand(&self) -> Option<String> {
        // The number is `digits` times ten to the power of `power`; `digits` begin and end with no zero.
        let written = self.whole.len() + self.fraction.len();
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        let leading = digits().take_while(|&digit| digit == b'0').count();
        if leading == written {
            return Some("0".to_owned());
        }
        let trailing = digits().rev().take_while(|&digit| digit == b'0').count();
        let count = written - leading - trailing;
        let power = self.exponent - self.fraction.len() as i64 + trailing as i64;
        let significant = digits().skip(leading).take(count).map(char::from);
        let text = place_point(significant, count, power)?;
        Some(if self.negative { format!("-{text}") } else { text })
    }
}

/// Writes `count` digits times ten to the power of `power`. None if that takes too many digits.
fn place_point(digits: impl Iterator<Item = char>, count: usize, power: i64) -> Option<String> {
    let whole = usize::try_from((count as i64 + power).max(0)).ok()?;
    let fraction = usize::try_from((-power).max(0)).ok()?;
    if whole.max(1) + fraction > DECIMAL_DIGITS_MAX {
        return None;
    }
    let zeros_before = fraction.saturating_sub(count) + usize::from(fraction >= count);
    let zeros_behind = whole.saturating_sub(count);
    let padded = iter_zeros(zeros_before).chain(digits).chain(iter_zeros(zeros_behind));
    let mut text = String::with_capacity(whole + fraction + 2);
    for (index, digit) in padded.enumerate() {
        if index == whole.max(1) {
            text.push('.');
        }
        text.push(digit);
    }
    Some(text)
}

fn iter_zeros(count: usize) -> impl Iterator<Item = char> {
    std::iter::repeat_n('0', count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, expected) in [
            ("0", "0"),
            (".0000", "0"),
            ("-0", "0"),
            ("-0.00", "0"),
            ("+5", "5"),
            ("007.50", "7.5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("100", "100"),
            ("2181.5625", "2181.5625"),
            ("174.5250", "174.525"),
            ("1e5", "100000"),
            ("1.5e-3", "0.0015"),
            ("-12.34E+1", "-123.4"),
            ("120e-1", "12"),
            ("0e999", "0"),
            ("99999999999999999999999999999999999999.01", "99999999999999999999999999999999999999.01"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
            assert!(is_canonical(expected), "{expected}");
        }
    }

    #[test]
    fn what_is_no_decimal() {
        let long = "9".repeat(DECIMAL_DIGITS_MAX + 1);
        let deep = format!("0.{}1", "0".repeat(DECIMAL_DIGITS_MAX));
        let texts = [
            "", ".", "-", "+", "e5", "1e", "1e1.5", "1,5", "1 ", "NaN", "inf", "--1", "1.2.3", "0..", "1.5.",
            "1e99999", "１",
        ];
        for text in texts.into_iter().chain([long.as_str(), deep.as_str(), "1e101"]) {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert!(canonical(&"9".repeat(DECIMAL_DIGITS_MAX)).is_some());
        assert!(!is_canonical("1e5") && !is_canonical("01") && !is_canonical("1.0") && !is_canonical("-0"));
    }

    proptest! {
        #[test]
        fn canonical_text_means_the_same_number(units: i64, scale in 0usize..12, zeros in 0usize..4) {
            let negative = if units < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let text = format!("{negative}{}{whole}.{fraction}{}", "0".repeat(zeros), "0".repeat(zeros));
            let found = canonical(&text).expect("a decimal");
            prop_assert!(is_canonical(&found), "{} of {}", found, text);
            for same in [format!("{units}e-{scale}"), found.clone().into_owned()] {
                prop_assert_eq!(canonical(&same), Some(found.clone()));
            }
        }

        #[test]
        fn order_is_that_of_the_numbers(left in -100_000i64..100_000, right in -100_000i64..100_000, scale in 0i64..6) {
            let text = |units: i64| canonical(&format!("{units}e-{scale}")).expect("a decimal").into_owned();
            prop_assert_eq!(compare(&text(left), &text(right)), left.cmp(&right));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+]?[0-9]{0,9}[.]{0,2}[0-9]{0,9}[.]?([eE][-+]?[0-9]{0,2})?") {
            if let Some(found) = canonical(&text) {
                prop_assert!(is_canonical(&found));
                let close: f64 = text.parse().expect("a double reads it too");
                let same: f64 = found.parse().expect("canonical");
                prop_assert!((close - same).abs() <= close.abs() * 1e-12);
            }
        }
    }
}
