//! `folder --once`: every pair of a folder, without a server and without an account.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use cleanplate_api::{FolderFile, FolderStatus};
use cleanplate_engine::BackendChoice;
use cleanplate_pipeline::{RunLimits, Runner};

use super::args::Folder;
use super::{Usage, load, open, print_json, progress};
use crate::config::{Config, HotFolder, misplaced};
use crate::files::Dirs;
use crate::folder::after::day;
use crate::folder::{Board, Bounds, DirectExecutor, FolderWatch, Menu, Setup};
use crate::jobs::ByteBudget;
use crate::pairing::OUTPUT;
use crate::telemetry::escaped;
use crate::webhooks;

/// Works through a folder, or tells about folders. Exit code 1 when a pair failed or a photo has no mask.
pub fn run(args: &Folder) -> anyhow::Result<ExitCode> {
    if let Some(dir) = &args.report {
        return report_of_day(dir, args.day.as_deref());
    }
    let config = load(&args.place, Vec::new())?;
    match &args.once {
        Some(dir) => once(args, dir, &config),
        None => webhook_secret(&config),
    }
}

/// Prints the CSV of a day.
fn report_of_day(dir: &Path, day: Option<&str>) -> anyhow::Result<ExitCode> {
    let day = day.map_or_else(|| day::date(crate::clock::now_ms()).0, str::to_string);
    let is_date = |text: &str| {
        text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    if !is_date(&day) {
        return Err(Usage(format!("--day {day:?}: expected a day such as 2026-11-30")).into());
    }
    if !dir.is_dir() {
        return Err(Usage(format!("--report {dir:?}: expected a watched folder")).into());
    }
    let (count, left) = day::write(dir, &day, &mut std::io::stdout().lock())
        .with_context(|| format!("reading the reports of {}", dir.display()))?;
    for FolderFile { name, why } in &left.first {
        eprintln!("left out: {} ({})", escaped(name), escaped(why));
    }
    let more = left.count - left.first.len() as u64;
    if more > 0 {
        eprintln!("left out: {more} more");
    }
    if left.count > 0 {
        eprintln!(
            "reports left out: {}; which day they are of is not known",
            left.count
        );
    }
    eprintln!("{count} pairs ended on {day} (UTC)");
    Ok(ExitCode::SUCCESS)
}

fn webhook_secret(config: &Config) -> anyhow::Result<ExitCode> {
    let dirs = Dirs::under(&config.server.data_dir);
    let master = crate::database::webhook_key(config, &dirs)?.signing();
    println!("{}", webhooks::secret(&master, webhooks::OF_FOLDERS));
    Ok(ExitCode::SUCCESS)
}

fn once(args: &Folder, dir: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = hot_folder(args, dir, config)?;
    let pipelines = open::pipelines(config)?;
    let name = args
        .pipeline
        .as_deref()
        .or(folder.rules.pipeline.as_deref())
        .unwrap_or(&config.pipelines.default);
    let pipeline = Arc::new(pipelines.get(name)?.clone());
    let choice = args
        .backend
        .map_or(config.engine.backend, BackendChoice::from);
    let mut limits = config.limits.clone();
    limits.set_shots_aside();
    let runner = Runner::new(
        open::device(config, choice)?,
        open::models(config)?,
        RunLimits {
            shots_bytes_max: limits.shots_bytes_max,
            ..RunLimits::default()
        },
    );
    let memory = Arc::new(ByteBudget::new(limits.memory_bytes_max));
    let bounds = Bounds::of(config, memory.clone());
    let bar = progress::bar(0, "{pos}/{len} [{bar:40}] {elapsed} {msg}");
    let shown = bar.clone();
    let show = move |status: &FolderStatus| {
        shown.set_length(
            status.done + status.failed + status.ready + status.working + status.settling,
        );
        shown.set_position(status.done + status.failed);
        shown.set_message(format!("{} failed", status.failed));
    };
    let board = Arc::new(Board::new(&folder, name, None, None, Some(Box::new(show))));
    let executor = Arc::new(DirectExecutor::new(runner, bounds.image.clone(), memory));
    let stop = Arc::new(AtomicBool::new(false));
    let outcome = FolderWatch::new(Setup {
        folder,
        menu: Menu {
            own: pipeline,
            set: pipelines,
            rules: None,
        },
        executor,
        bounds,
        board: board.clone(),
        stop,
        once: true,
    })
    .run();
    bar.finish_and_clear();
    outcome.context("working through the folder")?;
    report(args, &board.status())
}

fn hot_folder(args: &Folder, dir: &Path, config: &Config) -> anyhow::Result<HotFolder> {
    let absolute =
        |path: &Path| std::path::absolute(path).with_context(|| path.display().to_string());
    let path = absolute(dir)?;
    if !path.is_dir() {
        return Err(Usage(format!("--once {dir:?}: expected a folder")).into());
    }
    let output = args
        .out
        .as_deref()
        .map_or_else(|| Ok(path.join(OUTPUT)), absolute)?;
    let name = path.file_name().map_or("folder".to_string(), |name| {
        name.to_string_lossy().into_owned()
    });
    let folder = HotFolder {
        name,
        path,
        output,
        account: None,
        rules: config.folder_rules.clone(),
    };
    match misplaced(std::slice::from_ref(&folder)).pop() {
        Some((_, problem)) => Err(Usage(problem).into()),
        None => Ok(folder),
    }
}

fn report(args: &Folder, status: &FolderStatus) -> anyhow::Result<ExitCode> {
    for FolderFile { name, why } in &status.left {
        let what = if status.waiting.contains(name) {
            "no mask"
        } else {
            "not taken"
        };
        eprintln!("{what}: {} ({})", escaped(name), escaped(why));
    }
    if status.left_count > status.left.len() as u64 {
        let more = status.left_count - status.left.len() as u64;
        eprintln!("and {more} more that were not taken");
    }
    let FolderStatus {
        done,
        failed,
        waiting_for_mask,
        ..
    } = status;
    if args.output.json {
        print_json(status)?;
    } else {
        eprintln!(
            "{done} done, {failed} failed, {waiting_for_mask} without a mask; reports are in done and failed"
        );
    }
    Ok(if *failed == 0 && *waiting_for_mask == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
