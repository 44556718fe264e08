//! A dialog with fields.

use super::edit::Edit;

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Text.
    Text(Edit),
    /// One of these: value and what is shown.
    Choice {
        /// The choices.
        of: Vec<(i64, String)>,
        /// The chosen one.
        at: usize,
    },
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What is asked for.
    pub label: &'static str,
    /// What may be written, shown beside it.
    pub hint: &'static str,
    /// What is written.
    pub entry: Input,
}

impl Field {
    /// A field of text.
    pub fn text(label: &'static str, hint: &'static str, value: &str) -> Field {
        Field {
            label,
            hint,
            entry: Input::Text(Edit::new(value)),
        }
    }

    /// A field of choices, standing on the one with this value.
    pub fn choice(
        label: &'static str,
        hint: &'static str,
        of: Vec<(i64, String)>,
        value: Option<i64>,
    ) -> Field {
        let at = of
            .iter()
            .position(|(known, _)| Some(*known) == value)
            .unwrap_or(0);
        Field {
            label,
            hint,
            entry: Input::Choice { of, at },
        }
    }
}

/// Fields with a focus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Head of the dialog.
    pub title: String,
    /// The fields.
    pub fields: Vec<Field>,
    /// The field that has the focus.
    pub focus: usize,
    /// What is wrong.
    pub error: Option<String>,
    /// Whether the daemon was asked and has not answered: nothing can be sent twice.
    pub busy: bool,
}

impl Form {
    /// A form with the focus on its first field.
    pub fn new(title: String, fields: Vec<Field>) -> Form {
        Form {
            title,
            fields,
            focus: 0,
            error: None,
            busy: false,
        }
    }

    /// Moves the focus.
    pub fn go(&mut self, by: isize) {
        let fields = self.fields.len().max(1) as isize;
        self.focus = (self.focus as isize + by).rem_euclid(fields) as usize;
    }

    /// Moves the choice of the field that has the focus; whether it has choices.
    pub fn choose(&mut self, by: isize) -> bool {
        let Some(Field {
            entry: Input::Choice { of, at },
            ..
        }) = self.fields.get_mut(self.focus)
        else {
            return false;
        };
        *at = (*at as isize + by).rem_euclid(of.len().max(1) as isize) as usize;
        true
    }

    /// The line under the cursor, if the field takes text.
    pub fn edit(&mut self) -> Option<&mut Edit> {
        match self
            .fields
            .get_mut(self.focus)
            .map(|field| &mut field.entry)
        {
            Some(Input::Text(edit)) => Some(edit),
            _ => None,
        }
    }

    /// Whether the field that has the focus takes text.
    pub fn on_text(&self) -> bool {
        matches!(
            self.fields.get(self.focus),
            Some(Field {
                entry: Input::Text(_),
                ..
            })
        )
    }

    /// The text of a field, without spaces around it.
    pub fn written(&self, field: usize) -> &str {
        match self.fields.get(field).map(|field| &field.entry) {
            Some(Input::Text(edit)) => edit.text().trim(),
            _ => "",
        }
    }

    /// The value of a field of choices.
    pub fn chosen(&self, field: usize) -> Option<i64> {
        match self.fields.get(field).map(|field| &field.entry) {
            Some(Input::Choice { of, at }) => of.get(*at).map(|(value, _)| *value),
            _ => None,
        }
    }

    /// A whole number of a field, `None` when nothing is written; the focus goes to a field that holds something else.
    pub fn number(&mut self, field: usize, min: i64) -> Result<Option<i64>, String> {
        let (text, label) = (self.written(field).to_string(), self.fields[field].label);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<i64>() {
            Ok(number) if (min..=1_000_000_000_000).contains(&number) => Ok(Some(number)),
            _ => {
                self.focus = field;
                let from = if min > i64::MIN {
                    format!(" from {min} on")
                } else {
                    String::new()
                };
                Err(format!("{label}: write a whole number{from}"))
            }
        }
    }

    /// The text of a field that must not be empty.
    pub fn required(&mut self, field: usize) -> Result<String, String> {
        let text = self.written(field).to_string();
        if text.is_empty() {
            self.focus = field;
            return Err(format!("{} is missing", self.fields[field].label));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_checked_and_the_focus_goes_to_the_wrong_one() {
        let choices = vec![(4, "a".to_string()), (7, "b".to_string())];
        let mut form = Form::new(
            String::new(),
            vec![
                Field::choice("Account", "", choices, Some(7)),
                Field::text("Name", "", " x "),
                Field::text("Limit", "", "1e9"),
            ],
        );
        assert_eq!((form.chosen(0), form.written(1)), (Some(7), "x"));
        assert!(
            form.number(2, 1)
                .unwrap_err()
                .contains("Limit: write a whole number from 1 on")
                && form.focus == 2
        );
        form.go(1);
        assert!(form.choose(1) && form.chosen(0) == Some(4) && !form.on_text());
        form.go(-1);
        form.edit()
            .unwrap()
            .step(crate::widget::edit::EditStep::Clear);
        assert_eq!(form.number(2, 1), Ok(None));
        assert!(form.required(2).is_err() && form.required(1) == Ok("x".to_string()));
    }
}
