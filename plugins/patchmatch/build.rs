//! The fill as a graph of kernels.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId, TensorSpec};
use cleanplate_kernels::patchmatch::compose::Compose;
use cleanplate_kernels::patchmatch::down::Down;
use cleanplate_kernels::patchmatch::pick::Pick;
use cleanplate_kernels::patchmatch::rays::Rays;
use cleanplate_kernels::patchmatch::search::Search;
use cleanplate_kernels::patchmatch::texels::Texels;
use cleanplate_kernels::patchmatch::texture::Texture;
use cleanplate_kernels::patchmatch::upsample::Upsample;
use cleanplate_kernels::patchmatch::vote::Vote;
use cleanplate_kernels::poisson::Poisson;
use cleanplate_kernels::{KernelError, Op, Tensor};

use super::geometry::{Level, SOURCES_KEPT};
use super::settings::{Blend, ITERATIONS_MIN, Settings};

/// Size and work of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Planned {
    height: usize,
    width: usize,
    iterations: usize,
    rounds: usize,
    /// Few pixels change here: one pass to neighbours, few random samples no farther than this.
    light: Option<u32>,
}

/// Radius of random samples on light levels, in pixels.
const LIGHT_REACH: u32 = 2;

/// The work on each level, finest first.
pub fn schedule(levels: &[Level], settings: &Settings) -> Vec<Planned> {
    let plan = |(depth, level): (usize, &Level)| {
        let of = |list: &[usize]| list.get(depth).or(list.last()).copied().unwrap_or(1).max(1);
        let light = level.targets > settings.effort_px;
        let (iterations, rounds) = if light {
            (1, 1)
        } else {
            let enough = (settings.votes_max / level.targets.max(1)).max(ITERATIONS_MIN);
            (of(&settings.iterations).min(enough), of(&settings.rounds))
        };
        Planned {
            height: level.height,
            width: level.width,
            iterations,
            rounds,
            light: light.then_some(LIGHT_REACH),
        }
    };
    let mut out: Vec<Planned> = levels.iter().rev().enumerate().map(plan).collect();
    out.reverse();
    out
}

/// Radius of random samples of a frame that goes on from a field, in pixels.
const NEXT_REACH: u32 = 1;

/// The work of a fill that goes on from the field of the frame before: once to neighbours and close by, on the finest level
/// alone. More would find sources that fit this frame's grain better, and the fill would flicker (benches/flicker.py).
pub fn going_on(finest: &Level) -> Vec<Planned> {
    vec![Planned {
        height: finest.height,
        width: finest.width,
        iterations: 1,
        rounds: 1,
        light: Some(NEXT_REACH),
    }]
}

/// What the graph of a fill that goes on from `field` reads after the image and the guide.
pub fn inputs_going_on(finest: Level, field: &[u32]) -> Vec<Tensor> {
    let size = [finest.height, finest.width];
    let unmeasured = vec![0; finest.sites.len()];
    vec![
        Tensor::u32(&size, finest.sites),
        Tensor::u32(&size, field.to_vec()),
        Tensor::u32(&size, unmeasured),
    ]
}

/// What the graph reads after the image and the guide, in its order.
pub fn inputs(levels: Vec<Level>, seed: u32) -> Vec<Tensor> {
    let first = levels
        .last()
        .map(|l| Tensor::u32(&[l.height, l.width], l.random_field(seed)));
    let mut spare: Vec<Tensor> = Vec::new();
    let mut out: Vec<Tensor> = Vec::new();
    for level in levels {
        out.push(Tensor::u32(&[level.height, level.width], level.sites));
        spare.push(Tensor::u32(&[level.sources.len()], level.sources));
    }
    spare.pop();
    out.into_iter().chain(spare).chain(first).collect()
}

/// What a graph gives beside the filled picture.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The source pixel of each hole pixel.
    pub picks: bool,
    /// Alpha, filled from the same sources as the colours.
    pub alpha: bool,
    /// The field with which the search ended.
    pub field: bool,
    /// The search goes on from a field: the finest level alone.
    pub goes_on: bool,
}

