//! What stands over a screen: help, questions, notices, forms.

use std::fmt;

use crate::net::Call;
use crate::widget::form::Form;

/// Names that a question lists.
const NAMES_MAX: usize = 5;

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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What becomes of a form that was filled in.
pub enum Filled {
    /// It is sent.
    Call(Call),
    /// It is asked about once more.
    Ask(Overlay),
}

/// Reads a form at this time, or says what is wrong with it.
pub type Submit = Box<dyn Fn(&mut Form, i64) -> Result<Filled, String>>;

/// What a form is for.
pub struct Purpose {
    /// What its main key does.
    pub verb: &'static str,
    /// Reads it.
    pub submit: Submit,
    /// The request that it has become.
    pub sent: Option<Call>,
}

impl fmt::Debug for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Purpose").field(&self.verb).finish()
    }
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

impl Overlay {
    /// A form.
    pub fn form(form: Form, verb: &'static str, submit: Submit) -> Overlay {
        let purpose = Purpose {
            verb,
            submit,
            sent: None,
        };
        Overlay::Form(form, purpose)
    }

    /// A question about several things, `what` one of them is; `note` says what else happens.
    pub fn question(
        verb: &str,
        what: &str,
        names: Vec<String>,
        note: &str,
        calls: Vec<Call>,
    ) -> Overlay {
        let plural = if names.len() == 1 { "" } else { "s" };
        let title = format!("{verb} {} {what}{plural}?", names.len());
        let more = names.len().saturating_sub(NAMES_MAX);
        let mut body: Vec<String> = names.into_iter().take(NAMES_MAX).collect();
        body.extend((more > 0).then(|| format!("and {more} more")));
        body.extend([String::new(), note.to_string()]);
        Overlay::Question {
            title,
            body,
            yes: false,
            calls,
        }
    }
}
