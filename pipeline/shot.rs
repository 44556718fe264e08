//! Frames of one shot: what a fill leaves for the next frame's, so that a sequence does not flicker.
//!
//! Each frame by itself would choose its fill and search its sources anew, and grain alone decides between sources that are
//! equally good. So a frame takes the fill that the frame before took, and its search goes on from that one's sources, as long
//! as the frames look alike: a cut, or a camera that jumps, begins anew; so does a frame that no longer looks like the one with
//! which this began, however slowly it came to that.

use std::sync::Arc;

use cleanplate_pictures::{Photo, Rect};

use crate::Choice;
use crate::lru::Lru;

/// A frame of a shot whose frames share what says what to remove.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Frame {
    /// Which shot: a name that no other has. Its frames are to run one after the other.
    pub shot: String,
    /// Place within the shot.
    pub number: u64,
}

/// What a field belongs to: equal only for the same hole at the same place, filled in the same way.
pub type FieldKey = [u8; 32];

/// Shots whose last frame is remembered.
const SHOTS_MAX: usize = 16;
/// Share of the bound of all of them that the fields of one may take: those of frames under way are not counted yet.
const ONE: u64 = 4;
/// Sides of the small picture by which frames are compared, in cells.
const GLANCE: usize = 64;
/// Rows of the photo that are looked at for each cell, at least.
const GLANCE_ROWS: usize = 4;
/// Mean difference of small pictures from which on a frame shows something else, of 0..1. Views of 400 pixels that moved by 2
/// differ by .008 to .016, by 8 by .025 to .047; those of different photos by .18 and more.
const ALIKE_MAX: f32 = 0.05;
/// The same beside the frame that began anew last: about half of what different photos differ by.
const BEGAN_MAX: f32 = 0.1;

/// What one frame left.
#[derive(Debug, Default)]
struct Trace {
    number: u64,
    size: (usize, usize),
    glance: Arc<Vec<f32>>,
    /// That of the frame that began anew last.
    began: Arc<Vec<f32>>,
    choices: Vec<Choice>,
    fields: Vec<(FieldKey, Arc<Vec<u32>>)>,
}

/// What a frame knows of the one before, and leaves for the next.
#[derive(Debug)]
pub struct Shot {
    before: Option<Arc<Trace>>,
    own: Trace,
    fields_bytes_max: u64,
}

impl Shot {
    /// The candidate that the frame before kept for a region with this hole: left, top, right, bottom.
    pub fn choice(&self, hole: [usize; 4]) -> Option<&str> {
        let choices = self.before.iter().flat_map(|before| &before.choices);
        let same = |choice: &&Choice| choice.hole == hole;
        choices.clone().find(same).map(|choice| &*choice.candidate)
    }

    /// The sources with which the frame before ended.
    pub fn field(&self, key: &FieldKey) -> Option<Arc<Vec<u32>>> {
        let mut fields = self.before.iter().flat_map(|before| &before.fields);
        fields
            .find(|(own, _)| own == key)
            .map(|(_, field)| field.clone())
    }

    /// Leaves the sources of a fill for the next frame. The first of a key stays; what is too much is left out.
    pub fn keep_field(&mut self, key: FieldKey, field: Vec<u32>) {
        let fields = &mut self.own.fields;
        let bytes = fields.iter().map(|(_, field)| field.len()).sum::<usize>() + field.len();
        if 4 * bytes as u64 <= self.fields_bytes_max && fields.iter().all(|(own, _)| *own != key) {
            fields.push((key, Arc::new(field)));
        }
    }
}

/// The last frames of the shots under way.
#[derive(Debug)]
pub(crate) struct Shots {
    kept: Lru<String, Arc<Trace>>,
    bytes_max: u64,
}

impl Shots {
    pub fn new(bytes_max: u64) -> Self {
        Shots {
            kept: Lru::new(SHOTS_MAX, bytes_max, |trace| trace.bytes()),
            bytes_max,
        }
    }

    /// What the frame before left, if it looks like this one. A frame that is none after it begins anew.
    pub fn begin(&self, frame: &Frame, photo: &Photo) -> Shot {
        let glance = Arc::new(glance(photo));
        let mut own = Trace {
            number: frame.number,
            size: (photo.width, photo.height),
            began: Arc::clone(&glance),
            glance,
            ..Trace::default()
        };
        let before = self.kept.get(&frame.shot);
        let before = before.filter(|before| before.number < own.number && before.is_like(&own));
        if let Some(before) = &before {
            own.began = Arc::clone(&before.began);
        }
        Shot {
            before,
            own,
            fields_bytes_max: self.bytes_max / ONE,
        }
    }

    /// Drops what all frames left.
    pub fn clear(&self) {
        self.kept.forget(|_| true);
    }

    /// Keeps what the frame leaves.
    pub fn end(&self, frame: Frame, shot: Shot, choices: &[Choice]) {
        let mut own = shot.own;
        own.choices = choices.to_vec();
        self.kept.put(frame.shot, Arc::new(own));
    }
}

impl Trace {
    fn bytes(&self) -> u64 {
        let fields = self.fields.iter().map(|(_, field)| field.len());
        let values = fields.sum::<usize>() + self.glance.len() + self.began.len();
        4 * values as u64 + self.choices.iter().map(Choice::bytes).sum::<u64>()
    }

