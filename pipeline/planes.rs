//! Fills the alpha of a photo where the fills of its colours came without one.

use crate::composite::composite;
use crate::timing::{StageTiming, run_alone};
use crate::transparency::Settled;
use crate::{PluginError, PluginInfo, Work};

/// Fills the alpha of crops whose fills came without one and of whose alpha nothing is known, all of the photo at once, unless that was
/// done: what is filled there is alpha alone, as a gray photo, and opaque and transparent stay so.
pub(crate) fn fill_plane(
    plugin: Option<&'static PluginInfo>,
    work: &mut Work<'_>,
    stages: &mut Vec<StageTiming>,
) -> Result<(), PluginError> {
    let unfilled = work.transparency.as_ref().filter(|t| t.filled.is_none());
    let lacks = unfilled.is_some_and(|transparency| {
        let crops = work.crops.iter().filter(|crop| crop.alpha.is_none());
        crops.into_iter().any(|crop| {
            let pixels = crop.grid.pixels(crop.group, crop.rect, &work.alpha);
            transparency.settled(&pixels, crop.rect) == Settled::Not
        })
    });
    if !lacks {
        return Ok(());
    }
    let Some(mut transparency) = work.transparency.take() else {
        return Ok(());
    };
    let stage = plugin.and_then(PluginInfo::build_plane);
    let stage = stage.ok_or_else(|| PluginError::Unavailable {
        what: "a plugin that fills alpha, which the photo has".to_string(),
        remedy: "send the photo without alpha".to_string(),
    })??;
    let plane = transparency.alpha.clone();
    let photo = std::mem::replace(&mut work.photo, plane);
    let crops = std::mem::take(&mut work.crops);
    stages.push(run_alone("alpha", &*stage, work)?);
    let mut hole = work.alpha.clone();
    hole.data
        .iter_mut()
        .for_each(|v| *v = if *v > 0 { 255 } else { 0 });
    composite(&mut work.photo, &hole, &work.crops, None);
    work.crops = crops;
    transparency.filled = Some(std::mem::replace(&mut work.photo, photo));
    work.transparency = Some(transparency);
    Ok(())
}
