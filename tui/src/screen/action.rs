//! What a user can do. One list serves the key map, the help, the command line and the hints at the bottom: what is the same
//! everywhere stands here, what belongs to a screen in its folder.

use std::sync::LazyLock;

use super::{SCREENS, ScreenId, Shared};
use crate::config::ActionName;
use crate::widget::edit::EditStep;
use crate::widget::table::Move;

/// Where keys mean something, by its name in the key map. A key is looked up in the innermost context first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context(pub &'static str);

impl Context {
    /// Everywhere but in dialogs and lines of text.
    pub const GLOBAL: Context = Context("global");
    /// Tables, and everything that scrolls.
    pub const LIST: Context = Context("list");
    /// A question, a notice, a form.
    pub const DIALOG: Context = Context("dialog");
    /// A line of text: command, filter, a field of a form. Keys without an action here write their character.
    pub const EDIT: Context = Context("edit");
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
    /// What a screen declares for a context: its place in the screen's list.
    Own(Context, usize),
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

/// One row of [`actions`].
#[derive(Debug, Clone, Copy)]
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

/// Something that a screen does when a key is pressed.
pub struct Act<S: 'static> {
    context: Context,
    name: &'static str,
    what: &'static str,
    changes: bool,
    run: fn(&mut S, &mut Shared),
}

impl<S> Act<S> {
    /// Something that only changes what is shown.
    pub const fn view(
        context: Context,
        name: &'static str,
        what: &'static str,
        run: fn(&mut S, &mut Shared),
    ) -> Act<S> {
        Act {
            context,
            name,
            what,
            changes: false,
            run,
        }
    }

    /// Something that changes the daemon, or asks how.
    pub const fn change(
        context: Context,
        name: &'static str,
        what: &'static str,
        run: fn(&mut S, &mut Shared),
    ) -> Act<S> {
        Act {
            changes: true,
            ..Act::view(context, name, what, run)
        }
    }

    /// Does it.
    pub fn run(&self, screen: &mut S, shared: &mut Shared) {
        (self.run)(screen, shared);
    }

