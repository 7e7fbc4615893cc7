//! The levels against real groups, and against what no member should send.

mod bed;
mod header;
