//! What a table shows: words that must all be found, `!word` that must not, `column:word` that must be in that column.

/// A parsed filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    not: bool,
    column: Option<usize>,
    text: String,
}

impl Filter {
    /// Reads a filter; `titles` are the columns, any beginning of a title names it.
    pub fn parse(text: &str, titles: &[&str]) -> Filter {
        let words = text.split_whitespace().map(|word| {
            let (not, word) = word
                .strip_prefix('!')
                .map_or((false, word), |rest| (true, rest));
            let of_column = word
                .split_once(':')
                .filter(|(title, _)| !title.is_empty())
                .and_then(|(title, rest)| {
                    let title = title.to_lowercase();
                    titles
                        .iter()
                        .position(|known| known.to_lowercase().starts_with(&title))
                        .map(|column| (column, rest))
                });
            let (column, text) =
                of_column.map_or((None, word), |(column, rest)| (Some(column), rest));
            Word {
                not,
                column,
                text: text.to_lowercase(),
            }
        });
        Filter {
            text: text.to_string(),
            words: words.filter(|word| !word.text.is_empty()).collect(),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a row with these texts passes, one text per column.
    pub fn passes(&self, texts: &[String]) -> bool {
        let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        self.words.iter().all(|word| {
            let found = match word.column {
                Some(column) => lower
                    .get(column)
                    .is_some_and(|text| text.contains(&word.text)),
                None => lower.iter().any(|text| text.contains(&word.text)),
            };
            found != word.not
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_columns_and_negations() {
        let titles = ["File", "Status"];
        let rows = [
            ["Sea.JPG", "completed"],
            ["completed.png", "failed"],
            ["sky.png", "pending"],
        ];
        let shown = |text: &str| -> Vec<&str> {
            let filter = Filter::parse(text, &titles);
            let passes = |row: &&[&str; 2]| filter.passes(&row.map(str::to_string));
            rows.iter().filter(passes).map(|row| row[0]).collect()
        };
        assert_eq!(shown(""), ["Sea.JPG", "completed.png", "sky.png"]);
        assert_eq!(shown("sea"), ["Sea.JPG"]);
        assert_eq!(shown("completed"), ["Sea.JPG", "completed.png"]);
        assert_eq!(shown("status:completed"), ["Sea.JPG"]);
        assert_eq!(shown("st:fail png"), ["completed.png"]);
        assert_eq!(shown("!png"), ["Sea.JPG"]);
        assert_eq!(shown("!st:pend png"), ["completed.png"]);
        assert_eq!(
            shown("st: !"),
            rows.map(|row| row[0]),
            "unfinished words hide nothing"
        );
        assert!(
            shown("http://x").is_empty(),
            "a colon after no column is text"
        );
    }
}
