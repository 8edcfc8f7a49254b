//! Tokens that are believed, and those that are not.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;
use tonic::metadata::MetadataValue;

use super::*;
use crate::keys::{ISSUER, KeyPair};
use crate::limits::{TOKEN_LEEWAY_SECONDS_MAX, VERIFIED_TOKENS_MAX};

const NOW: u64 = 1_700_000_000;
const USER: &str = "6f1b8c1e-0000-4000-8000-00000000002a";
const SYNC: &str = "haversack-sync";

fn entry() -> Value {
    json!({"issuer": "dev", "audience": SYNC, "public_key_pem": ISSUER.public})
}

fn with(entry: Value, changes: Value) -> Value {
    let (Value::Object(mut entry), Value::Object(changes)) = (entry, changes) else { panic!("objects") };
    entry.extend(changes);
    entry.retain(|_, value| !value.is_null());
    Value::Object(entry)
}

fn verifier_of(entries: &[Value]) -> Verifier {
    Verifier::from_json(&json!(entries).to_string()).unwrap()
}

fn verifier() -> Verifier {
    verifier_of(&[entry()])
}

fn claims() -> Value {
    json!({"iss": "dev", "aud": SYNC, "sub": USER, "org": "contoso", "exp": NOW + 60, "iat": NOW})
}

fn sign(claims: &Value, key: &KeyPair, id: Option<&str>) -> String {
    let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_pem(key.private.as_bytes()).unwrap()).unwrap()
}

fn signed(claims: &Value) -> String {
    sign(claims, &ISSUER, None)
}

fn refusal(verifier: &Verifier, token: &str) -> String {
    verifier.verify(token, Some(SYNC), NOW).unwrap_err().to_string()
}

/// A key as providers publish it.
fn published(key: &KeyPair, changes: Value) -> Value {
    let jwk = Jwk::from_decoding_key(&DecodingKey::from_ed_pem(key.public.as_bytes()).unwrap(), None).unwrap();
    with(serde_json::to_value(jwk).unwrap(), changes)
}

#[test]
fn a_good_token_names_its_user_and_organization() {
    let mut metadata = MetadataMap::new();
    let header: MetadataValue<_> = format!("Bearer {}", signed(&claims())).parse().unwrap();
    metadata.insert("authorization", header);
    let caller = verifier().caller(&metadata, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
    assert_eq!((&*caller.organization, &*caller.user), ("contoso", USER));
    assert_eq!(caller.expires, UNIX_EPOCH + Duration::from_secs(NOW + 60));
}

#[test]
fn a_token_is_good_from_its_first_second_to_its_last() {
    let token = signed(&with(claims(), json!({"nbf": NOW as f64 + 10.5})));
    let strict = verifier();
    assert!(strict.verify(&token, None, NOW + 9).unwrap_err().to_string().contains("has not come"));
    assert!(strict.verify(&token, None, NOW + 10).is_ok());
    assert!(strict.verify(&token, None, NOW + 59).is_ok());
    assert!(matches!(strict.verify(&token, None, NOW + 60), Err(SyncError::TokenExpired)));
    let lenient = verifier_of(&[with(entry(), json!({"leeway_seconds": 10}))]);
    assert!(lenient.verify(&token, None, NOW).is_ok());
    assert!(lenient.verify(&token, None, NOW + 69).is_ok());
    assert!(matches!(lenient.verify(&token, None, NOW + 70), Err(SyncError::TokenExpired)));
}

#[test]
fn a_token_of_another_key_issuer_or_audience_is_refused() {
    let verifier = verifier();
    assert!(refusal(&verifier, &sign(&claims(), &KeyPair::generate(), None)).contains("signature"));
    for (changes, cause) in [
        (json!({"iss": "else"}), "issuer"),
        (json!({"aud": "haversack-admin"}), "audience"),
        (json!({"aud": ["a", "b"]}), "audience"),
        (json!({"aud": null}), "audience"),
        (json!({"exp": null}), "`exp`"),
        (json!({"exp": "tomorrow"}), "`exp`"),
        (json!({"nbf": -1}), "`nbf`"),
        (json!({"sub": null}), "`sub`"),
        (json!({"sub": ""}), "`sub`"),
        (json!({"org": ["contoso"]}), "`org`"),
    ] {
        let told = refusal(&verifier, &signed(&with(claims(), changes)));
        assert!(told.contains(cause), "{told}");
    }
}

#[test]
fn a_token_may_be_for_several_and_is_asked_for_one() {
    let verifier = verifier_of(&[with(entry(), json!({"audience": null, "audiences": [SYNC, "haversack-admin"]}))]);
    let token = signed(&with(claims(), json!({"aud": ["else", SYNC]})));
    assert!(verifier.verify(&token, None, NOW).is_ok());
    assert!(verifier.verify(&token, Some(SYNC), NOW).is_ok());
    assert!(verifier.verify(&token, Some("haversack-admin"), NOW).is_err());
    assert!(verifier.verify(&token, Some("else"), NOW).is_err(), "the entry does not list it");
}

#[test]
fn claims_are_read_as_the_entry_says() {
    let mapped = with(entry(), json!({"user_claim": "upn", "organization_claim": "tenant"}));
    let token = signed(&with(claims(), json!({"upn": "ada@contoso.com", "tenant": 7, "org": null})));
    let told = verifier_of(std::slice::from_ref(&mapped)).verify(&token, None, NOW).unwrap().to_json();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["sub"], &told["org"]), (&json!("ada@contoso.com"), &json!("7")));
    assert_eq!((&told["upn"], &told["exp"]), (&json!("ada@contoso.com"), &json!(NOW + 60)));
    let fixed = with(mapped, json!({"organization_claim": null, "organization": "fabrikam"}));
    let told = verifier_of(&[fixed]).verify(&token, None, NOW).unwrap();
    assert_eq!((&*told.user, &*told.organization), ("ada@contoso.com", "fabrikam"));
}

