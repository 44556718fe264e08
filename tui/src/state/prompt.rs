//! The line at the bottom.

use crate::widget::edit::Edit;

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// A command.
    Command,
    /// A filter.
    Filter,
}

/// The line at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub kind: PromptKind,
    /// What is written.
    pub line: Edit,
    /// The filter as it was before, for going back.
    pub before: String,
    /// Place in the history, counted from its end.
    pub back: usize,
}
