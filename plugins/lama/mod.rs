//! `lama`: fills the hole with a LaMa network, crop by crop.
//!
//! Crops larger than the working size are averaged down for the network; their fill is kept at that size (the blend enlarges
//! it), so that refine stages know its real resolution.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Tensor};

use cleanplate_pictures::resample::{shrink_hole, shrink_photo};
use cleanplate_pipeline::models::InpaintNetwork;
use cleanplate_pipeline::parameter::Values;
use cleanplate_pipeline::{
    Answer, Crop, CropPlan, CropRequest, ExecutableKey, Fill, GatherError, Planned, Stage, Work,
    is_memory, plan,
};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin(include_str!("plugin.toml"), |values| {
    Ok(Box::new(Lama::new(values)))
});

/// Smallest side given to the network: its innermost layers need more than one pixel. Smaller photos are padded to it.
const NETWORK_PX_MIN: usize = 16;
/// Smallest working size tried when memory is short.
const WORKING_PX_MIN: usize = 128;

struct Lama {
    model: String,
    working_px_max: Option<usize>,
    context_px_min: usize,
    context_share: f64,
}

impl Lama {
    fn new(values: &Values) -> Self {
        Lama {
            model: values.text("model").to_string(),
            working_px_max: values.integer("working_px_max"),
            context_px_min: values.integer("context_px_min").unwrap_or(128),
            context_share: values.number("context_share").unwrap_or(0.25),
        }
    }

    fn wish(&self, work: &Work<'_>) -> CropPlan {
        let on_gpu = !matches!(work.backend.device().kind, "cpu" | "software");
        let working_px_max = self
            .working_px_max
            .unwrap_or(if on_gpu { 768 } else { 512 });
        CropPlan {
            context_px_min: self.context_px_min,
            context_share: self.context_share,
            working_px_max,
        }
    }
}

impl Stage for Lama {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let network = work.networks.lama(&self.model)?;
        let (grid, planned) = plan(&work.alpha, &self.wish(work));
        for (i, crop) in planned.iter().enumerate() {
            work.check_cancelled(&format!("lama, crop {} of {}", i + 1, planned.len()))?;
            let fill = fill_or_shrink(work, &*network, crop)?;
            work.crops.push(Crop {
                rect: crop.rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill,
            });
            work.observer
                .stage("lama", (i + 1) as f32 / planned.len() as f32);
        }
        work.used_model(network.name(), network.sha256());
        Ok(())
    }
}

/// Fills one crop; when memory is short, once more at two thirds of the size, with a warning in the result.
fn fill_or_shrink(
    work: &mut Work<'_>,
    network: &dyn InpaintNetwork,
    crop: &Planned,
) -> Result<Fill, PluginError> {
    let refused = match fill(work, network, crop) {
        Err(PluginError::Engine { source, .. }) if is_memory(&source) => source,
        other => return other,
    };
    let smaller = |px: usize| ((px * 2 / 3) / 8 * 8).max(WORKING_PX_MIN.min(px));
    let retry = Planned {
        width: smaller(crop.width),
        height: smaller(crop.height),
        ..*crop
    };
    work.warnings.push(format!(
        "lama: a crop of {}x{} px was filled at {}x{} instead of {}x{}, with less detail: {refused}",
        crop.rect.width(),
        crop.rect.height(),
        retry.width,
        retry.height,
        crop.width,
        crop.height
    ));
    fill(work, network, &retry)
}

