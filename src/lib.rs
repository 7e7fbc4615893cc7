//! Stentor
pub mod limits;
pub mod clock;
pub mod process;
pub mod delivery;
pub mod wire;
pub mod log;
pub mod engine;
pub mod net;
pub mod server;
pub mod mls;
pub mod load;
pub mod report;
pub mod cli;
#[cfg(test)]
mod tests;
