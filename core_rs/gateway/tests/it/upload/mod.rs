//! What devices write, over real sockets: judged, made true once, and told.

mod device;
mod outcomes;
mod world;
