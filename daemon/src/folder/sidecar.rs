//! `{stem}.json`: the parameters of a request for one photo, and `_folder.json` for all of a folder.

use cleanplate_api::{FieldError, Loc};
use cleanplate_basics::nearest;
use cleanplate_store::FailureCode;
use serde_json::{Map, Value};

use super::report::PairFault;
use crate::prompts::{self, Prompts};
use crate::tuning::{PARAMETERS, Query, Tuning};

/// Longest sidecar that is read.
pub const BYTES_MAX: u64 = 64 << 10;
/// Parameters of one prompt.
const PROMPT: [&str; 3] = ["points", "labels", "box"];
/// Several prompts, each for an object of its own.
const REGIONS: &str = "regions";
/// Most of them.
const REGIONS_MAX: usize = 32;
/// Parameters of a request that mean nothing in a folder.
const OF_REQUESTS: [&str; 6] = [
    "dry_run",
    "preview",
    "async",
    "webhook_url",
    "candidates",
    "image_url",
];
/// For those that got it wrong.
const WANTED: &str = r#"wanted: {"points":[[x,y],...],"labels":[1,0,...],"box":[x1,y1,x2,y2]}, for several objects {"regions":[{"box":[...]},{"points":[...]}]}, and parameters such as "pipeline", "dilate" or "quality""#;

/// What a sidecar says, by parameter.
pub type Said = Map<String, Value>;

/// What a sidecar asks for.
#[derive(Debug)]
pub struct Asked {
    /// Points and box of each region, in order; none of a sidecar without.
    pub prompts: Vec<Prompts>,
    /// Everything else.
    pub tuning: Tuning,
    /// What of it was left out.
    pub warnings: Vec<String>,
}

