//! What stands over a screen: help, questions, notices, forms, and the line at the bottom.

use cleanplate_api::admin::KeyRow;

use crate::net::Call;
use crate::widget::edit::Edit;
use crate::widget::form::Form;

/// A key that was just made. Its clear text is wiped when the notice is left.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
}

impl Secret {
    /// Keeps a clear text.
    pub fn new(text: String) -> Secret {
        Secret { text }
    }

    /// The clear text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What is freed may be read by whoever gets the memory next.
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a form is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// A new key.
    CreateKey,
    /// Other properties of a key; as it was.
    ChangeKey(Box<KeyRow>),
    /// A new account.
    CreateAccount,
    /// Another name of an account.
    ChangeAccount(i64),
    /// Credits for an account.
    TopUp(i64),
}

/// Over the screen.
#[derive(Debug)]
pub enum Overlay {
    /// Keys and what they do; the first line that is shown.
    Help(usize),
    /// Text to read.
    Notice {
        /// Its head.
        title: String,
        /// Its lines; long ones are broken where they are drawn.
        lines: Vec<String>,
        /// The first line that is shown.
        scroll: usize,
    },
    /// Yes or no.
    Question {
        /// Its head.
        title: String,
        /// What will happen.
        body: Vec<String>,
        /// Whether `yes` has the focus.
        yes: bool,
        /// What is done on yes.
        calls: Vec<Call>,
    },
    /// Fields.
    Form(Form, Purpose),
    /// A key's clear text, once.
    Secret {
        /// The clear text.
        secret: Secret,
        /// Name of the key.
        name: String,
        /// Whether it was copied.
        copied: bool,
    },
}

/// What the line at the bottom is for.
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
