//! Pipelines as files: `config/pipelines/*.toml`, built in and from the user's folders.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, StageKind};
use crate::models::{AUTO, Networks};
use crate::parameter::{Value, Values};
use crate::{PluginError, PluginInfo, PluginRef, Plugins};

/// Largest pipeline file read.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Most files taken from one folder.
const FILES_MAX: usize = 200;

/// One plugin of a pipeline with its values.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Plugin name.
    pub plugin: String,
    /// Its stage.
    pub stage: StageKind,
    /// A value for every parameter.
    pub values: Values,
    /// The candidate that it makes together with the other steps of this name; a curate step chooses among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    #[serde(skip)]
    pub(crate) info: PluginRef,
}

/// An ordered list of plugins with their parameters.
#[derive(Debug, Clone, Serialize)]
pub struct Pipeline {
    /// Name, as chosen by requests.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// The plugins, in the order of their stages.
    pub steps: Vec<Step>,
    /// Fills alpha for plugins that know colours only.
    #[serde(skip)]
    pub planes: Option<&'static PluginInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PipelineFile {
    name: String,
    description: String,
    step: Vec<StepFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    plugin: String,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    candidate: Option<String>,
}

impl Pipeline {
    /// Parses and checks one pipeline file made of `plugins`; `file` names it in errors.
    pub fn parse(plugins: &Plugins, file: &str, text: &str) -> Result<Pipeline, PluginError> {
        let fail = |detail: String| PluginError::File {
            file: file.to_string(),
            detail,
        };
        let read: PipelineFile =
            toml::from_str(text).map_err(|e| fail(e.to_string().trim_end().to_string()))?;
        let mut steps = Vec::with_capacity(read.step.len());
        for step in &read.step {
            steps.push(Step::read(plugins, step).map_err(|e| fail(e.to_string()))?);
        }
        let pipeline = Pipeline {
            name: read.name,
            description: read.description,
            steps,
            planes: plugins.planes(),
        };
        pipeline.check().map_err(fail)?;
        Ok(pipeline)
    }

    fn check(&self) -> Result<(), String> {
        let mut branches = self.branches();
        // Names of both become parts of file names and addresses.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for name in std::iter::once(self.name.as_str()).chain(branches.iter().map(|b| b.0)) {
            if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
                return Err(format!(
                    "name {name:?}: use 1 to 40 lower-case letters, digits and hyphens"
                ));
            }
        }
        let common: Vec<&Step> = self
            .steps
            .iter()
            .filter(|s| s.candidate.is_none())
            .collect();
        in_order(&common)?;
        let count = |steps: &[&Step], stage| steps.iter().filter(|s| s.stage == stage).count();
        let (filled, judged) = (
            count(&common, StageKind::Inpaint),
            count(&common, StageKind::Curate),
        );
        if branches.is_empty() {
            return match (filled, judged) {
                (1, 0) => Ok(()),
                (1, _) => Err("a curate plugin, and no candidates for it".to_string()),
                (n, _) => Err(format!("{n} inpaint plugins, exactly one is needed")),
            };
        }
        if branches.len() < 2 || filled > 0 || judged != 1 {
            return Err(format!(
                "{} candidates, {judged} curate plugins and {filled} inpaint plugins of no candidate; wanted are 2 candidates or more, 1 and 0",
                branches.len()
            ));
        }
        self.check_places()?;
        branches.retain(|(_, steps)| count(steps, StageKind::Inpaint) != 1);
        if let Some((name, steps)) = branches.first() {
            return Err(format!(
                "candidate {name:?} has {} inpaint plugins, exactly one is needed",
                count(steps, StageKind::Inpaint)
            ));
        }
        Ok(())
    }

    /// The candidates with their steps, in order.
    pub fn branches(&self) -> Vec<(&str, Vec<&Step>)> {
        let mut found: Vec<(&str, Vec<&Step>)> = Vec::new();
        for step in &self.steps {
            let Some(name) = step.candidate.as_deref() else {
                continue;
            };
            match found.iter_mut().find(|(other, _)| *other == name) {
                Some((_, steps)) => steps.push(step),
                None => found.push((name, vec![step])),
            }
        }
        found
    }

    /// Each candidate's steps stand together, between the mask stages and the curate step.
    fn check_places(&self) -> Result<(), String> {
        let place = |step: &Step| match (&step.candidate, step.stage) {
            (Some(_), _) => 1,
            (None, stage) if stage < StageKind::Inpaint => 0,
            _ => 2,
        };
        if !self.steps.is_sorted_by_key(place) {
            return Err(
                "the steps of candidates stand after the mask stage and before the curate plugin"
                    .to_string(),
            );
        }
        let runs = self.steps.chunk_by(|a, b| a.candidate == b.candidate);
        let runs = runs.filter(|run| run[0].candidate.is_some()).count();
        if runs != self.branches().len() {
            return Err("the steps of a candidate stand together".to_string());
        }
        for (name, steps) in self.branches() {
            in_order(&steps)?;
            if let Some(step) = steps.iter().find(|s| {
                !matches!(
                    s.stage,
                    StageKind::Inpaint | StageKind::Refine | StageKind::Finish
                )
            }) {
                return Err(format!(
                    "candidate {name:?} has {} ({:?}); it may have inpaint, refine and finish plugins",
                    step.plugin, step.stage
                ));
            }
        }
        Ok(())
    }

    /// Names of the models that it uses as things are: those that its plugins name, and what [`AUTO`] means now.
    pub fn models(&self, networks: &dyn Networks) -> Vec<String> {
        let named = self
            .steps
            .iter()
            .filter_map(|step| Some((step.stage, step.values.model()?)));
        let now = |(stage, name): (StageKind, &str)| match (name, stage) {
            (AUTO, StageKind::Segment) => networks.segment_name(name).ok(),
            (AUTO, _) => networks.inpaint_name(name).ok(),
            _ => Some(name.to_string()),
        };
        named.filter_map(now).collect()
    }

    /// Whether it has a step that turns points and a box into a mask.
    pub fn finds_objects(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.stage == StageKind::Segment)
    }

    /// An error unless it can turn points and a box into a mask now: before anything is held or queued for it.
    pub fn ready_for_prompts(&self, networks: &dyn Networks) -> Result<(), PluginError> {
        let segmenting = |step: &&Step| step.stage == StageKind::Segment;
        let mut segmenting = self.steps.iter().filter(segmenting).peekable();
        if segmenting.peek().is_none() {
            return Err(PluginError::Unavailable {
                what: format!(
                    "a segmentation model, which points and box need, in pipeline {:?}",
                    self.name
                ),
                remedy: "send a mask, or choose a pipeline with a segment plugin".to_string(),
            });
        }
        segmenting.try_for_each(|step| step.info.build(&step.values)?.ready(networks))
    }

    /// This pipeline with `plugin.parameter = value` pairs applied on top.
    pub fn with_overrides(&self, overrides: &[(String, String)]) -> Result<Pipeline, PluginError> {
        let mut pipeline = self.clone();
        for (path, value) in overrides {
            let (name, parameter) = path.split_once('.').unwrap_or((path, ""));
            let known: Vec<String> = self.steps.iter().map(|s| s.plugin.clone()).collect();
            let mut found = false;
            for step in pipeline.steps.iter_mut().filter(|s| s.plugin == name) {
                step.info
                    .manifest()
                    .set_text(&mut step.values, parameter, value)?;
                found = true;
            }
            if !found {
                let kind = format!("plugin of pipeline {:?}", self.name);
                return Err(PluginError::unknown(
                    kind,
                    name,
                    known.iter().map(String::as_str),
                ));
            }
        }
        Ok(pipeline)
    }
}

