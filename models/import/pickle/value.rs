//! What a pickle stream can build here.

use super::globals::Global;
use crate::import::WeightType;

/// Index of a value in its [`Pickled`]. Values refer to each other by index, so shared and cyclic structures cost nothing extra.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub(super) u32);

/// A tensor as the stream describes it: a window into a storage that lies elsewhere in the archive.
#[derive(Debug, Clone)]
pub struct TensorView {
    /// Element type of the storage.
    pub dtype: WeightType,
    /// The storage's key: a [`Value::Str`], the entry `data/KEY` of the archive.
    pub key: Id,
    /// Elements of the storage.
    pub storage_elements: u64,
    /// First element.
    pub offset: u64,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Distance in elements between neighbours of each axis.
    pub strides: Vec<usize>,
}

/// A value built by a pickle stream.
#[derive(Debug)]
pub enum Value {
    /// A number, flag, byte string or foreign object that no weight depends on.
    Opaque,
    /// An integer that fits 64 bits.
    Int(i64),
    /// Text.
    Str(Box<str>),
    /// Fixed sequence.
    Tuple(Box<[Id]>),
    /// Growing sequence.
    List(Vec<Id>),
    /// Dictionary, in insertion order; later entries win.
    Dict(Vec<(Id, Id)>),
    /// A name from the allow-list.
    Global(Global),
    /// A TorchScript module with its attributes (a [`Value::Dict`]) once they were set.
    Module(Option<Id>),
    /// A storage named by a persistent id.
    Storage {
        /// Element type.
        dtype: WeightType,
        /// See [`TensorView::key`].
        key: Id,
        /// Number of elements.
        elements: u64,
    },
    /// A tensor.
    Tensor(Box<TensorView>),
}

/// The finished stream: all values and the one on top at the end.
#[derive(Debug)]
pub struct Pickled {
    pub(super) values: Vec<Value>,
    /// The stream's result.
    pub root: Id,
}

impl Pickled {
    /// A value by its index.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    /// The text of a [`Value::Str`].
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
}