    /// The rows of a screen's list.
    pub fn rows(acts: &'static [Act<S>]) -> Vec<ActionRow> {
        let row = |(place, act): (usize, &Act<S>)| ActionRow {
            context: act.context,
            name: act.name,
            action: Action::Own(act.context, place),
            what: act.what,
            changes: act.changes,
        };
        acts.iter().enumerate().map(row).collect()
    }
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

use Context as C;

/// The screens stand after so many rows of what is the same everywhere.
const BEFORE_SCREENS: usize = 3;

/// What is the same everywhere.
const EVERYWHERE: &[ActionRow] = &[
    row(C::GLOBAL, "help", Action::Help, "This help"),
    row(C::GLOBAL, "command", Action::Command, "Command line"),
    row(
        C::GLOBAL,
        "back",
        Action::Back,
        "Back: dialog, filter, marks, detail",
    ),
    row(C::GLOBAL, "next-screen", Action::NextScreen, "Next screen"),
    row(
        C::GLOBAL,
        "previous-screen",
        Action::PreviousScreen,
        "Previous screen",
    ),
    row(
        C::GLOBAL,
        "refresh",
        Action::Refresh,
        "Fetch everything anew",
    ),
    row(
        C::GLOBAL,
        "freeze",
        Action::Freeze,
        "Hold the picture, or let it go on",
    ),
    row(C::GLOBAL, "redraw", Action::Redraw, "Draw the screen anew"),
    row(
        C::GLOBAL,
        "suspend",
        Action::Suspend,
        "Back to the shell until fg",
    ),
    row(C::GLOBAL, "quit", Action::Quit, "Quit"),
    row(C::LIST, "up", Action::Move(Move::Up), "Row up"),
    row(C::LIST, "down", Action::Move(Move::Down), "Row down"),
    row(C::LIST, "page-up", Action::Move(Move::PageUp), "Page up"),
    row(
        C::LIST,
        "page-down",
        Action::Move(Move::PageDown),
        "Page down",
    ),
    row(C::LIST, "first", Action::Move(Move::First), "First row"),
    row(
        C::LIST,
        "last",
        Action::Move(Move::Last),
        "Last row, and older ones",
    ),
    row(C::LIST, "open", Action::Open, "Open"),
    row(
        C::LIST,
        "filter",
        Action::Filter,
        "Filter: words, !word, column:word",
    ),
    row(C::LIST, "mark", Action::Mark, "Mark the row"),
    row(
        C::LIST,
        "mark-range",
        Action::MarkRange,
        "Mark from the last mark to here",
    ),
    row(
        C::LIST,
        "mark-all",
        Action::MarkAll,
        "Mark all rows, or none",
    ),
    row(
        C::LIST,
        "sort-next",
        Action::SortNext,
        "Sort by the next column",
    ),
    row(
        C::LIST,
        "sort-previous",
        Action::SortPrevious,
        "Sort by the column before",
    ),
    row(
        C::LIST,
        "sort-reverse",
        Action::SortReverse,
        "Turn the order round",
    ),
    row(C::LIST, "copy", Action::Copy, "Copy the id, hash or line"),
];

/// Dialogs and lines of text.
const DIALOGS: &[ActionRow] = &[
    row(C::DIALOG, "accept", Action::Accept, "Do it"),
    row(C::DIALOG, "yes", Action::Yes, "Yes"),
    row(C::DIALOG, "no", Action::No, "No"),
    row(
        C::DIALOG,
        "next-field",
        Action::NextField,
        "Next field or button",
    ),
    row(
        C::DIALOG,
        "previous-field",
        Action::PreviousField,
        "Field or button before",
    ),
    row(C::DIALOG, "next-choice", Action::NextChoice, "Next choice"),
    row(
        C::DIALOG,
        "previous-choice",
        Action::PreviousChoice,
        "Choice before",
    ),
    row(C::DIALOG, "copy-secret", Action::Copy, "Copy the secret"),
    row(
        C::EDIT,
        "complete",
        Action::Complete,
        "Complete the command",
    ),
    row(
        C::EDIT,
        "history-back",
        Action::HistoryBack,
        "Command before",
    ),
    row(
        C::EDIT,
        "history-forward",
        Action::HistoryForward,
        "Command after",
    ),
    row(
        C::EDIT,
        "left",
        Action::Edit(EditStep::Left),
        "Character to the left",
    ),
    row(
        C::EDIT,
        "right",
        Action::Edit(EditStep::Right),
        "Character to the right",
    ),
    row(
        C::EDIT,
        "home",
        Action::Edit(EditStep::Home),
        "Start of the line",
    ),
    row(
        C::EDIT,
        "end",
        Action::Edit(EditStep::End),
        "End of the line",
    ),
    row(
        C::EDIT,
        "backspace",
        Action::Edit(EditStep::Backspace),
        "Remove the character before",
    ),
    row(
        C::EDIT,
        "delete",
        Action::Edit(EditStep::Delete),
        "Remove the character under the cursor",
    ),
    row(
        C::EDIT,
        "delete-word",
        Action::Edit(EditStep::DeleteWord),
        "Remove the word before",
    ),
    row(
        C::EDIT,
        "clear",
        Action::Edit(EditStep::Clear),
        "Remove everything before",
    ),
];

static ALL: LazyLock<Vec<ActionRow>> = LazyLock::new(|| {
    let (first, rest) = EVERYWHERE.split_at(BEFORE_SCREENS);
    let go = SCREENS.iter().enumerate().map(|(place, entry)| {
        row(
            C::GLOBAL,
            entry.name,
            Action::Go(ScreenId(place)),
            entry.what,
        )
    });
    let own = SCREENS.iter().flat_map(|entry| (entry.actions)());
    first
        .iter()
        .copied()
        .chain(go)
        .chain(rest.iter().copied())
        .chain(own)
        .chain(DIALOGS.iter().copied())
        .collect()
});

/// Every action, in the order in which the help shows them.
pub fn actions() -> &'static [ActionRow] {
    &ALL
}

/// The names of all actions, for the key map.
pub fn action_names() -> Vec<ActionName> {
    let name = |row: &ActionRow| (row.context.0, row.name);
    actions().iter().map(name).collect()
}

/// The place of an action in [`actions`].
pub fn place_of(context: Context, action: Action) -> Option<usize> {
    let found = |row: &ActionRow| row.context == context && row.action == action;
    actions().iter().position(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_their_context() {
        let mut names = action_names();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn an_action_changes_the_daemon_everywhere_or_nowhere() {
        for a in actions() {
            assert!(
                actions()
                    .iter()
                    .all(|b| a.action != b.action || a.changes == b.changes),
                "{}",
                a.name
            );
        }
    }
}
