//! `eval`: how good pipelines fill holes where the truth is known.
//!
//! A folder holds NAME.png and NAME_mask.png. The hole is blanked before a pipeline sees the photo; its fill is then
//! compared with what was there. benches/quality measures the same beside other programs, by the same definitions.

mod cases;
mod metrics;
mod sheet;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use cleanplate_engine::BackendChoice;
use cleanplate_pipeline::{Pipeline, Request, RunLimits, Runner};
use serde::Serialize;
use serde_json::json;

use super::args::Eval;
use super::progress::StageBar;
use super::{load, open, print_json, usage};
use cases::Case;
use metrics::{Picture, Scores};
use sheet::ContactSheet;

/// A pipeline with its overrides, as it was named on the command line.
struct Contender<'a> {
    name: String,
    pipeline: &'a Pipeline,
    overrides: Vec<(String, String)>,
}

/// One photo's measures.
#[derive(Debug, Serialize)]
struct Line {
    photo: String,
    #[serde(flatten)]
    scores: Scores,
    seconds: f64,
}

/// Fills every hole with every pipeline, prints the table.
pub fn run(args: &Eval) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let pipelines = open::pipelines(&config)?;
    let default = [config.pipelines.default.clone()];
    let named = if args.pipelines.is_empty() {
        &default[..]
    } else {
        &args.pipelines
    };
    let contenders = named
        .iter()
        .map(|text| contender(text, &pipelines))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let cases = cases::find(&args.dir)?;
    let choice = args
        .backend
        .map_or(config.engine.backend, BackendChoice::from);
    let runner = Runner::new(
        open::device(&config, choice)?,
        open::models(&config)?,
        RunLimits::default(),
    );
    let limits = crate::picture::limits(&config.limits);
    let mut lines: Vec<Vec<Line>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut sheet = ContactSheet::new(contenders.len() + 2);
    for case in &cases {
        let read = case.read(&limits)?;
        sheet.add(&read.truth);
        sheet.add(&read.blanked());
        let judge = metrics::Judge::new(&read.truth, &read.mask);
        for (contender, lines) in contenders.iter().zip(&mut lines) {
            let (result, seconds) = fill(&runner, contender, &read)
                .with_context(|| format!("{} by {}", case.name, contender.name))?;
            let scores = judge.score(&result);
            eprintln!(
                "{}  {}  {scores}  {seconds:.2} s",
                case.name, contender.name
            );
            lines.push(Line {
                photo: case.name.clone(),
                scores,
                seconds,
            });
            sheet.add(&result);
        }
    }
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let file = dir.join("eval.jpg");
        std::fs::write(&file, sheet.jpeg()?)
            .with_context(|| format!("writing {}", file.display()))?;
        let text = serde_json::to_vec_pretty(&report(&runner, &contenders, &lines))?;
        std::fs::write(dir.join("eval.json"), text)
            .with_context(|| format!("writing into {}", dir.display()))?;
    }
    if args.output.json {
        print_json(&report(&runner, &contenders, &lines))?;
    } else {
        table(&contenders, &lines);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `NAME[,plugin.param=value]...`.
fn contender<'a>(
    text: &str,
    pipelines: &'a cleanplate_pipeline::PipelineSet,
) -> anyhow::Result<Contender<'a>> {
    let mut words = text.split(',');
    let pipeline = pipelines.get(words.next().unwrap_or_default())?;
    let pair = |word: &str| {
        let pair = word
            .split_once('=')
            .map(|(path, value)| (path.to_string(), value.to_string()));
        usage("--pipeline", text, "NAME or NAME,PLUGIN.PARAM=VALUE", pair)
    };
    let overrides = words.map(pair).collect::<anyhow::Result<Vec<_>>>()?;
    // A wrong parameter shows before a device is opened.
    pipeline.with_overrides(&overrides)?;
    Ok(Contender {
        name: text.to_string(),
        pipeline,
        overrides,
    })
}

/// The filled photo, and the seconds that the pipeline took, reading and writing files left out.
fn fill(runner: &Runner, contender: &Contender<'_>, read: &Case) -> anyhow::Result<(Picture, f64)> {
    let photo = read.blank_photo();
    let request = Request {
        photo,
        mask: Some(read.mask.clone()),
        prompts: None,
        overrides: contender.overrides.clone(),
        frame: None,
    };
    let bar = StageBar::new(contender.pipeline);
    let started = Instant::now();
    let outcome = runner.run(contender.pipeline, request, &bar);
    let seconds = started.elapsed().as_secs_f64();
    bar.finish();
    let outcome = outcome?;
    for warning in &outcome.warnings {
        eprintln!("warning: {warning}");
    }
    Ok((Picture::of(&outcome.photo), seconds))
}

/// Means over all photos, in the order of the columns.
fn means(lines: &[Line]) -> BTreeMap<&'static str, f64> {
    let count = lines.len().max(1) as f64;
    let mut means = BTreeMap::new();
    for line in lines {
        for (name, value) in line
            .scores
            .named()
            .into_iter()
            .chain([("seconds", line.seconds)])
        {
            *means.entry(name).or_insert(0.0) += value / count;
        }
    }
    means
}

fn report(runner: &Runner, contenders: &[Contender<'_>], lines: &[Vec<Line>]) -> serde_json::Value {
    let one = |(contender, lines): (&Contender<'_>, &Vec<Line>)| json!({ "pipeline": contender.name, "mean": means(lines), "photos": lines });
    let pipelines: Vec<_> = contenders.iter().zip(lines).map(one).collect();
    json!({ "device": runner.device(), "photos": lines.first().map_or(0, Vec::len), "pipelines": pipelines })
}

fn table(contenders: &[Contender<'_>], lines: &[Vec<Line>]) {
    const COLUMNS: [&str; 6] = ["psnr", "ssim", "sharp", "seam", "halo", "seconds"];
    println!(
        "| {} photos | {} |",
        lines.first().map_or(0, Vec::len),
        COLUMNS.join(" | ")
    );
    println!("|{}", " --- |".repeat(COLUMNS.len() + 1));
    for (contender, lines) in contenders.iter().zip(lines) {
        let means = means(lines);
        let values: Vec<String> = COLUMNS
            .iter()
            .map(|name| format!("{:.3}", means.get(name).copied().unwrap_or(f64::NAN)))
            .collect();
        println!("| {} | {} |", contender.name, values.join(" | "));
    }
}
