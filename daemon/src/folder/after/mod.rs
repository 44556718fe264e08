//! What happens after a pair has ended: a command, a contact sheet, the report of a day.

mod command;
pub mod day;
mod sheet;

pub use command::{Commands, Ended};
pub use sheet::Sheet;
