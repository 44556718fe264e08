//! Rows of the audit table.

use cleanplate_api::admin::AuditRow;
use serde_json::Value;

use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

/// The particulars of an action, one name and value a line.
pub fn lines(detail: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    collect("", detail, &mut lines);
    lines
}

fn collect(name: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                collect(&name, value, lines);
            }
        }
        Value::String(text) => lines.push(format!("{name} = {text}")),
        other => lines.push(format!("{name} = {other}")),
    }
}

type Col = Column<AuditRow>;

impl Row for AuditRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::whole("No", 6, |r| r.id).drop(3).dim(),
        Col::shown(
            "When",
            16,
            |r, _| text::date(r.created_at_ms),
            |r| SortKey::whole(r.id),
        )
        .dim(),
        Col::text("Who", 16, |r| r.actor.clone()).grow(1).drop(1),
        Col::text("Action", 15, |r| r.action.clone()),
        Col::text("Target", 12, |r| r.target.clone()).grow(1),
        Col::text("Particulars", 20, |r| lines(&r.detail).join(" · "))
            .grow(3)
            .drop(2)
            .dim(),
    ];
    fn id(&self) -> i64 {
        self.id
    }
}
