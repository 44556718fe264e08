//! TIFFs of every layout, made with this module's own writer and held against the `tiff` crate by the tests.

use crate::tiff::layout::{Alpha, Coding, Layout, Photometric};
use crate::tiff::raw::Sample;
use crate::tiff::tag;
use crate::tiff::tree::{Data, Tree, Value, even, header};
use crate::{Format, Limits, Photo, Samples, decode};

/// A TIFF to be made.
#[derive(Clone)]
pub struct Made {
    pub little: bool,
    pub layout: Layout,
    /// Number of the compression in the file.
    pub compression: u32,
    pub extra: Vec<u32>,
    pub more: Tree,
}

pub const WIDTH: usize = 53;
pub const HEIGHT: usize = 37;

impl Made {
    pub fn new(bits: u8, photometric: Photometric, alpha: Option<Alpha>) -> Made {
        Made {
            little: true,
            layout: Layout {
                width: WIDTH,
                height: HEIGHT,
                bits,
                samples: photometric.count() + usize::from(alpha.is_some()),
                photometric,
                alpha,
                palette: Vec::new(),
                planar: false,
                tiled: false,
                chunk: (WIDTH, 10),
                coding: Coding::Plain,
                predictor: false,
                places: Vec::new(),
            },
            compression: 1,
            extra: alpha
                .map(|kind| match kind {
                    Alpha::Associated => 1,
                    Alpha::Unassociated => 2,
                })
                .into_iter()
                .collect(),
            more: Tree::default(),
        }
    }

    pub fn coded(mut self, compression: u32, predictor: bool) -> Made {
        self.compression = compression;
        self.layout.coding = Coding::of(compression).unwrap();
        self.layout.predictor = predictor;
        self
    }

    pub fn tiled(mut self) -> Made {
        self.layout.tiled = true;
        self.layout.chunk = (16, 32);
        self
    }

    pub fn value(mut self, tag: u16, kind: u16, count: usize, bytes: &[u8]) -> Made {
        self.more.set(tag, kind, count, bytes.to_vec());
        self
    }

    pub fn below(mut self, tag: u16, tree: Tree) -> Made {
        self.more.values.push(Value {
            tag,
            kind: 4,
            count: 1,
            data: Data::Tree(tree),
        });
        self
    }

    /// The file, of samples that [`sample`] gives.
    pub fn bytes(&self) -> Vec<u8> {
        match self.layout.bits {
            8 => self.write::<u8>(),
            _ => self.write::<u16>(),
        }
    }

    fn write<S: Sample>(&self) -> Vec<u8> {
        let (layout, little) = (&self.layout, self.little);
        let mut out = header(little);
        let mut places = vec![(0, 0); layout.positions() * layout.planes()];
        for position in 0..layout.positions() {
            let ((left, top), _) = layout.shown(position);
            let mut raw = Vec::new();
            for y in 0..layout.rows(position) {
                for x in 0..layout.chunk.0 {
                    let at = |c| S::of(sample(left + x, top + y, c) % (S::MAX + 1));
                    raw.extend((0..layout.samples).map(at));
                }
            }
            for plane in 0..layout.planes() {
                let at = even(&mut out);
                out.extend(layout.pack(&raw, plane, little).unwrap());
                places[plane * layout.positions() + position] = (at, out.len() as u32 - at);
            }
        }
        let mut tree = self.more.clone();
        let photometric = match layout.photometric {
            Photometric::WhiteIsZero => 0,
            Photometric::Gray => 1,
            Photometric::Rgb => 2,
            Photometric::Palette => 3,
            Photometric::Cmyk => 5,
        };
        let mut set = |tag, kind, numbers: &[u32]| tree.set_numbers(tag, kind, little, numbers);
        set(tag::WIDTH, 3, &[layout.width as u32]);
        set(tag::HEIGHT, 4, &[layout.height as u32]);
        set(tag::BITS, 3, &vec![u32::from(layout.bits); layout.samples]);
        set(tag::COMPRESSION, 3, &[self.compression]);
        set(tag::PHOTOMETRIC, 3, &[photometric]);
        set(tag::SAMPLES, 3, &[layout.samples as u32]);
        set(tag::PLANAR, 3, &[if layout.planar { 2 } else { 1 }]);
        if layout.predictor {
            set(tag::PREDICTOR, 3, &[2]);
        }
        if !self.extra.is_empty() {
            set(tag::EXTRA_SAMPLES, 3, &self.extra);
        }
        let (starts, lengths): (Vec<u32>, Vec<u32>) = places.into_iter().unzip();
        if layout.tiled {
            set(tag::TILE_WIDTH, 3, &[layout.chunk.0 as u32]);
            set(tag::TILE_HEIGHT, 3, &[layout.chunk.1 as u32]);
            set(tag::TILE_OFFSETS, 4, &starts);
            set(tag::TILE_BYTES, 4, &lengths);
        } else {
            set(tag::ROWS_PER_STRIP, 3, &[layout.chunk.1 as u32]);
            set(tag::STRIP_OFFSETS, 4, &starts);
            set(tag::STRIP_BYTES, 4, &lengths);
        }
        tree.write(little, &mut out);
        out
    }
}

/// A sample of the picture: a ramp with texture.
pub fn sample(x: usize, y: usize, channel: usize) -> u32 {
    (x * 1201 + y * 2203 + channel * 9001 + (x * 7919 + y * 104_729) % 97) as u32
}

pub fn read(bytes: &[u8]) -> Photo {
    let photo = decode(bytes, &Limits::default()).unwrap();
    assert_eq!(photo.format, Format::Tiff);
    photo
}

/// Gives the pixels of a rectangle another value.
pub fn fill(photo: &mut Photo, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) {
    let n = photo.channels.count();
    for y in rows {
        let row = (y * photo.width + columns.start) * n..(y * photo.width + columns.end) * n;
        match &mut photo.samples {
            Samples::U8(v) => v[row].iter_mut().for_each(|s| *s = s.wrapping_add(77)),
            Samples::U16(v) => v[row].iter_mut().for_each(|s| *s = s.wrapping_add(7777)),
        }
    }
}
