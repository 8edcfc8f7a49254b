//! The pure heart of Haversack.
//!
//! It answers one question: *which rows does this user's device hold, at this LSN, revision and instant?* And
//! it turns the answer into what to send. It reads no file, no socket and no clock: rows, models and instants
//! are arguments, so a seed replays everything.
//!
//! From the outside in: [`reconcile`] walks a device towards its [`view`]; [`engine`] keeps the views of all
//! live users exact as rows, models and time change; it does so over [`columns`] (what filters, ownership and
//! relationships mention), [`directory`] (who is who), [`filter`] (FetchXML and its compiled form), [`row`] (the
//! row codec) and [`schema`] (metadata made ready).

pub mod columns;
pub mod digest;
pub mod directory;
pub mod engine;
pub mod filter;
#[cfg(test)]
mod fuzzing;
pub mod ids;
pub mod reconcile;
pub mod row;
pub mod schema;
pub mod view;
pub mod zone;
