//! `points`, `labels` and `box`: JSON in query parameters, in pixels of the displayed image.

use cleanplate_api::FieldError;
use serde_json::Value;

/// What the client points at.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompts {
    /// x, y and label: 1 on the object, 0 off it.
    pub points: Vec<(f64, f64, u8)>,
    /// Left, top, right, bottom.
    pub rect: Option<[f64; 4]>,
}

/// Reads the three parameters; `None` when there is neither a point nor a box. Reports every parameter that is wrong.
pub fn parse(
    points: Option<&str>,
    labels: Option<&str>,
    rect: Option<&str>,
    points_max: usize,
) -> Result<Option<Prompts>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut keep = |field: &str, result: Result<Vec<f64>, FieldError>| {
        result.unwrap_or_else(|mut error| {
            error.loc = FieldError::new(&["query", field], "", "").loc;
            errors.push(error);
            Vec::new()
        })
    };
    let flat = points.map(|text| keep("points", parse_points(text, points_max)));
    let marks = labels.map(|text| keep("labels", parse_labels(text)));
    let corners = rect.map(|text| keep("box", parse_box(text)));
    if !errors.is_empty() {
        return Err(errors);
    }
    let pairs = flat.unwrap_or_default();
    let count = pairs.len() / 2;
    let marks = marks.unwrap_or_else(|| vec![1.0; count]);
    if marks.len() != count {
        let message = format!(
            "there must be as many labels as points: got {} labels for {count} points",
            marks.len()
        );
        return Err(vec![FieldError::new(
            &["query", "labels"],
            message,
            "value_error.labels.count",
        )]);
    }
    let rect = corners.map(|c| {
        [
            c[0].min(c[2]),
            c[1].min(c[3]),
            c[0].max(c[2]),
            c[1].max(c[3]),
        ]
    });
    if count == 0 && rect.is_none() {
        return Ok(None);
    }
    // Without a place on the object there is nothing to find.
    if rect.is_none() && marks.iter().all(|mark| *mark < 0.5) {
        return Err(vec![FieldError::new(
            &["query", "labels"],
            "all points are background (label 0): add a point on the object with label 1, or a box",
            "value_error.labels.no_foreground",
        )]);
    }
    let points = pairs
        .chunks_exact(2)
        .zip(marks)
        .map(|(xy, mark)| (xy[0], xy[1], u8::from(mark > 0.5)))
        .collect();
    Ok(Some(Prompts { points, rect }))
}

impl From<Prompts> for cleanplate_pipeline::Prompts {
    fn from(prompts: Prompts) -> Self {
        cleanplate_pipeline::Prompts {
            points: prompts.points,
            boxes: prompts.rect,
            others: Vec::new(),
        }
    }
}

