//! Parts of screens: what they hold, and how they are drawn.

pub mod column;
pub mod dialog;
pub mod edit;
pub mod filter;
pub mod form;
pub mod graph;
pub mod ink;
pub mod table;
pub mod table_view;
