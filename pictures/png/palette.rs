//! Writing back into the input's palette.

use std::collections::HashMap;

use crate::{Palette, Photo, Samples};

/// An index per pixel, and the palette they point into.
pub(super) struct Indexed {
    /// The input's colours in their order, then new ones in order of appearance.
    pub colours: Vec<[u8; 4]>,
    /// `[height, width]`.
    pub indices: Vec<u8>,
}

/// The photo as indices. Pixels that still have their colour keep exactly their index; new colours are appended. `None` when
/// there are more than 256 colours in the end.
pub(super) fn index(photo: &Photo, source: &Palette) -> Option<Indexed> {
    let Samples::U8(samples) = &photo.samples else {
        return None;
    };
    let n = photo.channels.count();
    if n < 3 || source.indices.len() * n != samples.len() {
        return None;
    }
    let mut colours = source.colours.clone();
    let mut found: HashMap<[u8; 4], u8> = HashMap::new();
    for (i, colour) in colours.iter().enumerate() {
        found.entry(*colour).or_insert(i as u8);
    }
    let mut indices = Vec::with_capacity(source.indices.len());
    for (px, &old) in samples.chunks_exact(n).zip(&source.indices) {
        let colour = [px[0], px[1], px[2], if n == 4 { px[3] } else { 255 }];
        if source.colours.get(usize::from(old)) == Some(&colour) {
            indices.push(old);
        } else if let Some(&i) = found.get(&colour) {
            indices.push(i);
        } else {
            let i = u8::try_from(colours.len()).ok()?;
            colours.push(colour);
            found.insert(colour, i);
            indices.push(i);
        }
    }
    Some(Indexed { colours, indices })
}
