//! Fills one picture.

use std::sync::Arc;

use cleanplate_engine::{Backend, EngineError, Graph, Tensor, TensorSpec};
use cleanplate_kernels::Data;
use cleanplate_kernels::patchmatch::site;
use cleanplate_kernels::poisson::Poisson;

use super::build::{Wanted, going_on, graph, inputs, inputs_going_on, schedule};
use super::geometry::levels;
use super::settings::Settings;
use cleanplate_pipeline::Pixel;
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::transparency::{GROUNDS, ground, over};
use cleanplate_pipeline::{ExecutableCache, ExecutableKey};

/// A picture with a hole.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// RGB 0..1, `[height, width, 3]`.
    pub rgb: Vec<f32>,
    /// What each pixel is, `[height, width]`.
    pub pixels: Vec<Pixel>,
    /// A coarse idea of the fill, RGB 0..1, `[height, width, 3]`; blurred the same way inside and outside the hole.
    pub guide: Option<Vec<f32>>,
    /// Alpha 0..1, repeated like a gray picture, `[height, width, 3]`, unless everything is opaque: filled from the same sources as
    /// the colours. Those of transparent pixels do not count.
    pub alpha: Option<Vec<f32>>,
}

/// A filled picture.
#[derive(Debug, Clone)]
pub struct Filled {
    /// RGB 0..1, `[height, width, 3]`.
    pub rgb: Vec<f32>,
    /// Alpha, as it was given, if it was.
    pub alpha: Option<Vec<f32>>,
    /// The index of each hole pixel's source pixel, [`cleanplate_kernels::patchmatch::NONE`] elsewhere; if asked for and if
    /// there was anything to copy.
    pub picks: Option<Vec<u32>>,
    /// Whether there was no patch to copy, so that the fill is only smooth.
    pub smooth: bool,
    /// The field with which the search ended, if a frame may go on from it.
    pub field: Option<Vec<u32>>,
}

/// Whether a fill is one of a sequence.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// It stands by itself.
    Alone,
    /// The first frame: [`Filled::field`] is wanted.
    First,
    /// It goes on from the field of the frame before, which had the same hole.
    After(&'a [u32]),
}

/// What a fill runs on.
#[derive(Clone, Copy)]
pub struct Device<'a> {
    /// The device.
    pub backend: &'a dyn Backend,
    /// Compiled graphs, kept between fills.
    pub executables: &'a ExecutableCache,
    /// Hears between operations which share of the fill is done, 0 to 1, and says whether to stop.
    pub watch: &'a dyn Fn(f32) -> bool,
}

/// Fills the hole of `scene`, which stands by itself; `picks` asks for [`Filled::picks`]. See [`fill_from`].
pub fn fill(
    scene: Scene,
    settings: &Settings,
    picks: bool,
    device: Device<'_>,
) -> Result<Filled, PluginError> {
    fill_from(scene, settings, (picks, Start::Alone), device)
}