/// Builds the graph for these levels (finest first, at least one). Inputs: image f32 `[H, W, 3]`, the guide if weighted, with alpha
/// the colours and the alpha to copy (the image is then what is matched, both in one), then those of [`inputs`] or
/// [`inputs_going_on`]. Outputs: the filled image, its alpha, the picks, the field.
pub fn graph(
    levels: &[Planned],
    settings: &Settings,
    wanted: Wanted,
) -> Result<Graph, EngineError> {
    let Some((finest, coarsest)) = levels.first().zip(levels.last()) else {
        return Err(EngineError::Graph(
            "patchmatch: no level has a patch to copy".into(),
        ));
    };
    let mut graph = Graph::new();
    let picture = TensorSpec::f32(&[finest.height, finest.width, 3]);
    let image = graph.input(picture.clone());
    let guide = settings.guide.map(|_| graph.input(picture.clone()));
    let copied = wanted
        .alpha
        .then(|| [graph.input(picture.clone()), graph.input(picture)]);
    let sites: Vec<TensorId> = levels
        .iter()
        .map(|l| graph.input(TensorSpec::u32(&[l.height, l.width])))
        .collect();
    let spare: Vec<TensorId> = levels[1..]
        .iter()
        .map(|_| graph.input(TensorSpec::u32(&[SOURCES_KEPT])))
        .collect();
    let first = TensorSpec::u32(&[coarsest.height, coarsest.width]);
    let random = graph.input(first.clone());
    let unmeasured = wanted.goes_on.then(|| graph.input(first));

    let mut b = Builder {
        graph,
        settings,
        passes: 0,
    };
    let pyramid = b.pyramid(image, guide, &sites)?;
    let top = levels.len() - 1;
    let mut state = b.begin(pyramid[top], sites[top], random, unmeasured)?;
    for at in (0..levels.len()).rev() {
        if at < top {
            state = b.enter(at, pyramid[at], sites[at], spare[at], state)?;
        }
        state = b.level(levels[at], at, sites[at], state)?;
    }
    let picked = b.pick(sites[0], state)?;
    let [colours, alpha] = copied.map_or([Some(image), None], |both| both.map(Some));
    for (name, from) in [("", colours), ("alpha.", alpha)] {
        if let Some(from) = from {
            b.finish(name, from, sites[0], state, picked)?;
        }
    }
    if wanted.picks {
        b.graph.output(picked);
    }
    if wanted.field {
        b.graph.output(state.nnf);
    }
    Ok(b.graph)
}

#[derive(Clone, Copy)]
struct State {
    texels: TensorId,
    nnf: TensorId,
    distances: TensorId,
}

struct Builder<'a> {
    graph: Graph,
    settings: &'a Settings,
    passes: u32,
}

