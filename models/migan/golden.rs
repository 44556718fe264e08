//! Compares a backend with the published generator's stored answers.

use cleanplate_engine::{Backend, Graph};
use cleanplate_kernels::Tensor;

use super::Migan;
use crate::error::ModelError;
use crate::golden::{GoldenFile, GoldenLine};

/// Largest error in float32 arithmetic: different summation orders through the whole network.
const TOLERANCE: f64 = 1e-4;

pub(super) fn check(
    file: &GoldenFile<'_>,
    backend: &dyn Backend,
) -> Result<Vec<GoldenLine>, ModelError> {
    let network = Migan::random(&file.config()?, file.seed()?)?;
    let skip = format!("skip{}", network.config().resolution);
    let mut lines = Vec::new();
    for case in file.cases() {
        let image = file.batch_of_bytes(&format!("case{case}.image"), 3)?;
        let mask = file.batch_of_bytes(&format!("case{case}.mask"), 2)?;
        let &[batch, height, width, _] = image.shape.dims() else {
            return Err(file.fail("image has no height and width"));
        };
        let mut graph = Graph::new();
        let taps = network.build(&mut graph, batch, height, width)?;
        let last = [taps.last, taps.coarser];
        let picture = graph.add("picture", network.layers.picture.clone(), &last)?;
        let colours = graph.add("colours", network.layers.colours.clone(), &last)?;
        for id in [taps.bottleneck, taps.skip, picture, colours] {
            graph.output(id);
        }
        let answers = backend.compile(&graph)?.run(&[image.view(), mask.view()])?;
        let mut got: Vec<Vec<f32>> = answers.iter().take(3).map(channels_first).collect();
        got.extend(
            answers
                .last()
                .map(|colours| composite(colours, &image, &mask)),
        );
        let names = ["bottleneck", &skip, "output", "composite_u8"];
        for (name, got) in names.into_iter().zip(&got) {
            // The largest answers, which all later ones depend on, may be left out.
            let stored = file.tensor(&format!("case{case}.expect.{name}"));
            if name == skip && stored.is_err() {
                continue;
            }
            lines.push(file.compare(&format!("case{case}"), name, got, TOLERANCE)?);
        }
    }
    if lines.is_empty() {
        Err(file.fail("no case in it"))
    } else {
        Ok(lines)
    }
}

/// `[1, H, W, C]` as `[C, H, W]`.
fn channels_first(map: &Tensor) -> Vec<f32> {
    let (c, values) = (
        map.shape.dims().last().copied().unwrap_or(1),
        map.as_f32().unwrap_or_default(),
    );
    (0..c)
        .flat_map(|i| values.iter().skip(i).step_by(c).copied())
        .collect()
}

/// Colours f32 `[1, 3, h, w]` rounded to bytes inside the hole, the photo u8 `[1, H, W, 3]` outside: `[H, W, 3]`.
fn composite(colours: &Tensor, photo: &Tensor, mask: &Tensor) -> Vec<f32> {
    let (Some([_, _, h, w]), Some([_, _, width, _])) = (colours.shape.dims4(), photo.shape.dims4())
    else {
        return Vec::new();
    };
    let (colours, photo, mask) = (
        colours.as_f32().unwrap_or_default(),
        photo.as_u8().unwrap_or_default(),
        mask.as_u8().unwrap_or_default(),
    );
    let value = |(at, byte): (usize, &u8)| {
        let (pixel, c) = (at / 3, at % 3);
        if mask[pixel] < 128 {
            return f32::from(*byte);
        }
        let (x, y) = (pixel % width, pixel / width);
        (255.0 * colours[(c * h + y) * w + x]).round()
    };
    photo.iter().enumerate().map(value).collect()
}
