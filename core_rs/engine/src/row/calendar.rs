//! Dates and timestamps as text: RFC 3339, read digit by digit, without allocation.

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Microseconds of a second.
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The earliest day that Dataverse stores: 1753-01-01, in days since the Unix epoch.
pub const DAY_MIN: i64 = days_since_epoch(1753, 1, 1);
/// The latest day: 9999-12-31.
pub const DAY_MAX: i64 = days_since_epoch(9999, 12, 31);
/// The first microsecond of [`DAY_MIN`].
pub const DATETIME_MICROS_MIN: i64 = DAY_MIN * MICROS_PER_DAY;
/// The last microsecond of [`DAY_MAX`].
pub const DATETIME_MICROS_MAX: i64 = (DAY_MAX + 1) * MICROS_PER_DAY - 1;

/// Most digits of a second's fraction; those behind the sixth (microseconds) are cut off.
const FRACTION_DIGITS_MAX: usize = 9;

/// What a timestamp's text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// The wall clock, read as UTC, in microseconds since the Unix epoch.
    pub(crate) wall_micros: i64,
    /// How far that clock is ahead of UTC, if the text says so.
    pub(crate) offset_minutes: Option<i64>,
}

impl Timestamp {
    /// The instant, for a text without an offset as if it were UTC.
    pub(crate) fn utc_micros(self) -> i64 {
        self.wall_micros - self.offset_minutes.unwrap_or(0) * 60 * MICROS_PER_SECOND
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, which must exist.
pub(crate) const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - DAYS_FROM_MARCH_0000_TO_EPOCH
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_FROM_MARCH_0000_TO_EPOCH: i64 = 719_468;

/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

/// Year, month and day of a day since the Unix epoch.
pub(crate) const fn civil(day: i64) -> (i64, i64, i64) {
    let from_march = day + DAYS_FROM_MARCH_0000_TO_EPOCH;
    let (era, day_of_era) = (from_march.div_euclid(DAYS_PER_ERA), from_march.rem_euclid(DAYS_PER_ERA));
    // Every fourth year has a day more, every hundredth of those not, every fourth of which has.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + (month <= 2) as i64;
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

/// A day as `YYYY-MM-DD`.
pub fn day_text(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// An instant as RFC 3339 in UTC, as in 2024-05-31T10:00:00Z; microseconds only where there are some.
pub fn datetime_text(micros: i64) -> String {
    let (day, within) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    let (seconds, fraction) = (within / MICROS_PER_SECOND, within % MICROS_PER_SECOND);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}Z", day_text(day))
}

/// How many days a month has.
pub(crate) const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads `YYYY-MM-DD`, in days since the Unix epoch. None if the text is no day; range is not checked.
pub(crate) fn parse_day(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = two_digits(y1, y2)? * 100 + two_digits(y3, y4)?;
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_of_month(year, month);
    exists.then(|| days_since_epoch(year, month, day))
}

/// Reads `YYYY-MM-DD`, or that with `THH:MM[:SS[.fraction]]` and perhaps an offset (`Z`, `+01:00`). A space may stand
/// for the T. None if the text is neither; range is not checked.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (day, rest) = bytes.split_at_checked(10)?;
    let midnight = parse_day(day)?.checked_mul(MICROS_PER_DAY)?;
    let [b'T' | b't' | b' ', clock @ ..] = rest else {
        return rest.is_empty().then_some(Timestamp { wall_micros: midnight, offset_minutes: None });
    };
    let (minutes, rest) = hours_and_minutes(clock)?;
    let (micros, rest) = seconds(rest)?;
    let wall_micros = midnight + minutes * 60 * MICROS_PER_SECOND + micros;
    let offset_minutes = if rest.is_empty() { None } else { Some(offset(rest)?) };
    Some(Timestamp { wall_micros, offset_minutes })
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// `HH:MM` in minutes, and what follows.
fn hours_and_minutes(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else { return None };
    let (hours, minutes) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?);
    (hours < 24 && minutes < 60).then_some((hours * 60 + minutes, rest))
}

/// `:SS` with or without a fraction, or nothing, in microseconds, and what follows.
fn seconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b':', s1, s2, rest @ ..] = text else { return Some((0, text)) };
    let seconds = two_digits(*s1, *s2).filter(|&seconds| seconds < 60)?;
    let (fraction, rest) = match rest {
        [b'.', digits @ ..] => fraction(digits)?,
        _ => (0, rest),
    };
    Some((seconds * MICROS_PER_SECOND + fraction, rest))
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let micros = (0..6).fold(0, |micros, at| micros * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    (1..=FRACTION_DIGITS_MAX).contains(&length).then_some((micros, rest))
}

/// `Z`, `+HH:MM` or `-HH:MM` to the end, in minutes.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (minutes, []) = hours_and_minutes(rest)? else { return None };
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Option<i64> {
        parse_timestamp(text).map(Timestamp::utc_micros)
    }