    fn is_like(&self, other: &Trace) -> bool {
        let alike = |own: &[f32], most: f32| {
            let pairs = own.iter().zip(&*other.glance);
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() <= most * own.len() as f32
        };
        let near = || alike(&self.glance, ALIKE_MAX) && alike(&self.began, BEGAN_MAX);
        self.size == other.size && near()
    }
}

/// The photo averaged down to a few cells, RGB 0..1.
fn glance(photo: &Photo) -> Vec<f32> {
    let (width, height) = (photo.width, photo.height);
    let (columns, rows) = (GLANCE.min(width), GLANCE.min(height));
    let (mut sums, mut counts) = (vec![0.0; 3 * columns * rows], vec![0.0; columns * rows]);
    let all = Rect {
        x0: 0,
        y0: 0,
        x1: width,
        y1: height,
    };
    let mut line = Vec::with_capacity(3 * width);
    for y in (0..height).step_by((height / (rows * GLANCE_ROWS)).max(1)) {
        line.clear();
        photo.push_row_f32(&mut line, y, all);
        for (x, pixel) in line.chunks_exact(3).enumerate() {
            let cell = y * rows / height * columns + x * columns / width;
            counts[cell] += 1.0;
            (0..3).for_each(|c| sums[3 * cell + c] += pixel[c]);
        }
    }
    let cells = sums.iter().enumerate();
    cells
        .map(|(at, sum)| sum / f32::max(counts[at / 3], 1.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::{Limits, decode};

    fn photo(shift: u32, width: u32) -> Photo {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, 120);
        encoder.set_color(png::ColorType::Rgb);
        let wave = |x: u32, y: u32| {
            (128.0 + 90.0 * f64::from(x + shift + y).mul_add(0.02, 0.0).sin()) as u8
        };
        let rgb = (0..120).flat_map(|y| (0..width).flat_map(move |x| [wave(x, y); 3]));
        let rgb: Vec<u8> = rgb.collect();
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&rgb)
            .unwrap();
        decode(&out, &Limits::default()).unwrap()
    }

    fn frame(number: u64) -> Frame {
        Frame {
            shot: "a".to_string(),
            number,
        }
    }

    #[test]
    fn a_frame_goes_on_from_the_one_before_it_where_they_look_alike() {
        let shots = Shots::new(1 << 20);
        let run = |number, photo: &Photo| {
            let mut shot = shots.begin(&frame(number), photo);
            let found = shot.field(&[1; 32]).map(|field| field[0]);
            let kept = shot.choice([1, 2, 3, 4]).map(str::to_string);
            assert_eq!(found.is_some(), kept.is_some());
            shot.keep_field([1; 32], vec![number as u32]);
            shot.keep_field([1; 32], vec![99]);
            let choice = Choice {
                hole: [1, 2, 3, 4],
                candidate: "patches".to_string(),
                reason: String::new(),
                scores: Vec::new(),
            };
            shots.end(frame(number), shot, &[choice]);
            found
        };
        let still = photo(0, 200);
        assert_eq!(run(1, &still), None);
        assert_eq!(run(2, &still), Some(1));
        assert_eq!(run(3, &photo(2, 200)), Some(2), "a slow pan");
        assert_eq!(run(4, &photo(150, 200)), None, "a cut");
        assert_eq!(run(6, &photo(150, 200)), Some(4), "a frame that is missing");
        assert_eq!(run(5, &photo(150, 200)), None, "an older frame, done again");
        assert_eq!(run(6, &photo(150, 210)), None, "another size");
        let other = Frame {
            shot: "b".to_string(),
            number: 7,
        };
        assert!(
            shots
                .begin(&other, &photo(150, 210))
                .field(&[1; 32])
                .is_none()
        );
    }

    #[test]
    fn what_changes_slowly_begins_anew_once_it_has_become_something_else() {
        let shots = Shots::new(1 << 20);
        let mut began = Vec::new();
        for number in 0..40u32 {
            let mut shot = shots.begin(&frame(number.into()), &photo(2 * number, 200));
            if shot.field(&[1; 32]).is_none() {
                began.push(number);
            }
            shot.keep_field([1; 32], vec![number]);
            shots.end(frame(number.into()), shot, &[]);
        }
        assert!((2..8).contains(&began.len()), "{began:?}");
        assert_eq!(began[0], 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bytes_max = 128 << 20;
        let shots = Shots::new(bytes_max);
        let small = photo(0, 64);
        for number in 0..8 {
            let mut shot = shots.begin(&frame(1), &small);
            shot.keep_field([0; 32], vec![0; 6 << 20]);
            shot.keep_field([1; 32], vec![0; 3 << 20]);
            assert_eq!(shot.own.fields.len(), 1);
            let own = Frame {
                shot: number.to_string(),
                number: 1,
            };
            shots.end(own, shot, &[]);
        }
        assert!((bytes_max / 2..=bytes_max).contains(&shots.kept.bytes()));
        // Without room the choices of a shot are still kept, and no field.
        let mut shot = Shots::new(0).begin(&frame(1), &small);
        shot.keep_field([0; 32], vec![0; 1]);
        assert!(shot.own.fields.is_empty());
    }
}
