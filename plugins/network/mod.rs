//! `network`: fills the hole with a network, crop by crop. `lama` is the same with another network where none is named.
//!
//! Crops larger than the working size are averaged down for the network; their fill is kept at that size (the blend enlarges
//! it), so that refine stages know its real resolution. Small crops may be enlarged for the network; their fill comes at the photo's size.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Tensor};
use serde::Deserialize;

use cleanplate_pictures::Rect;
use cleanplate_pictures::resample::{resize, shrink_hole, shrink_photo};
use cleanplate_pipeline::models::InpaintNetwork;
use cleanplate_pipeline::{
    Answer, BUCKET_PX, Crop, CropPlan, CropRequest, ExecutableKey, Fill, GatherError, Planned,
    Stage, Work, fill_pixels_max, is_memory, plan_within,
};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Network>(include_str!("plugin.toml"));

/// Smallest working size tried when memory is short.
const WORKING_PX_MIN: usize = 128;

/// Not read from anywhere, which serde would take a plain `&str` for.
type PluginName = &'static str;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    model: String,
    working_px_max: Option<usize>,
    working_px_min: usize,
    crop_px_min: usize,
    context_px_min: usize,
    context_share: f64,
    mirrored: bool,
}

/// The stage of a plugin of this kind.
#[derive(Deserialize)]
#[serde(from = "Parameters")]
pub(crate) struct Network {
    /// The plugin's name, in progress, warnings and errors.
    pub plugin: PluginName,
    /// What it was told.
    pub given: Parameters,
}

impl From<Parameters> for Network {
    fn from(given: Parameters) -> Self {
        let plugin = "network";
        Network { plugin, given }
    }
}

impl Network {
    fn wish(&self, work: &Work<'_>, network: &dyn InpaintNetwork) -> CropPlan {
        let on_gpu = !matches!(work.backend.device().kind, "cpu" | "software");
        let working_px_max = self
            .given
            .working_px_max
            .unwrap_or(if on_gpu { 768 } else { 512 });
        CropPlan {
            side_px_min: self.given.crop_px_min,
            context_px_min: self.given.context_px_min,
            context_share: self.given.context_share,
            working_px_max,
            working_px_min: self.given.working_px_min,
            bucket_px: network.side_px_multiple().max(BUCKET_PX),
        }
    }
}

