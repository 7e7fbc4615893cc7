//! Whatever needs more than one module to test; the table of layers is one of them.
//!
//! `binary` beside them is a test target of its own: it starts the built `stentor`. `fuzz` is a
//! package of its own, for a fuzzer.

mod absences;
mod contention;
mod churn;
mod corpus;
mod forecast;
mod impostor;
mod key_packages;
mod layers;
mod levels;
mod peers;
mod scenarios;
mod series;
mod service;
mod wire_openmls;
