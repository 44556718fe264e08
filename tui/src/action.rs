//! What a user can do. One list serves the key map, the help, the command line and the hints at the bottom.

use crate::screen::ScreenId;
use crate::widget::edit::EditStep;

/// Where keys mean something. A key is looked up in the innermost context first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// Everywhere but in dialogs and lines of text.
    Global,
    /// Tables, and everything that scrolls.
    List,
    /// The table of jobs.
    Jobs,
    /// One job.
    Job,
    /// The table of keys.
    Keys,
    /// The table of accounts.
    Accounts,
    /// The ledger of an account.
    Ledger,
    /// The table of folders.
    Folders,
    /// The table of models.
    Models,
    /// The log.
    Log,
    /// A line of text: command, filter, a field of a form. Keys without an action here write their character.
    Edit,
    /// A question, a notice, a form.
    Dialog,
}

impl Context {
    /// Name of its table in the key map.
    pub fn name(self) -> &'static str {
        match self {
            Context::Global => "global",
            Context::List => "list",
            Context::Jobs => "jobs",
            Context::Job => "job",
            Context::Keys => "keys",
            Context::Accounts => "accounts",
            Context::Ledger => "ledger",
            Context::Folders => "folders",
            Context::Models => "models",
            Context::Log => "log",
            Context::Edit => "edit",
            Context::Dialog => "dialog",
        }
    }
}

/// A step through a table or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// What can be done with a folder or a model by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A folder takes no new pairs.
    Pause,
    /// A folder takes pairs again.
    Resume,
    /// A folder is looked at now.
    Rescan,
    /// Weights into memory.
    Load,
    /// Weights out of memory.
    Unload,
    /// Weights against their hash.
    Verify,
    /// Weights from the net.
    Pull,
}

impl Verb {
    /// Its name in paths and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Rescan => "rescan",
            Verb::Load => "load",
            Verb::Unload => "unload",
            Verb::Verify => "verify",
            Verb::Pull => "pull",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End the program.
    Quit,
    /// Show or leave the help.
    Help,
    /// Open the command line.
    Command,
    /// Leave the innermost thing: dialog, filter, marks, detail.
    Back,
    /// Show a screen.
    Go(ScreenId),
    /// Show the next screen.
    NextScreen,
    /// Show the screen before.
    PreviousScreen,
    /// Fetch everything anew.
    Refresh,
    /// Stop showing changes, or show them again.
    Freeze,
    /// Give the terminal back to the shell until `fg`.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Move through the table.
    Move(Move),
    /// Open the filter line.
    Filter,
    /// Mark or unmark the row, and go on to the next.
    Mark,
    /// Mark the rows from the last mark to this one.
    MarkRange,
    /// Mark all rows of the filter, or none if all are.
    MarkAll,
    /// Sort by the next column.
    SortNext,
    /// Sort by the column before.
    SortPrevious,
    /// Turn the order round.
    SortReverse,
    /// Open what the cursor is on.
    Open,
    /// Copy the id, hash or line under the cursor.
    Copy,
    /// Cancel jobs.
    CancelJobs,
    /// Retry jobs.
    RetryJobs,
    /// Show only jobs of the next state.
    NextStatus,
    /// Show another picture of the job.
    NextPicture,
    /// Make something: a key, an account.
    Create,
    /// Change the name and limits.
    Change,
    /// Revoke keys.
    RevokeKeys,
    /// Delete keys.
    DeleteKeys,
    /// Add credits.
    TopUp,
    /// Do something with a folder or model.
    Do(Verb),
    /// Show lines of the next level and above.
    NextLevel,
    /// Do what the dialog is about.
    Accept,
    /// Answer the question with yes.
    Yes,
    /// Answer the question with no.
    No,
    /// The next field or button.
    NextField,
    /// The field or button before.
    PreviousField,
    /// The next choice of a field.
    NextChoice,
    /// The choice before.
    PreviousChoice,
    /// Complete the command.
    Complete,
    /// The command before this one.
    HistoryBack,
    /// The command after this one.
    HistoryForward,
    /// Change the line of text.
    Edit(EditStep),
}

