//! The reconcile machine from the outside: against a simulated device, and against the golden session scripts.

mod device;
mod goldens;
mod properties;
mod rules;
mod simulation;
mod world;
