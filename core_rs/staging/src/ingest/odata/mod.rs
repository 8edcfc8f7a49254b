//! Pages of an OData service: rows, deletions and links, from the bytes of one answer.
//!
//! A page is read as a whole before anything of it is written, since where a reader goes on is in its last bytes; a page
//! that was cut off is no JSON, and nothing of it counts. Then [`take`] writes its rows and the position behind it in one
//! commit (a large page in several, of which the last one has the position).
//!
//! Forms of OData 4.0 and 4.01 are understood alike: `@odata.nextLink` and `@nextLink`, `…/$deletedEntity` and
//! `@removed`, ids that are keys and ids that are addresses.

mod address;
mod page;
mod take;

pub use page::{Page, Reading};
pub use take::{Place, Sweep, Told, sweep, take};