impl Step {
    /// What the plugin is.
    pub fn manifest(&self) -> &Manifest {
        self.info.manifest()
    }

    fn read(plugins: &Plugins, file: &StepFile) -> Result<Step, PluginError> {
        let info = plugins.get(&file.plugin)?;
        let manifest = info.manifest();
        let mut values = manifest.defaults();
        for (name, value) in &file.parameters {
            manifest.set(&mut values, name, value)?;
        }
        let (plugin, stage) = (manifest.name.clone(), manifest.stage);
        Ok(Step {
            plugin,
            stage,
            values,
            candidate: file.candidate.clone(),
            info,
        })
    }
}

/// An error unless the stages of `steps` follow each other.
fn in_order(steps: &[&Step]) -> Result<(), String> {
    for pair in steps.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if a.stage > b.stage {
            return Err(format!(
                "{} ({:?}) stands before {} ({:?}); stages run segment, mask, inpaint, curate, refine, finish",
                a.plugin, a.stage, b.plugin, b.stage
            ));
        }
    }
    Ok(())
}

/// Every pipeline a request may name.
#[derive(Debug, Clone, Default)]
pub struct PipelineSet {
    pipelines: Vec<Pipeline>,
}

impl PipelineSet {
    /// The `builtin` pipelines, `(file name, text)`, then those of each folder (`*.toml`, by name); a later one replaces an earlier one of the
    /// same name. A folder that does not exist is empty; any malformed file is an error.
    pub fn load<P: AsRef<Path>>(
        plugins: &Plugins,
        builtin: &[(&str, &str)],
        dirs: &[P],
    ) -> Result<PipelineSet, PluginError> {
        let mut set = PipelineSet::default();
        for (file, text) in builtin {
            set.put(Pipeline::parse(plugins, file, text)?);
        }
        for dir in dirs {
            set.load_dir(plugins, dir.as_ref())?;
        }
        Ok(set)
    }

    fn load_dir(&mut self, plugins: &Plugins, dir: &Path) -> Result<(), PluginError> {
        let fail = |path: &Path, e: &dyn std::fmt::Display| PluginError::File {
            file: path.display().to_string(),
            detail: e.to_string(),
        };
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(fail(dir, &e)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| fail(dir, &e))?.path();
            if path.extension().is_some_and(|e| e == "toml") {
                files.push(path);
            }
        }
        if files.len() > FILES_MAX {
            return Err(fail(
                dir,
                &format!(
                    "{} pipeline files, at most {FILES_MAX} are read",
                    files.len()
                ),
            ));
        }
        files.sort();
        for path in files {
            let bytes = std::fs::metadata(&path).map_err(|e| fail(&path, &e))?.len();
            if bytes > FILE_BYTES_MAX {
                return Err(fail(
                    &path,
                    &format!("{bytes} bytes, at most {FILE_BYTES_MAX} are read"),
                ));
            }
            let text = std::fs::read_to_string(&path).map_err(|e| fail(&path, &e))?;
            self.put(Pipeline::parse(
                plugins,
                &path.display().to_string(),
                &text,
            )?);
        }
        Ok(())
    }

    fn put(&mut self, pipeline: Pipeline) {
        self.pipelines.retain(|p| p.name != pipeline.name);
        self.pipelines.push(pipeline);
    }

    /// The pipeline `name`, or an error with the nearest one.
    pub fn get(&self, name: &str) -> Result<&Pipeline, PluginError> {
        let known = self.pipelines.iter().map(|p| p.name.as_str());
        self.pipelines
            .iter()
            .find(|p| p.name == name)
            .ok_or_else(|| PluginError::unknown("pipeline", name, known))
    }

    /// All of them, built-in ones first.
    pub fn list(&self) -> &[Pipeline] {
        &self.pipelines
    }
}
