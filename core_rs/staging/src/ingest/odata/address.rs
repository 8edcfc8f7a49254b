//! Keys in the addresses of rows.

use std::borrow::Cow;

/// The key of a row in its id, which is a key itself, or an address that ends in one: `…/accounts(KEY)`,
/// `…/accounts(accountid=KEY)`, `…/people('it''s')`, `…/accounts/KEY`. `None` if it has several parts.
pub(super) fn key_in(id: &str) -> Option<Cow<'_, str>> {
    let last = id.rsplit('/').next().unwrap_or(id);
    let last = last.split(['?', '#']).next().unwrap_or(last);
    let Some((_, written)) = last.strip_suffix(')').and_then(|rest| rest.split_once('(')) else {
        return Some(unescaped(last));
    };
    let value = match written.split_once('=') {
        Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => value,
        _ => written,
    };
    match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(text) => Some(unquoted(unescaped(text))),
        None if value.contains(',') => None,
        None => {
            let plain = unescaped(value);
            // Quotes may be escaped themselves.
            match plain.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                Some(text) => Some(text.replace("''", "'").into()),
                None => Some(plain),
            }
        }
    }
}

fn unquoted(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains("''") { text.replace("''", "'").into() } else { text }
}

/// The text with its percent escapes undone; as it is if they are no UTF-8.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        plain.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).map_or_else(|_| text.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::key_in;

    #[test]
    fn keys_are_found_in_every_form_of_address() {
        for (id, key) in [
            ("2e451703-c686-e711-80e5-00155db19e6d", Some("2e451703-c686-e711-80e5-00155db19e6d")),
            (
                "http://host/v4/teams(2e451703-c686-e711-80e5-00155db19e6d)",
                Some("2e451703-c686-e711-80e5-00155db19e6d"),
            ),
            ("teams(teamid=5)", Some("5")),
            ("/v4/People('it''s%20me')", Some("it's me")),
            ("People(%27a%2Cb%27)", Some("a,b")),
            ("https://host/v4/people/ann%C3%A9?x=1", Some("anné")),
            ("Lines(order=1,line=2)", None),
            ("50%", Some("50%")),
            ("a%zz%ff", Some("a%zz%ff")),
            ("", Some("")),
        ] {
            assert_eq!(key_in(id).as_deref(), key, "{id}");
        }
    }
}
