//! One job that is open.

use std::sync::Arc;

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{GetImage, GetJob, ImagePart, ImageQuery, JobDetail, JobRow};
use ratatui::layout::Size;

use crate::net::Call;
use crate::preview::Picture;
use crate::screen::Effect;

/// Longer side of pictures that are asked for, pixels: as much as a terminal shows, and cheap to decode.
const PICTURE_SIDE_PX_MAX: u32 = 768;

/// The request for a picture of a job.
fn picture(id: &str, part: ImagePart) -> Call {
    let query = ImageQuery {
        side_px_max: Some(PICTURE_SIDE_PX_MAX),
    };
    Call::of::<GetImage>(&[id, part.as_str()], &query, &())
}

/// Which pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Before and after, side by side or one above the other.
    Both,
    /// Only this one.
    One(ImagePart),
}

impl Show {
    /// The parts that it needs.
    pub fn parts(self) -> &'static [ImagePart] {
        match self {
            Show::Both => &[ImagePart::Input, ImagePart::Result],
            Show::One(ImagePart::Input) => &[ImagePart::Input],
            Show::One(ImagePart::Result) => &[ImagePart::Result],
            Show::One(ImagePart::Mask) => &[ImagePart::Mask],
        }
    }

    /// The next one.
    pub fn next(self) -> Show {
        match self {
            Show::Both => Show::One(ImagePart::Input),
            Show::One(ImagePart::Input) => Show::One(ImagePart::Result),
            Show::One(ImagePart::Result) => Show::One(ImagePart::Mask),
            Show::One(ImagePart::Mask) => Show::Both,
        }
    }
}

/// A picture on its way to the screen.
#[derive(Debug, Default)]
pub struct Slot {
    /// Whether the daemon was asked.
    pub asked: bool,
    /// Its bytes, as the daemon sent them.
    pub bytes: Option<Arc<Vec<u8>>>,
    /// The space that the last drawing had for it.
    pub wanted: Option<Size>,
    /// The space for which it is being made.
    pub under_way: Option<Size>,
    /// Ready to be drawn.
    pub picture: Option<Arc<Picture>>,
    /// Why there is none.
    pub error: Option<String>,
}

/// One job.
#[derive(Debug)]
pub struct JobView {
    /// The job.
    pub id: String,
    /// What the daemon tells of it.
    pub detail: Option<Box<JobDetail>>,
    /// Why it tells nothing.
    pub error: Option<String>,
    /// Which pictures are shown.
    pub show: Show,
    /// First line of the facts that is shown.
    pub scroll: usize,
    slots: [Slot; 3],
}

impl JobView {
    /// Opens a job.
    pub fn new(id: String) -> JobView {
        JobView {
            id,
            detail: None,
            error: None,
            show: Show::Both,
            scroll: 0,
            slots: Default::default(),
        }
    }

    /// The request for its particulars.
    pub fn call(&self) -> Call {
        Call::plain::<GetJob>(&[&self.id])
    }

    /// The picture that this request is about, if it is about one of this job.
    pub fn part_of(&self, call: &Call) -> Option<ImagePart> {
        let parts = [ImagePart::Input, ImagePart::Result, ImagePart::Mask];
        let of_this = call.is::<GetImage>() && call.place(0) == self.id;
        parts
            .into_iter()
            .find(|part| of_this && part.as_str() == call.place(1))
    }

    /// The place of a picture.
    pub fn slot(&mut self, part: ImagePart) -> &mut Slot {
        &mut self.slots[part as usize]
    }

    /// The place of a picture.
    pub fn look(&self, part: ImagePart) -> &Slot {
        &self.slots[part as usize]
    }

    /// The particulars came.
    pub fn take_detail(&mut self, detail: Box<JobDetail>) {
        // A picture that was not there may be there now.
        for part in &detail.images {
            let slot = &mut self.slots[*part as usize];
            if slot.bytes.is_none() && slot.error.is_some() {
                *slot = Slot {
                    wanted: slot.wanted,
                    ..Slot::default()
                };
            }
        }
        (self.detail, self.error) = (Some(detail), None);
    }

    /// An event tells of the job; whether its particulars must be fetched anew.
    pub fn take_row(&mut self, row: &JobRow) -> bool {
        let Some(detail) = &mut self.detail else {
            return false;
        };
        let news = detail.job.status != row.status || detail.job.attempt != row.attempt;
        detail.job = row.clone();
        detail.can_cancel = matches!(row.status, JobStatus::Pending | JobStatus::Processing);
        news
    }

    /// A picture was made, or could not be.
    pub fn take_picture(&mut self, part: ImagePart, outcome: &Result<Arc<Picture>, String>) {
        let slot = self.slot(part);
        slot.under_way = None;
        match outcome {
            Ok(picture) => slot.picture = Some(picture.clone()),
            Err(error) => slot.error = Some(error.clone()),
        }
    }

    /// What must be asked for or made so that the pictures of the last drawing can be seen.
    pub fn needs(&mut self) -> Vec<Effect> {
        let Some(detail) = &self.detail else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        for part in self
            .show
            .parts()
            .iter()
            .filter(|part| detail.images.contains(part))
        {
            let slot = &mut self.slots[*part as usize];
            let Some(wanted) = slot.wanted.filter(|size| size.width > 1 && size.height > 1) else {
                continue;
            };
            let made = slot.picture.as_ref().map(|picture| picture.cells);
            match &slot.bytes {
                None if !slot.asked && slot.error.is_none() => {
                    slot.asked = true;
                    effects.push(Effect::Call(picture(&self.id, *part)));
                }
                Some(bytes)
                    if made != Some(wanted) && slot.under_way.is_none() && slot.error.is_none() =>
                {
                    slot.under_way = Some(wanted);
                    effects.push(Effect::Render(*part, bytes.clone(), wanted));
                }
                _ => {}
            }
        }
        effects
    }
}
