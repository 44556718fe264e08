//! Compares a backend with the published networks' stored answers.

use serde::Deserialize;

use cleanplate_engine::Backend;
use cleanplate_kernels::Tensor;

use super::mask::{Choice, choose};
use super::{Sam, SamConfig};
use crate::arch::{Label, Prompt, Segment};
use crate::error::ModelError;
use crate::golden::{GoldenFile, GoldenLine};

/// Largest errors: embedding and logits are stored as f16, the photo's resize rounds to 8 bits.
const EMBEDDING_TOLERANCE: f64 = 2e-2;
const LOGITS_TOLERANCE: f64 = 5e-2;
const IOU_TOLERANCE: f64 = 1e-2;
/// Least overlap of the final mask with the stored one.
const MASK_IOU_MIN: f64 = 0.995;

#[derive(Deserialize)]
struct Case {
    prompts: Vec<StoredPrompt>,
}

#[derive(Deserialize)]
struct StoredPrompt {
    points: Vec<[f32; 2]>,
    labels: Vec<u8>,
    #[serde(rename = "box")]
    rectangle: Option<[f32; 4]>,
}

pub(crate) fn check(
    file: &GoldenFile<'_>,
    backend: &dyn Backend,
) -> Result<Vec<GoldenLine>, ModelError> {
    let network = network(file)?;
    let cases = file
        .weights
        .metadata()
        .get("cases")
        .ok_or_else(|| file.fail("no `cases` in its metadata"))?;
    let cases: Vec<Case> =
        serde_json::from_str(cases).map_err(|e| file.fail(format!("metadata `cases`: {e}")))?;
    let mut lines = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let name = format!("case{index}");
        let photo = file.batch_of_bytes(&format!("{name}.image"), 3)?;
        let &[_, height, width, _] = photo.shape.dims() else {
            return Err(file.fail("image has no height and width"));
        };
        let resized = network.resize(&photo)?;
        let graph = network.encoder_graph(network.resized(height, width))?;
        let maps = backend.compile(&graph)?.run(&[resized.view()])?;
        let channels_first = maps.first().map(transpose).unwrap_or_default();
        lines.push(file.compare(&name, "embedding", &channels_first, EMBEDDING_TOLERANCE)?);
        for (j, prompt) in case.prompts.iter().enumerate() {
            lines.extend(check_prompt(
                file,
                backend,
                &network,
                &maps,
                &format!("{name}.prompt{j}"),
                prompt,
                [height, width],
            )?);
        }
    }
    if lines.is_empty() {
        Err(file.fail("no case in it"))
    } else {
        Ok(lines)
    }
}

/// The network of the file: what a published file of its weights tells, or what it states.
fn network(file: &GoldenFile<'_>) -> Result<Sam, ModelError> {
    match file.published()? {
        Some(weights) => Sam::from_weights(&weights),
        None => Sam::random(&SamConfig::infer(file.weights)?, file.seed()?),
    }
}

impl StoredPrompt {
    /// In the network's terms.
    fn given(&self) -> Prompt {
        let label = |l: u8| {
            if l == 1 {
                Label::Foreground
            } else {
                Label::Background
            }
        };
        let points = self.points.iter().zip(&self.labels);
        Prompt {
            points: points.map(|([x, y], l)| (*x, *y, label(*l))).collect(),
            rectangle: self.rectangle,
        }
    }
}

fn check_prompt(
    file: &GoldenFile<'_>,
    backend: &dyn Backend,
    network: &Sam,
    maps: &[Tensor],
    name: &str,
    prompt: &StoredPrompt,
    photo: [usize; 2],
) -> Result<Vec<GoldenLine>, ModelError> {
    let prompt = prompt.given();
    let tokens = network.tokens(&prompt, photo)?;
    let outputs = backend
        .compile(&network.decoder_graph(prompt.tokens())?)?
        .run(
            &maps
                .iter()
                .chain([&tokens])
                .map(Tensor::view)
                .collect::<Vec<_>>(),
        )?;
    let [logits, iou] = outputs.as_slice() else {
        return Err(file.fail("the decoder gave no two outputs"));
    };
    let (logits, iou) = (
        logits.as_f32().unwrap_or_default(),
        iou.as_f32().unwrap_or_default(),
    );
    let mut lines = vec![
        file.compare(name, "low_res_logits", logits, LOGITS_TOLERANCE)?,
        file.compare(name, "iou", iou, IOU_TOLERANCE)?,
    ];
    let (row, _) = choose(iou, Choice::Ranked(0));
    let plane = logits.len() / iou.len().max(1);
    let mask = network.mask(&logits[row * plane..(row + 1) * plane], photo);
    let want = format!("{name}.expect.mask_u8");
    let want = file.read(&want, file.tensor(&want)?.to_bytes())?;
    let count = |keep: &dyn Fn(bool, bool) -> bool| {
        mask.iter()
            .zip(want.iter())
            .filter(|(a, b)| keep(**a >= 128, **b > 0))
            .count()
    };
    let overlap = count(&|a, b| a && b) as f64 / count(&|a, b| a || b).max(1) as f64;
    let overlap = if count(&|a, b| a || b) == 0 {
        1.0
    } else {
        overlap
    };
    lines.push(GoldenLine {
        case: name.to_string(),
        tensor: "mask_u8".into(),
        max_abs_error: 1.0 - overlap,
        tolerance: 1.0 - MASK_IOU_MIN,
        detail: format!("{photo:?}, mask IoU {overlap:.4}, at least {MASK_IOU_MIN} wanted"),
        pass: mask.len() == want.len() && overlap >= MASK_IOU_MIN,
    });
    Ok(lines)
}

/// `[1, S, S, C]` as `[C, S, S]`.
fn transpose(map: &Tensor) -> Vec<f32> {
    let (c, values) = (
        map.shape.dims().last().copied().unwrap_or(1),
        map.as_f32().unwrap_or_default(),
    );
    (0..c)
        .flat_map(|i| values.iter().skip(i).step_by(c).copied())
        .collect()
}
