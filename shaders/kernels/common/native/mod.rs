//! What the fast CPU twins share: instruction sets, the matrix-product microkernel, packing, tasks over threads.
//!
//! Every heavy twin is a matrix product `C = A B` with A = weights (rows = output channels) and B = pixels (columns).
//! A is packed once per operation into panels of [`Isa::rows`] rows, B per block of pixels into panels of
//! [`Isa::columns`] columns, small enough for the second-level cache; the microkernel multiplies one panel pair with
//! the result in registers. Scratch memory comes from the caller ([`crate::Op::native_scratch`]).

mod cached;
mod columns;
mod im2col;
mod isa;
mod micro;
mod pack;
mod part;
mod runs;
mod store;
mod streamed;
mod tasks;
mod tokens;
mod transpose;
mod vector;

pub use isa::Isa;
pub use tasks::with_threads_max;

pub(crate) use cached::Cached;
pub(crate) use columns::Columns;
pub(crate) use im2col::Input;
pub(crate) use isa::by_isa;
pub(crate) use micro::multiply;
pub(crate) use pack::{Packed, Tile, panel_height};
pub(crate) use part::part;
pub(crate) use runs::{Run, runs};
pub(crate) use store::Store;
pub(crate) use streamed::{Block, KeyBias, Streamed};
pub(crate) use tasks::{Disjoint, lanes, run_pieces, run_tasks};
pub(crate) use tokens::{PackedColumns, TokenTile};
pub(crate) use transpose::transpose;
pub(crate) use vector::{Vector, by_vector};