impl Builder<'_> {
    fn pyramid(
        &mut self,
        image: TensorId,
        guide: Option<TensorId>,
        sites: &[TensorId],
    ) -> Result<Vec<TensorId>, EngineError> {
        let texels = Texels::new(self.settings.texture, self.settings.guide)
            .map_err(|e| failed("texels", e))?;
        let sources: Vec<TensorId> = [image, sites[0]].into_iter().chain(guide).collect();
        let mut finer = self.graph.add("texels", Arc::new(texels), &sources)?;
        let mut out = vec![finer];
        for (i, pair) in sites.windows(2).enumerate() {
            finer = self.graph.add(
                &format!("down.{i}"),
                Arc::new(Down),
                &[finer, pair[0], pair[1]],
            )?;
            if i < self.settings.texture_levels {
                let texture =
                    Texture::new(self.settings.texture).map_err(|e| failed("texture", e))?;
                finer = self.graph.add(
                    &format!("texture.{i}"),
                    Arc::new(texture),
                    &[finer, pair[1]],
                )?;
            }
            out.push(finer);
        }
        Ok(out)
    }

    /// Starts the coarsest level: from what lies around the hole, or from what the sources of `field` say when it is not random.
    fn begin(
        &mut self,
        texels: TensorId,
        sites: TensorId,
        field: TensorId,
        unmeasured: Option<TensorId>,
    ) -> Result<State, EngineError> {
        let texels = match unmeasured {
            None => {
                let given = [texels, sites];
                self.graph.add("rays", Arc::new(Rays), &given)?
            }
            Some(unmeasured) => {
                let (vote, given) = (self.vote()?, [texels, sites, field, unmeasured]);
                self.graph.add("before.vote", vote, &given)?
            }
        };
        Ok(State {
            texels,
            nnf: field,
            distances: field,
        })
    }

    /// Starts a level from the coarser one's field: every patch votes by its place only, as no match is known yet.
    fn enter(
        &mut self,
        at: usize,
        texels: TensorId,
        sites: TensorId,
        spare: TensorId,
        state: State,
    ) -> Result<State, EngineError> {
        let up = Arc::new(Upsample::new(self.settings.seed));
        let parts = self
            .graph
            .add_multi(&format!("up.{at}"), up, &[state.nnf, sites, spare])?;
        let (nnf, distances) = (parts[0], parts[1]);
        let vote = self.vote()?;
        let texels = self.graph.add(
            &format!("up.{at}.vote"),
            vote,
            &[texels, sites, nnf, distances],
        )?;
        Ok(State {
            texels,
            nnf,
            distances,
        })
    }

    fn vote(&self) -> Result<Arc<dyn Op>, EngineError> {
        Ok(Arc::new(
            Vote::new(self.settings.radius, self.settings.gamma).map_err(|e| failed("vote", e))?,
        ))
    }

    /// Search and vote in turn; the finest level ends with a search.
    fn level(
        &mut self,
        level: Planned,
        at: usize,
        sites: TensorId,
        mut state: State,
    ) -> Result<State, EngineError> {
        let steps: &[usize] = match level.light {
            Some(_) => &[1],
            None => &self.settings.steps,
        };
        let far = (level.width.max(level.height) as u32 / 2).min(0x7fff);
        let reach = level.light.unwrap_or(far);
        for iteration in 0..level.iterations {
            for pass in 0..level.rounds * steps.len() {
                let (place, fresh) = (pass % steps.len(), pass == 0);
                let reach = if place + 1 == steps.len() { reach } else { 0 };
                state = self.search(
                    &format!("level.{at}.{iteration}.search.{pass}"),
                    steps[place],
                    reach,
                    fresh,
                    sites,
                    state,
                )?;
            }
            if at > 0 || iteration + 1 < level.iterations {
                let (name, vote) = (format!("level.{at}.{iteration}.vote"), self.vote()?);
                state.texels = self.graph.add(
                    &name,
                    vote,
                    &[state.texels, sites, state.nnf, state.distances],
                )?;
            }
        }
        Ok(state)
    }

    fn search(
        &mut self,
        name: &str,
        step: usize,
        reach: u32,
        fresh: bool,
        sites: TensorId,
        state: State,
    ) -> Result<State, EngineError> {
        let s = self.settings;
        let search = Search::new(
            s.radius,
            s.known_weight,
            step,
            reach,
            fresh,
            s.seed,
            self.passes,
        )
        .map_err(|e| failed(name, e))?;
        self.passes += 1;
        let found = self.graph.add_multi(
            name,
            Arc::new(search),
            &[state.texels, sites, state.nnf, state.distances],
        )?;
        Ok(State {
            nnf: found[0],
            distances: found[1],
            ..state
        })
    }

    /// The source pixel of each hole pixel.
    fn pick(&mut self, sites: TensorId, state: State) -> Result<TensorId, EngineError> {
        let pick =
            Pick::new(self.settings.radius, self.settings.gamma).map_err(|e| failed("pick", e))?;
        let given = [sites, state.nnf, state.distances];
        self.graph.add("pick", Arc::new(pick), &given)
    }

    /// An output: `image` filled from the final field.
    fn finish(
        &mut self,
        name: &str,
        image: TensorId,
        sites: TensorId,
        state: State,
        picked: TensorId,
    ) -> Result<(), EngineError> {
        let compose = Compose::new(self.settings.radius, self.settings.gamma)
            .map_err(|e| failed("compose", e))?;
        let parts = self.graph.add_multi(
            &format!("{name}compose"),
            Arc::new(compose),
            &[image, sites, state.nnf, state.distances, picked],
        )?;
        let soft = match self.settings.blend {
            Blend::None => None,
            Blend::Gradient => Some(None),
            Blend::Damped(limit) => Some(Some(limit)),
        };
        let result = match soft {
            None => parts[0],
            Some(soft) => {
                let poisson = Poisson::new(soft).map_err(|e| failed("blend", e))?;
                let given = [parts[0], parts[1], sites];
                self.graph
                    .add(&format!("{name}blend"), Arc::new(poisson), &given)?
            }
        };
        self.graph.output(result);
        Ok(())
    }
}

fn failed(layer: &str, source: KernelError) -> EngineError {
    EngineError::Kernel {
        layer: layer.into(),
        source,
    }
}
