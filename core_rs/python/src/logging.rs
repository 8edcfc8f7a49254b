//! The log of the Rust side: JSON lines on standard error, as the Python side writes them.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Names the level, or a filter per module; the default is `warn`.
const VARIABLE: &str = "HAVERSACK_LOG";

/// Starts logging. Does nothing if the process has a subscriber already.
pub fn start() {
    let filter =
        EnvFilter::builder().with_env_var(VARIABLE).with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr);
    if subscriber.try_init().is_err() {
        tracing::debug!("another subscriber is in place");
    }
}
