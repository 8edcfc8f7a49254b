//! What devices write, over real sockets: judged, made true once, and told.

mod conflicts;
mod device;
mod failing;
mod outcomes;
mod policies;
mod queueing;
mod repeats;
mod restored;
mod rules;
mod withdrawn;
mod world;
