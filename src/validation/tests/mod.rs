//! The levels against real groups, and against what no member should send.

mod attachments;
pub(crate) mod bed;
mod following;
mod forge;
mod founding;
mod header;
mod lists;
mod messages;
mod stage;
mod trees;
