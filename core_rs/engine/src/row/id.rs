//! Ids: UUIDs as 16 bytes, ids of other sources as text, and the key by which the engine knows a row.
//!
//! A field that holds an id is `bytes`: 16 of a UUID, or the UTF-8 of any other id. Other ids of exactly 16 bytes are
//! followed by one zero byte, so that no reader takes them for a UUID; text ids never contain a zero byte.

use sha2::{Digest, Sha256};

use super::Value;
use crate::ids::RowKey;

/// Longest id that is not a UUID, in bytes.
pub const ID_TEXT_BYTES_MAX: usize = 512;

/// Where the two digits of each byte stand in `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
const DIGITS_AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Marks what is no hexadecimal digit in [`HEXADECIMAL`].
const NO_DIGIT: u8 = 0xff;

/// The value of every ASCII hexadecimal digit.
const HEXADECIMAL: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// The text of a UUID: 8-4-4-4-12 digits in lower case.
pub fn uuid_text(uuid: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(uuid));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// Reads a UUID in either case, with or without braces. None if the text is none.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let mut bytes = text.as_bytes();
    if let [b'{', inner @ .., b'}'] = bytes {
        bytes = inner;
    }
    let bytes: &[u8; 36] = bytes.try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|&at| bytes[at] != b'-') {
        return None;
    }
    let mut id = [0; 16];
    let mut seen = 0;
    for (byte, at) in id.iter_mut().zip(DIGITS_AT) {
        let (high, low) = (HEXADECIMAL[bytes[at] as usize], HEXADECIMAL[bytes[at + 1] as usize]);
        seen |= high | low;
        *byte = high << 4 | (low & 0x0f);
    }
    (seen < 16).then_some(id)
}

/// Reads a UUID that is written as [`uuid_text`] writes it. None if the text is none, or is written otherwise.
pub(super) fn parse_canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let is_canonical = !text.starts_with('{') && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    is_canonical.then(|| parse_uuid(text)).flatten()
}

/// Whether an id that is not a UUID can be stored.
pub(super) fn is_id_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_TEXT_BYTES_MAX && !text.contains('\0')
}

/// The id that a field of type id holds.
pub(super) fn decode(bytes: &[u8]) -> Option<Value<'_>> {
    if let Ok(id) = bytes.try_into() {
        return Some(Value::Id(id));
    }
    let text = if bytes.len() == 17 { bytes.strip_suffix(&[0]).unwrap_or(bytes) } else { bytes };
    std::str::from_utf8(text).ok().filter(|text| is_id_text(text)).map(Value::IdText)
}

/// The key of the row that a value names. None for what names no row: a real, a truth, a set, an entity.
///
/// Text that spells a UUID has the key of the UUID and a whole number that of its digits, so that a lookup meets
/// its row however a source types either of them.
pub fn row_key(value: &Value<'_>) -> Option<RowKey> {
    match value {
        Value::Id(id) => Some(RowKey(*id)),
        Value::Text(text) | Value::IdText(text) => Some(row_key_of_text(text)),
        Value::Integer(number) => Some(row_key_of_text(&number.to_string())),
        Value::Real(_) | Value::Truth(_) | Value::Integers(_) | Value::Entity(_) => None,
    }
}

/// The key of a row whose id is given as text: a UUID's bytes, else the first half of the text's SHA-256. A weaker
/// hash would let whoever may choose ids make two rows one.
pub fn row_key_of_text(text: &str) -> RowKey {
    RowKey(parse_uuid(text).unwrap_or_else(|| {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
        key
    }))
}
