//! The open-loop load engine: what it will do, when, and how it knows that nothing was lost.
//!
//! `scenario`, `population` and `schedule` fix everything before the run and are pure; `recorder`,
//! `occupancy` and `oracle` judge it while it runs and read no clock either. Never names the
//! server's side (`engine`, `log`, `server`), so the generator cannot cheat. Called by `cli`.

pub mod attempt;
pub mod arrivals;
pub mod away;
pub mod bytes;
pub mod check;
mod check_away;
mod check_mix;
mod check_phases;
pub mod client;
mod draws;
pub mod drift;
pub mod forecast;
pub mod intervals;
pub mod contention;
pub mod joins;
pub mod late;
pub mod mix;
pub mod noted;
pub mod occupancy;
pub mod oracle;
pub mod pacer;
pub mod part;
pub mod periods;
pub mod phases;
pub mod population;
pub mod recorder;
pub mod scenario;
mod racers;
pub mod returns;
mod roster;
pub mod run;
mod scaled;
pub mod schedule;
pub mod slow;
pub mod steady;
pub mod strain;
pub mod setup;
pub mod sizes;
pub mod target;
pub mod threshold;
pub mod timetable;
pub mod trace;
pub mod traffic;
mod trend;
mod verify;
mod worker;

pub use client::{Client, Heard, SessionNumber};
pub use run::{Outcome, RunError, Watch, run};
pub use target::Target;
pub use verify::Verified;
pub use worker::{Observer, Progress, Sample};