/// Fills the hole of `scene`; `picks` asks for [`Filled::picks`].
///
/// Where no whole patch of the wanted radius is known, smaller ones are tried; without any patch the fill is a smooth blend of
/// the rim.
pub fn fill_from(
    mut scene: Scene,
    settings: &Settings,
    (picks, start): (bool, Start<'_>),
    device: Device<'_>,
) -> Result<Filled, PluginError> {
    let wanted = Wanted {
        picks,
        alpha: scene.alpha.is_some(),
        field: !matches!(start, Start::Alone),
        goes_on: matches!(start, Start::After(_)),
    };
    for radius in (1..=settings.radius).rev() {
        let settings = Settings {
            radius,
            guide: settings.guide.filter(|_| scene.guide.is_some()),
            ..settings.clone()
        };
        // One that goes on needs the finest only.
        let count_max = if wanted.goes_on { 1 } else { usize::MAX };
        let size = (scene.width, scene.height);
        let mut levels = levels(&scene.pixels, size, &settings, count_max);
        if levels.is_empty() {
            continue;
        }
        let plan = match start {
            Start::After(_) => going_on(&levels[0]),
            Start::Alone | Start::First => schedule(&levels, &settings),
        };
        let during = size;
        // Seeds are part of the operations, so they are part of the graph's identity.
        let key = ExecutableKey {
            sha256: format!("patchmatch {wanted:?} {settings:?} {plan:?}"),
            height: scene.height,
            width: scene.width,
        };
        let build = || graph(&plan, &settings, wanted).map_err(|e| failed(during, e));
        let executable = device.executables.get(key, device.backend, build)?;
        let dims = [scene.height, scene.width, 3];
        let mut given = vec![Tensor::f32(&dims, matched(&mut scene))];
        given.extend(
            scene
                .guide
                .filter(|_| settings.guide.is_some())
                .map(|g| Tensor::f32(&dims, g)),
        );
        if let Some(alpha) = scene.alpha {
            given.push(Tensor::f32(&dims, scene.rgb));
            given.push(Tensor::f32(&dims, alpha));
        }
        given.extend(match start {
            Start::After(field) => inputs_going_on(levels.swap_remove(0), field),
            Start::Alone | Start::First => inputs(levels, settings.seed),
        });
        let views: Vec<_> = given.iter().map(Tensor::view).collect();
        let outputs = executable.run_until(&views, device.watch).map_err(|e| {
            if e.retryable() {
                device.executables.clear();
            }
            failed(during, e)
        })?;
        return unpack(outputs, wanted);
    }
    smooth(scene, device)
}

/// The picture in which patches are compared: the colours on a ground that they stand out from, so that transparent pixels are
/// like each other and like nothing else. Without alpha it is the picture itself, which is needed for nothing else.
fn matched(scene: &mut Scene) -> Vec<f32> {
    let Some(alpha) = &scene.alpha else {
        return std::mem::take(&mut scene.rgb);
    };
    let pixels = scene.rgb.as_chunks().0.iter().zip(alpha.iter().step_by(3));
    let known = pixels.clone().zip(&scene.pixels);
    let known = known.filter(|(_, pixel)| **pixel == Pixel::Known);
    let ground = ground(known.map(|((rgb, alpha), _)| (*rgb, *alpha)), &GROUNDS);
    pixels
        .flat_map(|(rgb, alpha)| over(*rgb, *alpha, ground))
        .collect()
}

fn unpack(outputs: Vec<Tensor>, wanted: Wanted) -> Result<Filled, PluginError> {
    let mut outputs = outputs.into_iter();
    let rgb = outputs.next().and_then(into_f32).ok_or_else(unusable)?;
    let alpha = if wanted.alpha {
        Some(outputs.next().and_then(into_f32).ok_or_else(unusable)?)
    } else {
        None
    };
    let mut sources = |wanted: bool| {
        let found = wanted.then(|| outputs.next().and_then(into_u32).ok_or_else(unusable));
        found.transpose()
    };
    Ok(Filled {
        rgb,
        alpha,
        picks: sources(wanted.picks)?,
        field: sources(wanted.field)?,
        smooth: false,
    })
}

/// A harmonic blend of the rim, from the mean of the known pixels.
fn smooth(scene: Scene, device: Device<'_>) -> Result<Filled, PluginError> {
    let size = (scene.width, scene.height);
    let one = |picture: Vec<f32>| harmonic(size, picture, &scene.pixels, device);
    Ok(Filled {
        rgb: one(scene.rgb)?,
        alpha: scene.alpha.map(one).transpose()?,
        picks: None,
        field: None,
        smooth: true,
    })
}

fn harmonic(
    (width, height): (usize, usize),
    mut rgb: Vec<f32>,
    pixels: &[Pixel],
    device: Device<'_>,
) -> Result<Vec<f32>, PluginError> {
    let mean = mean_known(&rgb, pixels);
    let word = |pixel: &Pixel| match pixel {
        Pixel::Void => 0,
        Pixel::Known => site::KNOWN,
        Pixel::Hole => site::HOLE,
    };
    for (pixel, value) in pixels.iter().zip(rgb.chunks_exact_mut(3)) {
        if *pixel == Pixel::Hole {
            value.copy_from_slice(&mean);
        }
    }
    let key = ExecutableKey {
        sha256: "patchmatch smooth".into(),
        height,
        width,
    };
    let executable = device.executables.get(key, device.backend, || {
        smooth_graph(width, height).map_err(|e| failed((width, height), e))
    })?;
    let slopes = Tensor::f32(&[height, width, 3], vec![0.0; rgb.len()]);
    let (image, sites) = (
        Tensor::f32(&[height, width, 3], rgb),
        Tensor::u32(&[height, width], pixels.iter().map(word).collect()),
    );
    let outputs = executable.run_until(&[image.view(), slopes.view(), sites.view()], device.watch);
    let outputs = outputs.map_err(|e| failed((width, height), e))?;
    let filled = outputs.into_iter().next().and_then(into_f32);
    filled.ok_or_else(unusable)
}

/// Mean colour of the known pixels; middle gray if there are none.
fn mean_known(rgb: &[f32], pixels: &[Pixel]) -> [f32; 3] {
    let known: Vec<usize> = (0..pixels.len())
        .filter(|at| pixels[*at] == Pixel::Known)
        .collect();
    [0, 1, 2].map(|c| {
        let sum: f64 = known.iter().map(|at| f64::from(rgb[3 * at + c])).sum();
        if known.is_empty() {
            0.5
        } else {
            (sum / known.len() as f64) as f32
        }
    })
}

/// Takes the picture, its wanted slopes (both `f32 [height, width, 3]`) and the site words (`u32 [height, width]`).
fn smooth_graph(width: usize, height: usize) -> Result<Graph, EngineError> {
    let op = Poisson::new(None).map_err(|source| EngineError::Kernel {
        layer: "smooth".into(),
        source,
    })?;
    let picture = TensorSpec::f32(&[height, width, 3]);
    let mut graph = Graph::new();
    let given = [
        graph.input(picture.clone()),
        graph.input(picture),
        graph.input(TensorSpec::u32(&[height, width])),
    ];
    let out = graph.add("smooth", Arc::new(op), &given)?;
    graph.output(out);
    Ok(graph)
}

fn into_f32(tensor: Tensor) -> Option<Vec<f32>> {
    match tensor.data {
        Data::F32(v) => Some(v),
        _ => None,
    }
}

fn into_u32(tensor: Tensor) -> Option<Vec<u32>> {
    match tensor.data {
        Data::U32(v) => Some(v),
        _ => None,
    }
}

fn unusable() -> PluginError {
    PluginError::Output {
        plugin: "patchmatch",
        detail: "an output is missing or of another type".into(),
    }
}

fn failed((width, height): (usize, usize), source: EngineError) -> PluginError {
    let during = format!("patchmatch, crop of {width}x{height} pixels");
    match source {
        EngineError::Cancelled => PluginError::Cancelled {
            before: format!("the end of {during}"),
        },
        source => PluginError::Engine {
            during,
            source: source.into(),
        },
    }
}
