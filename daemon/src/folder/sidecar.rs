//! `{stem}.json`: points, labels and box in place of a mask, as in a request's query.

use cleanplate_pipeline::Prompts;
use serde::Deserialize;
use serde_json::Value;

use super::report::PairFault;
use crate::prompts;

/// Longest sidecar that is read.
pub const BYTES_MAX: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    points: Option<Value>,
    labels: Option<Value>,
    #[serde(rename = "box")]
    rect: Option<Value>,
}

/// Reads the prompts of a sidecar for a photo of this size.
pub fn parse(bytes: &[u8], points_max: usize, size: (u32, u32)) -> Result<Prompts, PairFault> {
    let fault = |detail: String| {
        PairFault::new(
            "sidecar",
            format!(
                "{detail}; wanted: {{\"points\":[[x,y],...],\"labels\":[1,0,...],\"box\":[x1,y1,x2,y2]}}"
            ),
        )
    };
    let sidecar: Sidecar =
        serde_json::from_slice(bytes).map_err(|error| fault(error.to_string()))?;
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let (points, labels, rect) = (
        text(&sidecar.points),
        text(&sidecar.labels),
        text(&sidecar.rect),
    );
    let joined = |errors: Vec<cleanplate_api::FieldError>| {
        fault(
            errors
                .iter()
                .map(|error| error.msg.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        )
    };
    let read = prompts::parse(
        points.as_deref(),
        labels.as_deref(),
        rect.as_deref(),
        points_max,
    )
    .map_err(joined)?;
    let prompts = read.ok_or_else(|| fault("it has neither points nor a box".to_string()))?;
    prompts.check_inside(size.0, size.1).map_err(joined)?;
    Ok(Prompts {
        points: prompts.points,
        boxes: prompts.rect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_read_and_faults_are_named() {
        let prompts = parse(
            br#"{"points":[[1,2],[3,4]],"labels":[1,0],"box":[9,8,0,0]}"#,
            4,
            (10, 10),
        )
        .unwrap();
        assert_eq!(
            (prompts.points, prompts.boxes),
            (
                vec![(1.0, 2.0, 1), (3.0, 4.0, 0)],
                Some([0.0, 0.0, 9.0, 8.0])
            )
        );
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"point":[[1,2]]}"#,
            r#"{"points":[[99,2]]}"#,
            r#"{"points":3}"#,
            r#"{"points":[[1,2]],"labels":[]}"#,
        ] {
            let fault = parse(bad.as_bytes(), 4, (10, 10)).unwrap_err();
            assert!(
                fault.code == "sidecar" && fault.detail.contains("wanted:"),
                "{bad}: {fault:?}"
            );
        }
    }
}