impl Network {
    /// Fills one crop; when memory is short, once more at two thirds of the size, with a warning in the result.
    fn fill_or_shrink(
        &self,
        work: &mut Work<'_>,
        network: &dyn InpaintNetwork,
        crop: &Planned,
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Fill, PluginError> {
        let refused = match self.fill(work, network, crop, watch) {
            Err(PluginError::Engine { source, .. }) if is_memory(&source) => source,
            other => return other,
        };
        let multiple = network.side_px_multiple().max(8);
        let smaller = |px: usize| (px * 2 / 3 / multiple * multiple).max(WORKING_PX_MIN.min(px));
        let retry = Planned {
            width: smaller(crop.width),
            height: smaller(crop.height),
            ..*crop
        };
        work.warnings.push(format!(
        "{}: a crop of {}x{} px was filled at {}x{} instead of {}x{}, with less detail: {refused}",
        self.plugin,
        crop.rect.width(),
        crop.rect.height(),
        retry.width,
        retry.height,
        crop.width,
        crop.height
    ));
        self.fill(work, network, &retry, watch)
    }

    fn fill(
        &self,
        work: &mut Work<'_>,
        network: &dyn InpaintNetwork,
        crop: &Planned,
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Fill, PluginError> {
        let (width, height) = (crop.width, crop.height);
        let mut rgb = scaled_photo(work, crop);
        let hole = shrink_hole(&work.alpha, crop.rect, width, height);
        // What is smaller is padded.
        let side_min = network.side_px_min();
        let (net_width, net_height) = (width.max(side_min), height.max(side_min));
        let mut seen = rgb.clone();
        work.seen(&mut seen)?;
        let frame = Frame {
            crop: (width, height),
            net: (net_width, net_height),
            mirrored: self.given.mirrored,
        };
        let (image, mask) = frame.inputs(&seen, &hole);
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
        let answer = work.gather.run(CropRequest {
            key: key(1),
            image,
            mask,
            compile: &compile,
            watch,
        });
        let Answer {
            prediction,
            crops,
            waited,
        } = answer.map_err(|refusal| self.failed(work, refusal, crop))?;
        work.sharing.waited += waited;
        work.sharing.crops_together = work.sharing.crops_together.max(crops);
        frame
            .put(&mut seen, &hole, &prediction)
            .map_err(|detail| PluginError::Output {
                plugin: self.plugin,
                detail,
            })?;
        work.own(&mut seen)?;
        copy_hole(&seen, &hole, &mut rgb);
        Ok(no_larger(work, crop.rect, Fill { width, height, rgb }))
    }

    fn failed(&self, work: &Work<'_>, refusal: GatherError, crop: &Planned) -> PluginError {
        let during = format!(
            "{}, crop of {}x{} pixels",
            self.plugin, crop.width, crop.height
        );
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
}

impl Stage for Network {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let network = work.networks.inpaint(&self.given.model)?;
        let wish = self.wish(work, &*network);
        let most = fill_pixels_max(work.photo.width * work.photo.height);
        let room = most.saturating_sub(work.fill_pixels());
        let (grid, planned, working) = plan_within(&work.alpha, &wish, room)?;
        if working < wish.working_px_max {
            work.warnings.push(format!(
                "{}: {} parts of the photo were filled at {working} px instead of {}, with less detail: all fills of it may have {most} pixels",
                self.plugin,
                planned.len(),
                wish.working_px_max
            ));
        }
        for (i, crop) in planned.iter().enumerate() {
            work.check_cancelled(&format!(
                "{}, crop {} of {}",
                self.plugin,
                i + 1,
                planned.len()
            ))?;
            let observer = work.observer;
            let watch = observer.watch(self.plugin, i, planned.len());
            let fill = self.fill_or_shrink(work, &*network, crop, &watch)?;
            work.crops.push(Crop {
                rect: crop.rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill,
                alpha: None,
            });
            work.observer
                .stage(self.plugin, (i + 1) as f32 / planned.len() as f32);
        }
        work.used_model(network.name(), network.sha256());
        Ok(())
    }
}

/// The crop at its working size, RGB 0..1, `[height, width, 3]`: averaged down or enlarged bicubically.
fn scaled_photo(work: &Work<'_>, crop: &Planned) -> Vec<f32> {
    let (from, to) = (
        (crop.rect.width(), crop.rect.height()),
        (crop.width, crop.height),
    );
    if to.0 > from.0 || to.1 > from.1 {
        resize(&work.photo.crop_f32(crop.rect), from, to)
    } else {
        shrink_photo(&work.photo, crop.rect, to.0, to.1)
    }
}

/// The fill of an enlarged crop averaged down to the photo's own size, on the photo's own pixels; others as they are.
fn no_larger(work: &Work<'_>, rect: Rect, fill: Fill) -> Fill {
    let size @ (width, height) = (rect.width(), rect.height());
    if fill.width <= width && fill.height <= height {
        return fill;
    }
    let small = resize(&fill.rgb, (fill.width, fill.height), size);
    let mut rgb = work.photo.crop_f32(rect);
    copy_hole(
        &small,
        &shrink_hole(&work.alpha, rect, width, height),
        &mut rgb,
    );
    Fill { width, height, rgb }
}

/// Copies the hole: around it, what was clipped on the way to the network and back stays whole.
fn copy_hole(from: &[f32], hole: &[u8], to: &mut [f32]) {
    let pixels = to.chunks_exact_mut(3).zip(from.chunks_exact(3));
    for ((to, from), _) in pixels.zip(hole).filter(|(_, hole)| **hole != 0) {
        to.copy_from_slice(from);
    }
}

/// A crop as the network sees it. Sizes are width and height in pixels.
struct Frame {
    crop: (usize, usize),
    /// At least the crop's: the last row and column are repeated.
    net: (usize, usize),
    /// Left and right change places.
    mirrored: bool,
}

impl Frame {
    /// The crop's column that the network sees at `x`, and of a column of the crop the `x` where it is seen.
    fn column(&self, x: usize) -> usize {
        let last = self.crop.0 - 1;
        if self.mirrored {
            last.saturating_sub(x)
        } else {
            x.min(last)
        }
    }

    /// The network's inputs, `u8 [1, H, W, 3]` and `u8 [1, H, W]`.
    fn inputs(&self, rgb: &[f32], hole: &[u8]) -> (Tensor, Tensor) {
        let (crop, net) = (self.crop, self.net);
        let (mut image, mut mask) = (
            Vec::with_capacity(net.0 * net.1 * 3),
            Vec::with_capacity(net.0 * net.1),
        );
        for y in 0..net.1 {
            for x in 0..net.0 {
                let at = y.min(crop.1 - 1) * crop.0 + self.column(x);
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

    /// Copies the prediction `f32 [1, 3, Hp, Wp]` into the hole pixels of `rgb`, `[height, width, 3]`; an error that says why it
    /// cannot be used.
    fn put(&self, rgb: &mut [f32], hole: &[u8], prediction: &Tensor) -> Result<(), String> {
        let (width, height) = self.crop;
        let (Some([1, 3, ph, pw]), Some(values)) = (prediction.shape.dims4(), prediction.as_f32())
        else {
            return Err(format!(
                "{:?} {}, wanted F32 [1, 3, H, W]",
                prediction.dtype(),
                prediction.shape
            ));
        };
        if ph < height || pw < width {
            return Err(format!("{pw}x{ph} pixels for a crop of {width}x{height}"));
        }
        for (i, px) in rgb
            .chunks_exact_mut(3)
            .enumerate()
            .filter(|(i, _)| hole[*i] != 0)
        {
            let at = (i / width) * pw + self.column(i % width);
            for (c, v) in px.iter_mut().enumerate() {
                let predicted = values[c * ph * pw + at];
                if !predicted.is_finite() {
                    return Err(format!(
                        "{predicted} at pixel ({}, {})",
                        i % width,
                        i / width
                    ));
                }
                *v = predicted.clamp(0.0, 1.0);
            }
        }
        Ok(())
    }
}
