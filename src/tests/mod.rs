//! Whatever needs more than one module to test; the table of layers is one of them.

mod layers;
mod service;
mod wire_openmls;
