//! What a file leaves behind on its way, told in plain sentences.

/// Collects what was left out; [`Notes::sentences`] tells it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pictures: Vec<&'static str>,
    other: Vec<String>,
    /// The file stops before its end.
    pub unended: bool,
}

impl Notes {
    /// A picture of the original was left out: `what` names it.
    pub fn picture(&mut self, what: &'static str) {
        if !self.pictures.contains(&what) {
            self.pictures.push(what);
        }
    }

    /// Says something else, once however often it happens.
    pub fn say(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.other.contains(&sentence) {
            self.other.push(sentence);
        }
    }

    /// Everything noted: embedded pictures in one sentence, then the rest in order.
    pub fn sentences(self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.pictures.is_empty() {
            all.push(format!(
                "embedded pictures of the original were left out: {}",
                self.pictures.join(", ")
            ));
        }
        all.extend(self.other);
        all
    }
}
