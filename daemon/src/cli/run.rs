//! `run`: one photo through a pipeline, without a server.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use cleanplate_engine::BackendChoice;
use cleanplate_pictures::{EncodeOptions, Format, Photo};
use cleanplate_pipeline::{Outcome, Prompts, Request, RunLimits, Runner};
use serde_json::json;

use super::args::Run;
use super::progress::StageBar;
use super::sink::Sink;
use super::{Usage, load, open, print_json, usage};
use crate::config::Config;
use crate::telemetry::escaped;

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
        format: format_of(&args.out)?,
        quality: None,
    };
    let (out, mask_out) = sinks(args)?;
    let request = request(args, &config, overrides)?;
    let choice = args
        .backend
        .map_or(config.engine.backend, BackendChoice::from);
    let runner = Runner::new(
        open::device(&config, choice)?,
        open::models(&config)?,
        RunLimits::default(),
    );
    let bar = StageBar::new(pipeline.steps.len() + 1);
    let outcome = runner.run(pipeline, request, &bar);
    bar.finish();
    let mut outcome = outcome?;
    let bytes = outcome
        .photo
        .encode_with_warnings(&encode, &mut outcome.warnings)?;
    out.write(&bytes)?;
    if let Some(sink) = mask_out {
        sink.write(&crate::picture::mask_png(&outcome.mask)?)?;
    }
    report(args, &outcome, started.elapsed().as_secs_f64() * 1000.0)?;
    Ok(ExitCode::SUCCESS)
}

fn request(
    args: &Run,
    config: &Config,
    overrides: Vec<(String, String)>,
) -> anyhow::Result<Request> {
    let limits = crate::picture::limits(&config.limits);
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    let photo: Photo = cleanplate_pictures::decode(&read(&args.image)?, &limits)
        .with_context(|| args.image.display().to_string())?;
    let mask = match &args.mask {
        Some(path) => Some(
            cleanplate_pictures::decode_mask(&read(path)?, &limits)
                .with_context(|| path.display().to_string())?,
        ),
        None => None,
    };
    let prompts = if args.points.is_empty() && args.rect.is_none() {
        None
    } else {
        Some(prompts(args)?)
    };
    Ok(Request {
        photo,
        mask,
        prompts,
        overrides,
    })
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
    Ok(Prompts { points, boxes })
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
        "a name that ends in .jpg, .png or .webp",
        ending.parse().ok(),
    )
    .map(Some)
}

/// Where result and mask go.
fn sinks(args: &Run) -> anyhow::Result<(Sink, Option<Sink>)> {
    let inputs: Vec<&Path> = std::iter::once(args.image.as_path())
        .chain(args.mask.as_deref())
        .collect();
    let out = Sink::of("--out", &args.out, &inputs)?;
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
    let stdout = out == Sink::Stdout || mask_out == Some(Sink::Stdout);
    if stdout && args.output.json {
        let text = "--json prints on standard output; write the pictures to files";
        return Err(Usage(text.to_string()).into());
    }
    Ok((out, mask_out))
}

fn report(args: &Run, outcome: &Outcome, ms: f64) -> anyhow::Result<()> {
    for warning in &outcome.warnings {
        eprintln!("warning: {}", escaped(warning));
    }
    let device = &outcome.device;
    if args.output.json {
        return print_json(&json!({
            "output": args.out, "mask": args.mask_out, "width": outcome.photo.width, "height": outcome.photo.height,
            "mask_share": outcome.mask_share, "predicted_iou": outcome.predicted_iou, "choices": outcome.choices, "device": device, "models": outcome.models, "stages": outcome.stages,
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
