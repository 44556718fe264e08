//! Python pickle streams, read as data. Nothing is ever imported or called: an allow-listed set of opcodes builds
//! plain [`Value`]s, an allow-listed set of names stands for the few functions whose meaning is needed.

mod globals;
mod machine;
mod objects;
mod stream;
mod value;

pub use machine::load;
pub use value::{Id, Pickled, TensorView, Value};

#[cfg(test)]
mod tests;
