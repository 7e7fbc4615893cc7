//! Whatever needs more than one module to test; the table of layers is one of them.
//!
//! `binary` beside them is a test target of its own: it starts the built `stentor`.

mod key_packages;
mod layers;
mod peers;
mod scenarios;
mod service;
mod wire_openmls;