impl Prompts {
    /// Checks that everything lies in the image.
    pub fn check_inside(&self, width: u32, height: u32) -> Result<(), Vec<FieldError>> {
        let (w, h) = (f64::from(width), f64::from(height));
        let mut errors = Vec::new();
        if let Some((x, y, _)) = self
            .points
            .iter()
            .find(|(x, y, _)| !(0.0..w).contains(x) || !(0.0..h).contains(y))
        {
            let message =
                format!("point [{x}, {y}] lies outside of the image of {width}x{height} pixels");
            errors.push(FieldError::new(
                &["query", "points"],
                message,
                "value_error.out_of_image",
            ));
        }
        if let Some([x1, y1, x2, y2]) = self.rect
            && (x1 < 0.0 || y1 < 0.0 || x2 > w || y2 > h)
        {
            let message = format!(
                "box [{x1}, {y1}, {x2}, {y2}] lies outside of the image of {width}x{height} pixels"
            );
            errors.push(FieldError::new(
                &["query", "box"],
                message,
                "value_error.out_of_image",
            ));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// An error whose place the caller fills in.
fn wrong(message: impl Into<String>, kind: &str) -> FieldError {
    FieldError::new(&[], message, kind)
}

fn list(text: &str) -> Result<Vec<Value>, FieldError> {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(_) => Err(wrong("value is not a valid list", "type_error.list")),
        Err(error) => Err(wrong(
            format!("invalid JSON: {error}"),
            "value_error.jsondecode",
        )),
    }
}

fn numbers(items: &[Value], count: usize, what: &str) -> Result<Vec<f64>, FieldError> {
    if items.len() != count {
        return Err(wrong(
            format!("{what} is a list of {count} numbers, got {}", items.len()),
            "value_error.list.length",
        ));
    }
    items
        .iter()
        .map(|item| {
            item.as_f64().filter(|n| n.is_finite()).ok_or_else(|| {
                wrong(
                    format!("{what} has a value that is not a number"),
                    "type_error.float",
                )
            })
        })
        .collect()
}

fn parse_points(text: &str, points_max: usize) -> Result<Vec<f64>, FieldError> {
    let items = list(text)?;
    if items.len() > points_max {
        return Err(wrong(
            format!(
                "at most {points_max} points are accepted, got {}",
                items.len()
            ),
            "value_error.list.max_items",
        ));
    }
    let mut flat = Vec::with_capacity(items.len() * 2);
    for item in &items {
        let pair = item
            .as_array()
            .ok_or_else(|| wrong("a point is a list of 2 numbers", "type_error.list"))?;
        flat.extend(numbers(pair, 2, "a point")?);
    }
    Ok(flat)
}

fn parse_labels(text: &str) -> Result<Vec<f64>, FieldError> {
    // As a number, however it is written: clients that compute in floats send 1.0.
    let label = |item: &Value| match item.as_f64() {
        Some(n) if n == 0.0 || n == 1.0 => Ok(n),
        _ => Err(wrong(
            "a label is 1 (foreground) or 0 (background)",
            "value_error.labels.value",
        )),
    };
    list(text)?.iter().map(label).collect()
}

fn parse_box(text: &str) -> Result<Vec<f64>, FieldError> {
    let corners = numbers(&list(text)?, 4, "a box")?;
    if corners[0] == corners[2] || corners[1] == corners[3] {
        return Err(wrong(
            "the box is empty: its corners share a row or a column",
            "value_error.box.empty",
        ));
    }
    Ok(corners)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(points: Option<&str>, labels: Option<&str>, rect: Option<&str>) -> Vec<String> {
        let errors = parse(points, labels, rect, 4).unwrap_err();
        errors
            .iter()
            .map(|error| {
                format!(
                    "{} {}",
                    serde_json::to_string(&error.loc).unwrap(),
                    error.kind
                )
            })
            .collect()
    }

    #[test]
    fn points_default_to_foreground_and_box_corners_may_come_in_any_order() {
        let prompts = parse(Some("[[1,2],[3.5,4]]"), None, Some("[9,8,1,2]"), 4)
            .unwrap()
            .unwrap();
        assert_eq!(
            prompts,
            Prompts {
                points: vec![(1.0, 2.0, 1), (3.5, 4.0, 1)],
                rect: Some([1.0, 2.0, 9.0, 8.0])
            }
        );
        let prompts = parse(Some("[[1,2],[3,4]]"), Some("[0,1]"), None, 4)
            .unwrap()
            .unwrap();
        assert_eq!(prompts.points, vec![(1.0, 2.0, 0), (3.0, 4.0, 1)]);
        let prompts = parse(Some("[[1,2]]"), Some("[1.0]"), None, 4).unwrap();
        assert_eq!(prompts.unwrap().points, vec![(1.0, 2.0, 1)]);
        let around = parse(Some("[[1,2]]"), Some("[0]"), Some("[0,0,9,9]"), 4);
        assert!(around.unwrap().is_some());
        assert_eq!(parse(None, None, None, 4).unwrap(), None);
        assert_eq!(parse(Some("[]"), None, None, 4).unwrap(), None);
    }

    #[test]
    fn every_fault_names_its_parameter() {
        for (points, labels, rect, want) in [
            (
                Some("[[1,2"),
                None,
                None,
                r#"["query","points"] value_error.jsondecode"#,
            ),
            (
                Some(""),
                None,
                None,
                r#"["query","points"] value_error.jsondecode"#,
            ),
            (
                Some("{}"),
                None,
                None,
                r#"["query","points"] type_error.list"#,
            ),
            (
                Some("[1,2]"),
                None,
                None,
                r#"["query","points"] type_error.list"#,
            ),
            (
                Some("[[1]]"),
                None,
                None,
                r#"["query","points"] value_error.list.length"#,
            ),
            (
                Some("[[1,null]]"),
                None,
                None,
                r#"["query","points"] type_error.float"#,
            ),
            (
                Some("[[1,NaN]]"),
                None,
                None,
                r#"["query","points"] value_error.jsondecode"#,
            ),
            (
                Some("[[1,1e999]]"),
                None,
                None,
                r#"["query","points"] value_error.jsondecode"#,
            ),
            (
                Some("[[1,1],[1,1],[1,1],[1,1],[1,1]]"),
                None,
                None,
                r#"["query","points"] value_error.list.max_items"#,
            ),
            (
                Some("[[1,2]]"),
                Some("[1,0]"),
                None,
                r#"["query","labels"] value_error.labels.count"#,
            ),
            (
                None,
                Some("[1]"),
                None,
                r#"["query","labels"] value_error.labels.count"#,
            ),
            (
                Some("[[1,2]]"),
                Some("[2]"),
                None,
                r#"["query","labels"] value_error.labels.value"#,
            ),
            (
                Some("[[1,2]]"),
                Some("[0.5]"),
                None,
                r#"["query","labels"] value_error.labels.value"#,
            ),
            (
                Some("[[1,2]]"),
                Some("[0]"),
                None,
                r#"["query","labels"] value_error.labels.no_foreground"#,
            ),
            (
                None,
                None,
                Some("[1,2,3]"),
                r#"["query","box"] value_error.list.length"#,
            ),
            (
                None,
                None,
                Some("[1,2,1,4]"),
                r#"["query","box"] value_error.box.empty"#,
            ),
        ] {
            assert_eq!(
                kinds(points, labels, rect),
                [want],
                "{points:?} {labels:?} {rect:?}"
            );
        }
        assert_eq!(kinds(Some("x"), Some("y"), Some("z")).len(), 3);
    }

    #[test]
    fn outside_of_the_image() {
        let check = |points, rect| {
            parse(points, None, rect, 4)
                .unwrap()
                .unwrap()
                .check_inside(10, 5)
        };
        assert!(check(Some("[[0,0],[9.9,4.9]]"), Some("[0,0,10,5]")).is_ok());
        for points in ["[[10,0]]", "[[0,5]]", "[[-1,0]]"] {
            assert_eq!(
                check(Some(points), None).unwrap_err()[0].kind,
                "value_error.out_of_image"
            );
        }
        assert_eq!(
            check(Some("[[-1,0]]"), Some("[0,0,11,5]"))
                .unwrap_err()
                .len(),
            2
        );
    }

    proptest! {
        #[test]
        fn any_text_gives_a_value_or_an_error(points in "\\PC{0,40}|[\\[\\]0-9,.e-]{0,40}", labels in proptest::option::of("[\\[\\]0-9,]{0,12}"), rect in "[\\[\\]0-9,.]{0,24}") {
            if let Ok(Some(prompts)) = parse(Some(&points), labels.as_deref(), Some(&rect), 4) {
                prop_assert!(prompts.points.len() <= 4);
                prop_assert!(prompts.points.iter().all(|(x, y, label)| x.is_finite() && y.is_finite() && *label <= 1));
            }
        }

        #[test]
        fn written_points_are_read_back(eighths in prop::collection::vec((0u32..1 << 23, 0u32..1 << 23), 1..4)) {
            let points: Vec<(f64, f64)> = eighths.iter().map(|(x, y)| (f64::from(*x) / 8.0, f64::from(*y) / 8.0)).collect();
            let text = serde_json::to_string(&points).unwrap();
            let read = parse(Some(&text), None, None, 4).unwrap().unwrap().points;
            prop_assert_eq!(read, points.iter().map(|(x, y)| (*x, *y, 1)).collect::<Vec<_>>());
        }
    }
}
