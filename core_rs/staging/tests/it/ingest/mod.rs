//! Ingest into real files.

mod actions;
mod csv;
mod json;
mod organization;
mod pipeline;
mod together;