fn fill(
    work: &mut Work<'_>,
    network: &dyn InpaintNetwork,
    crop: &Planned,
) -> Result<Fill, PluginError> {
    let (width, height) = (crop.width, crop.height);
    let mut rgb = shrink_photo(&work.photo, crop.rect, width, height);
    let hole = shrink_hole(&work.alpha, crop.rect, width, height);
    let (net_width, net_height) = (width.max(NETWORK_PX_MIN), height.max(NETWORK_PX_MIN));
    let (image, mask) = inputs(&rgb, &hole, (width, height), (net_width, net_height));
    let key = |crops: usize| {
        let sha256 = if crops == 1 {
            network.sha256().to_string()
        } else {
            format!("{} x{crops}", network.sha256())
        };
        ExecutableKey {
            sha256,
            height: net_height,
            width: net_width,
        }
    };
    let compile = |crops: usize| {
        let graph = || network.graph(crops, net_height, net_width);
        // One crop is worth giving up what is kept; several can go apart.
        if crops == 1 {
            work.executables.get(key(1), work.backend, graph)
        } else {
            work.executables
                .get_if_room(key(crops), work.backend, graph)
        }
    };
    let cancelled = || work.observer.cancelled();
    let answer = work.gather.run(CropRequest {
        key: key(1),
        image,
        mask,
        compile: &compile,
        cancelled: &cancelled,
    });
    let Answer {
        prediction,
        crops,
        waited,
    } = answer.map_err(|refusal| failed(work, refusal, crop))?;
    work.sharing.waited += waited;
    work.sharing.crops_together = work.sharing.crops_together.max(crops);
    put_prediction(&mut rgb, &hole, &prediction, width)?;
    Ok(Fill { width, height, rgb })
}

fn failed(work: &Work<'_>, refusal: GatherError, crop: &Planned) -> PluginError {
    let during = format!("lama, crop of {}x{} pixels", crop.width, crop.height);
    match refusal {
        GatherError::Compile(error) => error,
        GatherError::Run(EngineError::Cancelled) => PluginError::Cancelled {
            before: format!("the end of {during}"),
        },
        GatherError::Run(source) => {
            if source.retryable() {
                work.executables.clear();
            }
            PluginError::Engine {
                during,
                source: Box::new(source),
            }
        }
    }
}

/// The network's inputs, `u8 [1, H, W, 3]` and `u8 [1, H, W]`; a crop smaller than `net` repeats its last row and column.
fn inputs(rgb: &[f32], hole: &[u8], crop: (usize, usize), net: (usize, usize)) -> (Tensor, Tensor) {
    let (mut image, mut mask) = (
        Vec::with_capacity(net.0 * net.1 * 3),
        Vec::with_capacity(net.0 * net.1),
    );
    for y in 0..net.1 {
        for x in 0..net.0 {
            let at = y.min(crop.1 - 1) * crop.0 + x.min(crop.0 - 1);
            image.extend(
                rgb[at * 3..at * 3 + 3]
                    .iter()
                    .map(|v| (v * 255.0 + 0.5) as u8),
            );
            mask.push(hole[at]);
        }
    }
    (
        Tensor::u8(&[1, net.1, net.0, 3], image),
        Tensor::u8(&[1, net.1, net.0], mask),
    )
}

/// Copies the prediction `f32 [1, 3, Hp, Wp]` into the hole pixels of `rgb`, `[height, width, 3]`.
fn put_prediction(
    rgb: &mut [f32],
    hole: &[u8],
    prediction: &Tensor,
    width: usize,
) -> Result<(), PluginError> {
    let height = hole.len() / width;
    let (Some([1, 3, ph, pw]), Some(values)) = (prediction.shape.dims4(), prediction.as_f32())
    else {
        return Err(unusable(format!(
            "{:?} {}, wanted F32 [1, 3, H, W]",
            prediction.dtype(),
            prediction.shape
        )));
    };
    if ph < height || pw < width {
        return Err(unusable(format!(
            "{pw}x{ph} pixels for a crop of {width}x{height}"
        )));
    }
    for (i, px) in rgb
        .chunks_exact_mut(3)
        .enumerate()
        .filter(|(i, _)| hole[*i] != 0)
    {
        let at = (i / width) * pw + i % width;
        for (c, v) in px.iter_mut().enumerate() {
            let predicted = values[c * ph * pw + at];
            if !predicted.is_finite() {
                return Err(unusable(format!(
                    "{predicted} at pixel ({}, {})",
                    i % width,
                    i / width
                )));
            }
            *v = predicted.clamp(0.0, 1.0);
        }
    }
    Ok(())
}

fn unusable(detail: String) -> PluginError {
    PluginError::Output {
        plugin: "lama",
        detail,
    }
}