/// One row of [`ACTIONS`].
pub struct ActionRow {
    /// Where it can be done.
    pub context: Context,
    /// Its name in the key map and on the command line.
    pub name: &'static str,
    /// What is done.
    pub action: Action,
    /// One line for the help.
    pub what: &'static str,
    /// Whether it changes something in the daemon: not with `--readonly`.
    pub changes: bool,
}

const fn row(
    context: Context,
    name: &'static str,
    action: Action,
    what: &'static str,
) -> ActionRow {
    ActionRow {
        context,
        name,
        action,
        what,
        changes: false,
    }
}

const fn change(
    context: Context,
    name: &'static str,
    action: Action,
    what: &'static str,
) -> ActionRow {
    ActionRow {
        context,
        name,
        action,
        what,
        changes: true,
    }
}

use Context as C;

/// Every action, in the order in which the help shows them.
pub static ACTIONS: &[ActionRow] = &[
    row(C::Global, "help", Action::Help, "This help"),
    row(C::Global, "command", Action::Command, "Command line"),
    row(
        C::Global,
        "back",
        Action::Back,
        "Back: dialog, filter, marks, detail",
    ),
    row(
        C::Global,
        "overview",
        Action::Go(ScreenId::Overview),
        "Overview",
    ),
    row(C::Global, "jobs", Action::Go(ScreenId::Jobs), "Jobs"),
    row(C::Global, "keys", Action::Go(ScreenId::Keys), "Keys"),
    row(
        C::Global,
        "accounts",
        Action::Go(ScreenId::Accounts),
        "Accounts",
    ),
    row(
        C::Global,
        "folders",
        Action::Go(ScreenId::Folders),
        "Watched folders",
    ),
    row(C::Global, "models", Action::Go(ScreenId::Models), "Models"),
    row(C::Global, "log", Action::Go(ScreenId::Log), "Log"),
    row(C::Global, "next-screen", Action::NextScreen, "Next screen"),
    row(
        C::Global,
        "previous-screen",
        Action::PreviousScreen,
        "Previous screen",
    ),
    row(
        C::Global,
        "refresh",
        Action::Refresh,
        "Fetch everything anew",
    ),
    row(
        C::Global,
        "freeze",
        Action::Freeze,
        "Hold the picture, or let it go on",
    ),
    row(C::Global, "redraw", Action::Redraw, "Draw the screen anew"),
    row(
        C::Global,
        "suspend",
        Action::Suspend,
        "Back to the shell until fg",
    ),
    row(C::Global, "quit", Action::Quit, "Quit"),
    row(C::List, "up", Action::Move(Move::Up), "Row up"),
    row(C::List, "down", Action::Move(Move::Down), "Row down"),
    row(C::List, "page-up", Action::Move(Move::PageUp), "Page up"),
    row(
        C::List,
        "page-down",
        Action::Move(Move::PageDown),
        "Page down",
    ),
    row(C::List, "first", Action::Move(Move::First), "First row"),
    row(
        C::List,
        "last",
        Action::Move(Move::Last),
        "Last row, and older ones",
    ),
    row(C::List, "open", Action::Open, "Open"),
    row(
        C::List,
        "filter",
        Action::Filter,
        "Filter: words, !word, column:word",
    ),
    row(C::List, "mark", Action::Mark, "Mark the row"),
    row(
        C::List,
        "mark-range",
        Action::MarkRange,
        "Mark from the last mark to here",
    ),
    row(
        C::List,
        "mark-all",
        Action::MarkAll,
        "Mark all rows, or none",
    ),
    row(
        C::List,
        "sort-next",
        Action::SortNext,
        "Sort by the next column",
    ),
    row(
        C::List,
        "sort-previous",
        Action::SortPrevious,
        "Sort by the column before",
    ),
    row(
        C::List,
        "sort-reverse",
        Action::SortReverse,
        "Turn the order round",
    ),
    row(C::List, "copy", Action::Copy, "Copy the id, hash or line"),
    change(
        C::Jobs,
        "cancel",
        Action::CancelJobs,
        "Cancel the job or the marked ones",
    ),
    change(
        C::Jobs,
        "retry",
        Action::RetryJobs,
        "Retry the job or the marked ones",
    ),
    row(
        C::Jobs,
        "next-status",
        Action::NextStatus,
        "Only jobs of the next state",
    ),
    change(C::Job, "cancel", Action::CancelJobs, "Cancel the job"),
    change(C::Job, "retry", Action::RetryJobs, "Retry the job"),
    row(
        C::Job,
        "picture",
        Action::NextPicture,
        "Before and after, before, after, mask",
    ),
    change(C::Keys, "create", Action::Create, "Make a key"),
    change(
        C::Keys,
        "change",
        Action::Change,
        "Rename, limits, pipelines, expiry",
    ),
    change(
        C::Keys,
        "revoke",
        Action::RevokeKeys,
        "Revoke the key or the marked ones",
    ),
    change(
        C::Keys,
        "delete",
        Action::DeleteKeys,
        "Delete the key or the marked ones",
    ),
    change(C::Accounts, "create", Action::Create, "Make an account"),
    change(C::Accounts, "change", Action::Change, "Rename"),
    change(C::Accounts, "top-up", Action::TopUp, "Add credits"),
    change(C::Ledger, "top-up", Action::TopUp, "Add credits"),
    change(
        C::Folders,
        "pause",
        Action::Do(Verb::Pause),
        "Take no new pairs",
    ),
    change(
        C::Folders,
        "resume",
        Action::Do(Verb::Resume),
        "Take pairs again",
    ),
    change(
        C::Folders,
        "rescan",
        Action::Do(Verb::Rescan),
        "Look at the whole folder now",
    ),
    change(
        C::Models,
        "load",
        Action::Do(Verb::Load),
        "Load the weights into memory",
    ),
    change(
        C::Models,
        "unload",
        Action::Do(Verb::Unload),
        "Free the weights",
    ),
    change(
        C::Models,
        "pull",
        Action::Do(Verb::Pull),
        "Download the published weights",
    ),
    change(
        C::Models,
        "verify",
        Action::Do(Verb::Verify),
        "Check the weights against their hash",
    ),
    row(
        C::Log,
        "next-level",
        Action::NextLevel,
        "Only lines of the next level and above",
    ),
    row(C::Dialog, "accept", Action::Accept, "Do it"),
    row(C::Dialog, "yes", Action::Yes, "Yes"),
    row(C::Dialog, "no", Action::No, "No"),
    row(
        C::Dialog,
        "next-field",
        Action::NextField,
        "Next field or button",
    ),
    row(
        C::Dialog,
        "previous-field",
        Action::PreviousField,
        "Field or button before",
    ),
    row(C::Dialog, "next-choice", Action::NextChoice, "Next choice"),
    row(
        C::Dialog,
        "previous-choice",
        Action::PreviousChoice,
        "Choice before",
    ),
    row(C::Dialog, "copy-secret", Action::Copy, "Copy the secret"),
    row(
        C::Edit,
        "complete",
        Action::Complete,
        "Complete the command",
    ),
    row(
        C::Edit,
        "history-back",
        Action::HistoryBack,
        "Command before",
    ),
    row(
        C::Edit,
        "history-forward",
        Action::HistoryForward,
        "Command after",
    ),
    row(
        C::Edit,
        "left",
        Action::Edit(EditStep::Left),
        "Character to the left",
    ),
    row(
        C::Edit,
        "right",
        Action::Edit(EditStep::Right),
        "Character to the right",
    ),
    row(
        C::Edit,
        "home",
        Action::Edit(EditStep::Home),
        "Start of the line",
    ),
    row(
        C::Edit,
        "end",
        Action::Edit(EditStep::End),
        "End of the line",
    ),
    row(
        C::Edit,
        "backspace",
        Action::Edit(EditStep::Backspace),
        "Remove the character before",
    ),
    row(
        C::Edit,
        "delete",
        Action::Edit(EditStep::Delete),
        "Remove the character under the cursor",
    ),
    row(
        C::Edit,
        "delete-word",
        Action::Edit(EditStep::DeleteWord),
        "Remove the word before",
    ),
    row(
        C::Edit,
        "clear",
        Action::Edit(EditStep::Clear),
        "Remove everything before",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_their_context() {
        let mut names: Vec<_> = ACTIONS.iter().map(|row| (row.context, row.name)).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn an_action_changes_the_daemon_everywhere_or_nowhere() {
        for a in ACTIONS {
            assert!(
                ACTIONS
                    .iter()
                    .all(|b| a.action != b.action || a.changes == b.changes),
                "{}",
                a.name
            );
        }
    }
}
