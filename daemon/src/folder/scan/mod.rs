//! Looks at a watched folder: what lies in it, what belongs together, how long each file has been unchanged.

mod index;
mod list;
mod pairs;
#[cfg(test)]
pub mod tests;
mod track;

pub use list::{Left, NAMES_MAX, list};
#[cfg(test)]
pub use pairs::Sorted;
pub use pairs::{Pair, Waiting, sort};
pub use track::{PhotoSize, Tracker, Verdict};
