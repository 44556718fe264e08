//! `run`: one photo through a pipeline, without a server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use cleanplate_engine::BackendChoice;
use cleanplate_pictures::{EncodeOptions, Format, Photo};
use cleanplate_pipeline::{Outcome, Pipeline, Prompts, Request, RunLimits, Runner};
use serde_json::json;

use super::args::Run;
use super::progress::StageBar;
use super::sink::Sink;
use super::{Usage, load, open, print_json, usage};
use crate::config::Config;
use crate::telemetry::escaped;

/// The name that stands for standard input, and for standard output.
const STDIN: &str = "-";

/// Runs the pipeline and writes the result.
pub fn run(args: &Run) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let started = Instant::now();
    let pipelines = open::pipelines(&config)?;
    let pipeline = pipelines.get(
        args.pipeline
            .as_deref()
            .unwrap_or(&config.pipelines.default),
    )?;
    let overrides = args
        .sets
        .iter()
        .map(|text| set(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    // A wrong parameter shows before a device is opened.
    pipeline.with_overrides(&overrides)?;
    let encode = EncodeOptions {
        format: args.out.as_deref().map(format_of).transpose()?.flatten(),
        quality: None,
    };
    let name = args.out.clone().unwrap_or_else(|| default_out(&args.image));
    let (out, mask_out) = sinks(args, &name)?;
    let places = places(args, &name, pipeline)?;
    let (request, remarks) = request(args, &config, overrides)?;
    request.photo.check_format(&encode)?;
    let choice = args
        .backend
        .map_or(config.engine.backend, BackendChoice::from);
    let runner = Runner::new(
        open::device(&config, choice)?,
        open::models(&config)?,
        RunLimits::default(),
    );
    let bar = StageBar::new(pipeline);
    let count = args.candidates.map_or(0, usize::from);
    let outcome = runner.run_with_alternatives(pipeline, request, count, &bar);
    bar.finish();
    let mut outcome = outcome?;
    outcome.warnings.extend(remarks);
    let bytes = outcome
        .photo
        .encode_with_warnings(&encode, &mut outcome.warnings)?;
    out.write(&bytes)?;
    if let Some(sink) = mask_out {
        sink.write(&crate::picture::mask_png(&outcome.mask)?)?;
    }
    for found in &outcome.alternatives {
        let place = places.iter().find(|(name, _)| *name == found.name);
        if let (Some(photo), Some((_, sink))) = (&found.photo, place) {
            sink.write(&photo.encode_with_warnings(&encode, &mut Vec::new())?)?;
        }
    }
    report(
        args,
        &name,
        &outcome,
        started.elapsed().as_secs_f64() * 1000.0,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn request(
    args: &Run,
    config: &Config,
    overrides: Vec<(String, String)>,
) -> anyhow::Result<(Request, Vec<String>)> {
    let limits = crate::picture::limits(&config.limits);
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        let all = if path == Path::new(STDIN) {
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map(|_| bytes)
        } else {
            std::fs::read(path)
        };
        all.with_context(|| format!("reading {}", path.display()))
    };
    let photo: Photo = cleanplate_pictures::decode(&read(&args.image)?, &limits)
        .with_context(|| args.image.display().to_string())?;
    let mask = match &args.mask {
        Some(path) => Some(
            cleanplate_pictures::decode_mask(&read(path)?, &limits, args.mask_channel)
                .with_context(|| path.display().to_string())?,
        ),
        None => None,
    };
    let (mask, remarks) = mask.map_or((None, Vec::new()), |file| (Some(file.mask), file.warnings));
    let prompts = if args.points.is_empty() && args.rect.is_none() {
        None
    } else {
        Some(prompts(args)?)
    };
    let request = Request {
        photo,
        mask,
        prompts,
        overrides,
        frame: None,
    };
    Ok((request, remarks))
}

/// Where the result goes when nobody says: beside the photo, to standard output for one from standard input.
fn default_out(image: &Path) -> PathBuf {
    if image == Path::new(STDIN) {
        return PathBuf::from(STDIN);
    }
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let ending = image.extension().map(|ending| ending.to_string_lossy());
    let ending = ending.map_or_else(String::new, |ending| format!(".{ending}"));
    image.with_file_name(format!("{stem}-clean{ending}"))
}

fn prompts(args: &Run) -> anyhow::Result<Prompts> {
    let numbers = |text: &str| {
        text.split(',')
            .map(|part| part.trim().parse().ok().filter(|n: &f64| n.is_finite()))
            .collect::<Option<Vec<f64>>>()
    };
    let mut points = Vec::new();
    for text in &args.points {
        let point = match numbers(text).as_deref() {
            Some([x, y]) => Some((*x, *y, 1)),
            Some([x, y, label]) if *label == 0.0 || *label == 1.0 => Some((*x, *y, *label as u8)),
            _ => None,
        };
        points.push(usage(
            "--point",
            text,
            "X,Y or X,Y,LABEL with label 1 or 0",
            point,
        )?);
    }
    let corners = |text: &String| {
        let rect = match numbers(text).as_deref() {
            Some([x1, y1, x2, y2]) => Some([x1.min(*x2), y1.min(*y2), x1.max(*x2), y1.max(*y2)]),
            _ => None,
        };
        usage("--box", text, "X1,Y1,X2,Y2", rect)
    };
    let boxes = args.rect.as_ref().map(corners).transpose()?;
    Ok(Prompts {
        points,
        boxes,
        ..Prompts::default()
    })
}

fn set(text: &str) -> anyhow::Result<(String, String)> {
    let pair = text.split_once('=').filter(|(path, _)| path.contains('.'));
    usage(
        "--set",
        text,
        "PLUGIN.PARAM=VALUE",
        pair.map(|(path, value)| (path.to_string(), value.to_string())),
    )
}

/// The format that the ending of a result's name asks for.
fn format_of(path: &Path) -> anyhow::Result<Option<Format>> {
    let Some(ending) = path.extension().and_then(|ending| ending.to_str()) else {
        return Ok(None);
    };
    usage(
        "--out",
        &path.display().to_string(),
        "a name that ends in .jpg, .png, .webp or .tif",
        ending.parse().ok(),
    )
    .map(Some)
}

fn inputs(args: &Run) -> Vec<&Path> {
    std::iter::once(args.image.as_path())
        .chain(args.mask.as_deref())
        .collect()
}

/// Where the fill of this name goes: `out.patches.jpg` beside `out.jpg`.
fn beside(out: &Path, name: &str) -> PathBuf {
    let ending = out.extension().unwrap_or_default().to_string_lossy();
    out.with_extension(format!("{name}.{ending}"))
}

/// Where each candidate of the pipeline goes, if it is wanted and not the result.
fn places(args: &Run, out: &Path, pipeline: &Pipeline) -> anyhow::Result<Vec<(String, Sink)>> {
    if args.candidates.is_none() {
        return Ok(Vec::new());
    }
    let of = |(name, _): (&str, Vec<_>)| {
        let sink = Sink::of("--candidates", &beside(out, name), &inputs(args))?;
        Ok((name.to_string(), sink))
    };
    pipeline.branches().into_iter().map(of).collect()
}

/// Where result and mask go.
fn sinks(args: &Run, out: &Path) -> anyhow::Result<(Sink, Option<Sink>)> {
    if args.image == Path::new(STDIN) && args.mask.as_deref() == Some(Path::new(STDIN)) {
        let text = "photo and mask cannot both come from standard input";
        return Err(Usage(text.to_string()).into());
    }
    let inputs = inputs(args);
    let out = Sink::of("--out", out, &inputs)?;
    let mask_out = args
        .mask_out
        .as_deref()
        .map(|path| Sink::of("--mask-out", path, &inputs))
        .transpose()?;
    if mask_out.as_ref() == Some(&out) {
        return Err(
            Usage("--out and --mask-out are the same; choose two names".to_string()).into(),
        );
    }
    if out == Sink::Stdout && args.candidates.is_some() {
        let text = "--candidates writes files beside --out; give it a name";
        return Err(Usage(text.to_string()).into());
    }
    let stdout = out == Sink::Stdout || mask_out == Some(Sink::Stdout);
    if stdout && args.output.json {
        let text = "--json prints on standard output; write the pictures to files";
        return Err(Usage(text.to_string()).into());
    }
    Ok((out, mask_out))
}

fn report(args: &Run, out: &Path, outcome: &Outcome, ms: f64) -> anyhow::Result<()> {
    for warning in &outcome.warnings {
        eprintln!("warning: {}", escaped(warning));
    }
    let device = &outcome.device;
    let candidates: Vec<_> = outcome
        .alternatives
        .iter()
        .map(|found| {
            let file = match found.photo {
                Some(_) => beside(out, &found.name),
                None => out.to_path_buf(),
            };
            json!({ "name": found.name, "chosen": found.chosen, "score": found.score, "file": file })
        })
        .collect();
    if args.output.json {
        return print_json(&json!({
            "output": out, "mask": args.mask_out, "width": outcome.photo.width, "height": outcome.photo.height,
            "mask_share": outcome.mask_share, "predicted_iou": outcome.predicted_iou, "choices": outcome.choices, "candidates": candidates, "device": device, "models": outcome.models, "stages": outcome.stages,
            "warnings": outcome.warnings, "total_ms": ms,
        }));
    }
    for stage in &outcome.stages {
        eprintln!("{:>10.1} ms  {}", stage.ms, stage.plugin);
    }
    eprintln!(
        "{:>10.1} ms  in all, on {} ({})",
        ms, device.name, device.backend
    );
    Ok(())
}
