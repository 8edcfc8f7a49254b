//! Integration tests of the engine, one binary.

mod reconcile;
mod views;
