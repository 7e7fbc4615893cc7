//! The built `stentor` as a user meets it: its lines, its exit codes, what a signal does.
//!
//! A test target of its own, for only such a one is told where the binary is. Whatever a child
//! writes goes into a temporary folder, never into the user's.

mod campaign;
mod child;
mod contend;
mod floor;
mod hostile;
mod interrupted;
mod lost;
mod operation;
mod page;
mod peers;
mod refused;
mod run;
mod serve;
mod suites;
mod survive;
mod thresholds;
mod token;
mod watched;
