//! The levels against real groups, and against what no member should send.

mod attachments;
mod bed;
mod following;
mod forge;
mod header;
mod lists;
mod messages;
mod stage;
mod trees;
