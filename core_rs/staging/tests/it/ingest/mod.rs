//! Ingest into real files.

mod actions;
mod csv;
mod json;
mod odata;
mod organization;
mod pipeline;
mod together;
