//! The reconcile machine from the outside: against a simulated device, and against the golden session scripts.
#![expect(clippy::unwrap_used, reason = "in a test, a surprise is a failure")]

mod device;
mod documents;
mod goldens;
mod properties;
mod rules;
mod simulation;
mod world;
