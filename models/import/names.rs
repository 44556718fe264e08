//! One name per weight, whatever wrapper saved it.

use std::borrow::Cow;

/// What is known of the names of networks' weights. Readers are told: they know no network.
pub struct Names {
    /// Whether a published name belongs to a network.
    pub known: fn(&str) -> bool,
    /// The published name of a weight that was saved without its network's own prefix; `None` where it is none.
    pub bare: fn(&str) -> Option<String>,
}

/// Name components that containers and wrapper modules put in front of a network's own names.
const WRAPPERS: &[&str] = &[
    "weights",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "sam",
    "params",
    "params_ema",
];

impl Names {
    /// The name under which published checkpoints store this weight: leading wrapper components are dropped, and a network that
    /// was saved without its own prefix (a bare LaMa generator: `model.1.ffc...`) gets it. Foreign names stay as they are.
    pub fn published<'n>(&self, stored: &'n str) -> Cow<'n, str> {
        let mut rest = stored;
        loop {
            if (self.known)(rest) {
                return Cow::Borrowed(rest);
            }
            if let Some(name) = (self.bare)(rest) {
                return Cow::Owned(name);
            }
            match rest.split_once('.') {
                Some((head, tail)) if WRAPPERS.contains(&head) => rest = tail,
                _ => return Cow::Borrowed(stored),
            }
        }
    }

    /// Whether a weight, as it is stored, belongs to a network.
    pub fn knows(&self, stored: &str) -> bool {
        (self.known)(&self.published(stored))
    }
}
