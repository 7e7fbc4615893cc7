//! What a run leaves behind: the versioned record, its verdict, its text, its page, its folder.
//!
//! Never measures and never prints: it turns what `load` counted into types, strings and files.
//! Called by `cli`.

pub mod build;
pub mod chart;
pub mod contention;
pub mod doubt;
pub mod folder;
pub mod host;
pub mod host_summary;
pub mod html;
pub mod intervals;
pub mod joins;
pub mod junit;
pub mod paragraph;
pub mod provenance;
pub mod record;
pub mod returns;
pub mod slow;
pub mod summary;
pub mod thresholds;
pub mod utc;
pub mod verdict;

#[cfg(test)]
pub(crate) mod tests;