/// The object that a sidecar holds. A byte order mark at its front, as some editors write it, is no part of it.
pub fn object(bytes: &[u8]) -> Result<Said, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16; save it as UTF-8".to_string());
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Whether it says what to remove.
pub fn has_prompts(said: &Said) -> bool {
    let given = |name: &&str| match said.get(*name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    ["points", "box", REGIONS].iter().any(given)
}

/// What `own` says over what `others` say; prompts are taken from one of them only.
pub fn merge(own: Said, mut others: Said) -> Said {
    if has_prompts(&own) {
        others.retain(|name, _| name != REGIONS && !PROMPT.contains(&name.as_str()));
    }
    others.extend(own);
    others
}

/// A remark on each parameter that nothing comes of.
pub fn remarks(said: &Said) -> Vec<String> {
    let remark = |name: &String| {
        let shown = crate::telemetry::short(name, 64);
        if OF_REQUESTS.contains(&name.as_str()) {
            return Some(format!("sidecar: {shown} means nothing in a folder"));
        }
        let mut known = PARAMETERS.iter().copied().chain([REGIONS]);
        if known.clone().any(|known| known == name) {
            return None;
        }
        let hint = nearest(name, &mut known);
        let hint = hint.map_or(String::new(), |known| format!("; did you mean {known}?"));
        Some(format!("sidecar: there is no parameter {shown:?}{hint}"))
    };
    let regions = said.get(REGIONS).and_then(Value::as_array);
    let within = regions.into_iter().flatten().zip(1..);
    let within = within.filter_map(|(region, number)| Some((region.as_object()?, number)));
    let within = within.flat_map(|(region, number)| {
        let unknown = region.keys().filter(|name| !PROMPT.contains(&name.as_str()));
        unknown.map(move |name| {
            let shown = crate::telemetry::short(name, 64);
            format!("sidecar: region {number} has no parameter {shown:?}; a region has points, labels and box")
        })
    });
    said.keys().filter_map(remark).chain(within).collect()
}

/// Reads every parameter.
pub fn read(said: &Said, points_max: usize) -> Result<Asked, PairFault> {
    let query: Query = said
        .iter()
        .filter(|(name, _)| !OF_REQUESTS.contains(&name.as_str()))
        .flat_map(|(name, value)| {
            values(name, value)
                .into_iter()
                .map(|text| (name.clone(), text))
        })
        .collect();
    match (Tuning::parse(&query), pointed_at(said, points_max)) {
        (Ok(tuning), Ok(prompts)) => Ok(Asked {
            prompts,
            tuning,
            warnings: remarks(said),
        }),
        (tuning, prompts) => {
            let wrong = tuning.err().into_iter().chain(prompts.err()).flatten();
            Err(fault(&wrong.collect::<Vec<_>>()))
        }
    }
}

/// What a sidecar points at: by points and box of its own, or region by region.
fn pointed_at(said: &Said, points_max: usize) -> Result<Vec<Prompts>, Vec<FieldError>> {
    let wrong = |text: String| vec![FieldError::new(&[REGIONS], text, "")];
    let regions = match said.get(REGIONS) {
        None | Some(Value::Null) => return Ok(prompt(said, points_max)?.into_iter().collect()),
        Some(Value::Array(regions)) => regions,
        Some(_) => return Err(wrong("value is not a valid list".to_string())),
    };
    if PROMPT
        .iter()
        .any(|name| said.get(*name).is_some_and(|value| !value.is_null()))
    {
        let text = "beside regions there can be no points, labels or box: make them a region";
        return Err(wrong(text.to_string()));
    }
    if regions.len() > REGIONS_MAX {
        let count = regions.len();
        return Err(wrong(format!(
            "at most {REGIONS_MAX} are accepted, got {count}; paint a mask instead"
        )));
    }
    let mut found = Vec::with_capacity(regions.len());
    let mut errors = Vec::new();
    for (region, number) in regions.iter().zip(1..) {
        let of = |name: &str, text: &str| {
            FieldError::new(&[&format!("region {number}{name}")], text, "")
        };
        let none = "has neither points nor a box";
        match region.as_object().map(|region| prompt(region, points_max)) {
            Some(Ok(Some(prompt))) => found.push(prompt),
            Some(Ok(None)) | None => errors.push(of("", none)),
            Some(Err(wrong)) => errors.extend(wrong.iter().map(|error| match error.loc.last() {
                Some(Loc::Name(name)) => of(&format!(", {name}"), &error.msg),
                _ => of("", &error.msg),
            })),
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

/// The prompt that an object's points, labels and box make.
fn prompt(said: &Said, points_max: usize) -> Result<Option<Prompts>, Vec<FieldError>> {
    let text = |name: &str| {
        let value = said.get(name).filter(|value| !value.is_null())?;
        Some(plain(value))
    };
    let [points, labels, rect] = PROMPT.map(text);
    prompts::parse(
        points.as_deref(),
        labels.as_deref(),
        rect.as_deref(),
        points_max,
    )
}

/// A fault of a sidecar's parameters.
pub fn fault(errors: &[FieldError]) -> PairFault {
    let text = |error: &FieldError| match error.loc.last() {
        Some(Loc::Name(name)) => format!("{name}: {}", error.msg),
        _ => error.msg.clone(),
    };
    let all: Vec<String> = errors.iter().map(text).collect();
    broken(&all.join("; "))
}

/// A fault of a sidecar as a whole.
pub fn broken(why: &str) -> PairFault {
    PairFault::new(FailureCode::Sidecar, format!("{why}; {WANTED}"))
}

/// A value as a query would have it; `set` may be an object of values or a list.
fn values(name: &str, value: &Value) -> Vec<String> {
    match (name, value) {
        (_, Value::Null) => Vec::new(),
        ("set", Value::Object(set)) => set
            .iter()
            .map(|(path, value)| format!("{path}={}", plain(value)))
            .collect(),
        ("set", Value::Array(set)) => set.iter().map(plain).collect(),
        (_, other) => vec![plain(other)],
    }
}

/// A single value as a query would have it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::Format;

    fn parse(text: &str) -> Result<Asked, PairFault> {
        let said = object(text.as_bytes()).map_err(|why| broken(&why))?;
        read(&said, 4)
    }

    #[test]
    fn prompts_and_parameters_are_read_as_those_of_a_request() {
        let asked = parse(
            "\u{feff}{\"points\":[[1,2],[3,4]],\"labels\":[1,0],\"box\":[9,8,0,0],\"dilate\":4,\"feather\":\"auto\",
            \"output_format\":\"PNG\",\"quality\":90,\"pipeline\":\"fast\",\"mask_channel\":\"alpha\",
            \"set\":{\"grow.radius_px\":3},\"labels_\":null}",
        )
        .unwrap();
        assert_eq!(
            asked.prompts,
            [Prompts {
                points: vec![(1.0, 2.0, 1), (3.0, 4.0, 0)],
                rect: Some([0.0, 0.0, 9.0, 8.0])
            }]
        );
        let tuning = asked.tuning;
        assert_eq!(
            (tuning.format, tuning.quality, tuning.pipeline.as_deref()),
            (Some(Format::Png), Some(90), Some("fast"))
        );
        assert_eq!(tuning.overrides().len(), 3);
        assert!(
            asked.warnings[0].contains("did you mean labels?"),
            "{:?}",
            asked.warnings
        );
    }

    #[test]
    fn what_nobody_knows_is_a_remark_and_what_is_wrong_a_fault() {
        let asked =
            parse(r#"{"box":[1,2,3,4],"dialte":3,"async":true,"comment":"by Ann"}"#).unwrap();
        assert_eq!(asked.warnings.len(), 3, "{:?}", asked.warnings);
        assert!(
            asked
                .warnings
                .iter()
                .any(|text| text.contains("did you mean dilate?"))
        );
        assert!(!asked.tuning.asynchronous);
        for (bad, says) in [
            ("", "EOF"),
            ("[]", "invalid type"),
            (r#"{"points":3}"#, "points: "),
            (r#"{"points":[[1,2]],"labels":[]}"#, "labels"),
            (r#"{"quality":0}"#, "quality: ensure"),
            (r#"{"dilate":-1,"output_format":"gif"}"#, "output_format: "),
        ] {
            let fault = parse(bad).unwrap_err();
            assert!(
                fault.code == FailureCode::Sidecar
                    && fault.detail.contains(says)
                    && fault.detail.contains("wanted:"),
                "{bad}: {fault:?}"
            );
        }
        assert!(object(b"\xff\xfe{\0}\0").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn regions_are_prompts_of_their_own() {
        let asked = parse(
            r#"{"regions":[{"box":[1,2,3,4]},{"points":[[5,6],[7,8]],"labels":[1,0],"msk":1}],"dilate":2}"#,
        )
        .unwrap();
        let [first, second] = asked.prompts.as_slice() else {
            panic!("{:?}", asked.prompts)
        };
        assert_eq!(first.rect, Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(second.points, [(5.0, 6.0, 1), (7.0, 8.0, 0)]);
        assert_eq!(asked.warnings.len(), 1, "{:?}", asked.warnings);
        assert!(asked.warnings[0].contains("region 2 has no parameter \"msk\""));
        let many = vec![r#"{"box":[1,2,3,4]}"#; 33].join(",");
        for (bad, says) in [
            (r#"{"regions":{}}"#.to_string(), "regions: value is not"),
            (
                r#"{"regions":[{"box":[1,2,3,4]}],"points":[[1,2]]}"#.to_string(),
                "make them a region",
            ),
            (
                r#"{"regions":[{"box":[1,2,3,4]},{"mask":"a.png"}]}"#.to_string(),
                "region 2: has neither",
            ),
            (
                r#"{"regions":[[1,2,3,4]]}"#.to_string(),
                "region 1: has neither",
            ),
            (
                r#"{"regions":[{"box":[1,2,3,4]},{"box":[1,2]},{"points":[[1,2]],"labels":[0]}]}"#
                    .to_string(),
                "region 2, box: a box is a list of 4 numbers, got 2; region 3, labels: all points are background",
            ),
            (
                format!(r#"{{"regions":[{many}]}}"#),
                "at most 32 are accepted, got 33",
            ),
        ] {
            let fault = parse(&bad).unwrap_err();
            assert!(
                fault.code == FailureCode::Sidecar && fault.detail.contains(says),
                "{bad}: {fault:?}"
            );
        }
        let said = |text: &str| object(text.as_bytes()).unwrap();
        let regions = r#"{"regions":[{"box":[1,2,3,4]}]}"#;
        assert!(has_prompts(&said(regions)) && !has_prompts(&said(r#"{"regions":[]}"#)));
        let boxed = r#"{"box":[5,6,7,8]}"#;
        assert_eq!(merge(said(regions), said(boxed)), said(regions));
        assert_eq!(merge(said(boxed), said(regions)), said(boxed));
    }

    #[test]
    fn own_parameters_stand_over_those_for_all() {
        let said = |text: &str| object(text.as_bytes()).unwrap();
        let all = said(r#"{"points":[[5,5]],"labels":[1],"quality":80,"dilate":2}"#);
        let own = merge(said(r#"{"box":[1,2,3,4],"quality":95}"#), all.clone());
        assert_eq!(
            Value::Object(own),
            serde_json::json!({ "box": [1, 2, 3, 4], "quality": 95, "dilate": 2 })
        );
        let own = merge(said(r#"{"quality":95}"#), all);
        assert!(has_prompts(&own) && own["labels"] == serde_json::json!([1]));
        assert!(!has_prompts(&said(
            r#"{"points":[],"box":null,"labels":[1]}"#
        )));
    }
}
