//! What the log says of calls: one line when a stream begins or is refused, under the names that the admin endpoint uses.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use haversack_proto::sync::SyncRequest;
use tonic::metadata::MetadataMap;

use crate::auth::Caller;
use crate::errors::{SyncError, reason_name};
use crate::limits::{INSTALL_ID_BYTES, REQUEST_ID_BYTES_MAX};

/// Metadata with which a caller names a call.
const REQUEST_ID_KEY: &str = "x-request-id";

/// What is known of a call.
pub(crate) struct CallLabels {
    request: String,
    device: String,
    organization: String,
    user: String,
}

impl CallLabels {
    /// Takes what a call says of itself, before anybody has checked it.
    pub(crate) fn of(metadata: &MetadataMap, request: &SyncRequest) -> Self {
        let given = metadata.get(REQUEST_ID_KEY).and_then(|value| value.to_str().ok()).filter(|it| is_request_id(it));
        let install = &request.install_id[..request.install_id.len().min(INSTALL_ID_BYTES)];
        Self {
            request: given.map_or_else(made_request_id, str::to_owned),
            device: hexadecimal(install),
            organization: String::new(),
            user: String::new(),
        }
    }

    /// Takes what its token says, once that was verified.
    pub(crate) fn know(&mut self, caller: &Caller) {
        self.organization = caller.organization.to_string();
        self.user = caller.user.to_string();
    }

    /// Writes the line.
    pub(crate) fn log<Stream>(&self, result: &Result<Stream, SyncError>) {
        let Self { request, device, organization, user } = self;
        match result {
            Ok(_) => tracing::info!(request, device, organization, user, "a stream began"),
            Err(error) => {
                let outcome = reason_name(error.reason());
                tracing::info!(request, device, organization, user, outcome, %error, "a stream was refused");
            }
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the admin endpoint takes as well: nothing that would have to be escaped anywhere.
fn is_request_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/+=-".contains(&byte);
    !text.is_empty() && text.len() <= REQUEST_ID_BYTES_MAX && text.bytes().all(allowed)
}

/// An id that no other call has: random for each process, and counted within it.
fn made_request_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", *PROCESS, CALLS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(id: &'static str) -> CallLabels {
        let mut metadata = MetadataMap::new();
        metadata.insert(REQUEST_ID_KEY, id.parse().unwrap());
        CallLabels::of(&metadata, &SyncRequest { install_id: vec![0xab; 99].into(), ..SyncRequest::default() })
    }

    #[test]
    fn a_call_keeps_the_id_that_it_came_with() {
        assert_eq!(labels("trace-1").request, "trace-1");
        assert_eq!(labels("trace-1").device, "ab".repeat(INSTALL_ID_BYTES));
    }

    #[test]
    fn a_call_without_a_usable_id_gets_one_of_its_own() {
        let (first, second) = (labels("not one"), labels(""));
        assert_eq!((first.request.len(), second.request.len()), (32, 32));
        assert_ne!(first.request, second.request);
    }
}