#[test]
fn keys_of_a_set_are_chosen_by_their_names() {
    let [first, second, unused] = [KeyPair::generate(), KeyPair::generate(), KeyPair::generate()];
    let set = json!({"keys": [
        published(&first, json!({"kid": "1", "alg": "EdDSA", "use": "sig"})),
        published(&second, json!({"kid": "2"})),
        published(&unused, json!({"kid": "3", "use": "enc"})),
        {"kty": "AKP", "kid": "4", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "oct", "kid": "5", "k": "c2VjcmV0"},
    ]});
    for set in [set.clone(), json!(set.to_string())] {
        let verifier = verifier_of(&[with(entry(), json!({"public_key_pem": null, "keys": set}))]);
        let verify = |key: &KeyPair, id| verifier.verify(&sign(&claims(), key, id), None, NOW);
        assert!(verify(&first, Some("1")).is_ok());
        assert!(verify(&second, Some("2")).is_ok());
        assert!(verify(&second, None).is_ok(), "a token that names no key is tried with all");
        assert!(verify(&first, Some("2")).unwrap_err().to_string().contains("signature"));
        assert!(verify(&unused, Some("3")).unwrap_err().to_string().contains("called \"3\""));
        assert!(verify(&unused, None).is_err());
    }
}

#[test]
fn a_secret_or_nothing_signs_no_token() {
    let verifier = verifier();
    let secret = EncodingKey::from_secret(ISSUER.public.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims(), &secret).unwrap();
    assert!(refusal(&verifier, &token).contains("HS256"));
    // {"alg":"none","typ":"JWT"}
    let (_, rest) = token.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", rest.split_once('.').unwrap().0);
    assert!(refusal(&verifier, &unsigned).contains("malformed"));
    assert!(refusal(&verifier, "not.a.token").contains("malformed"));
    assert!(refusal(&verifier, &"x".repeat(TOKEN_BYTES_MAX + 1)).contains("longer"));
    let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::EdDSA) };
    let key = EncodingKey::from_ed_pem(ISSUER.private.as_bytes()).unwrap();
    assert!(refusal(&verifier, &jsonwebtoken::encode(&header, &claims(), &key).unwrap()).contains("extensions"));
}

#[test]
fn entries_that_cannot_be_used_are_refused_and_say_why() {
    let weak = json!({"keys": [{"kty": "RSA", "e": "AQAB", "n": "x".repeat(200)}]});
    for (changes, cause) in [
        (json!({"public_key_pem": null}), "`public_key_pem`"),
        (json!({"public_key_pem": "pem"}), "`public_key_pem`"),
        (json!({"keys": {"keys": []}}), "one of the two"),
        (json!({"public_key_pem": null, "keys": {"keys": []}}), "no public key"),
        (json!({"public_key_pem": null, "keys": []}), "no JWKS"),
        (json!({"public_key_pem": null, "keys": weak}), "no public key"),
        (json!({"algorithms": ["HS256"]}), "HS256"),
        (json!({"algorithms": ["none"]}), "none"),
        (json!({"algorithms": ["RS256"]}), "`algorithms`"),
        (json!({"audience": null}), "`audience`"),
        (json!({"audience": ""}), "`audience`"),
        (json!({"leeway_seconds": TOKEN_LEEWAY_SECONDS_MAX + 1}), "`leeway_seconds`"),
        (json!({"organization": "a", "organization_claim": "b"}), "not both"),
        (json!({"tenant": "a"}), "tenant"),
    ] {
        let refused = Verifier::from_json(&json!([with(entry(), changes.clone())]).to_string()).err();
        let Some(SyncError::ConfigurationInvalid(told)) = refused else { panic!("{changes} is refused") };
        assert!(told.contains(cause), "{told}");
    }
}

#[test]
fn verified_tokens_are_remembered_within_a_bound_and_until_they_end() {
    let verifier = verifier();
    let token = signed(&claims());
    let first = verifier.verify(&token, None, NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &verifier.verify(&token, Some(SYNC), NOW + 1).unwrap()));
    assert!(verifier.verify(&token, None, NOW + 60).is_err());
    assert_eq!(verifier.verified.lock().len(), 0);
    let mut kept = Verified::default();
    for number in 0..3 * VERIFIED_TOKENS_MAX as u64 {
        kept.put(hash(&number.to_string()), Arc::clone(&first));
        assert!(kept.get(&hash("0")).is_some(), "what is used stays");
        assert!(kept.len() <= VERIFIED_TOKENS_MAX);
    }
    assert!(kept.get(&hash("1")).is_none());
}

#[test]
fn a_call_without_a_token_says_so() {
    let error = verifier().caller(&MetadataMap::new(), UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, SyncError::TokenMissing));
}