    /// The last second that jiff counts, a day before the calendar's end.
    const JIFF_MICROS_MAX: i64 = 253_402_207_200 * MICROS_PER_SECOND;

    proptest! {
        #[test]
        fn agrees_with_jiff(micros in DATETIME_MICROS_MIN..=JIFF_MICROS_MAX, offset in -14 * 60i64..=14 * 60) {
            let stamp = jiff::Timestamp::from_microsecond(micros).expect("in range");
            prop_assert_eq!(utc(&stamp.to_string()), Some(micros));
            let wall: DateTime = jiff::tz::TimeZone::UTC.to_datetime(stamp);
            let sign = if offset < 0 { '-' } else { '+' };
            let text = format!("{wall}{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
            prop_assert_eq!(utc(&text), Some(micros - offset * 60 * MICROS_PER_SECOND));
            let day = micros.div_euclid(MICROS_PER_DAY);
            prop_assert_eq!(parse_day(wall.date().to_string().as_bytes()), Some(day));
        }

        #[test]
        fn days_have_one_date(day in -40_000_000i64..40_000_000) {
            let (year, month, day_of_month) = civil(day);
            prop_assert!((1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day_of_month));
            prop_assert_eq!(days_since_epoch(year, month, day_of_month), day);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse_timestamp(&text);
        }

        #[test]
        fn nearly_right_text_is_read_or_refused(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T tZ]?[0-9:.+Z-]{0,16}") {
            if let Some(stamp) = parse_timestamp(&text) {
                prop_assert!(stamp.wall_micros.abs() < 1 << 60);
            }
        }
    }

    #[test]
    fn forms() {
        assert_eq!(utc("1970-01-01"), Some(0));
        assert_eq!(utc("1970-01-02T00:00:00Z"), Some(MICROS_PER_DAY));
        assert_eq!(utc("1970-01-01 00:01"), Some(60 * MICROS_PER_SECOND));
        assert_eq!(utc("1970-01-01t00:00:01.5z"), Some(1_500_000));
        assert_eq!(utc("1970-01-01T00:00:00.123456789Z"), Some(123_456));
        assert_eq!(utc("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(utc("2024-02-29"), Some(19_782 * MICROS_PER_DAY));
        assert_eq!((DAY_MIN, DAY_MAX), (-79_257, 2_932_896));
    }

    #[test]
    fn what_is_no_timestamp() {
        for text in [
            "",
            "2024",
            "2024-1-01",
            "2024-13-01",
            "2024-00-10",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-01-00",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:60",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00.1234567890",
            "2024-01-01T10:00:00+1",
            "2024-01-01T10:00:00+01:00x",
            "2024-01-01Z",
            "2024-01-01T10:00:00+24:00",
            "+024-01-01",
            "2024-01-01X10:00",
            "２０２４-01-01",
            "2024-01-01T10:00:00ZZ",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
