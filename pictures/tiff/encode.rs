//! Encoding: into the input's own strips or tiles, else into new ones.

use super::layout::{Alpha, Coding, Layout, Photometric};
use super::nearest::Nearest;
use super::parse::{TiffFile, parse};
use super::raw::Sample;
use super::tag;
use super::tree::{Tree, even, header};
use crate::colour::Cmyk;
use crate::deadline::Deadline;
use crate::structure::Entry;
use crate::{Format, ImageError, Limits, Metadata, Photo, Samples, Source, TiffSource};

const F: Format = Format::Tiff;
/// Bytes of a strip of a new file, about.
const STRIP_BYTES: usize = 64 << 10;
/// Compression of a new file: deflate, as Adobe numbers it.
const DEFLATE: u32 = 8;
/// Entries of the file that say how its samples lie, and are repeated.
const REPEATED: [u16; 15] = [
    tag::WIDTH,
    tag::HEIGHT,
    tag::BITS,
    tag::COMPRESSION,
    tag::PHOTOMETRIC,
    tag::SAMPLES,
    tag::ROWS_PER_STRIP,
    tag::PLANAR,
    tag::PREDICTOR,
    tag::COLOR_MAP,
    tag::TILE_WIDTH,
    tag::TILE_HEIGHT,
    tag::INK_SET,
    tag::EXTRA_SAMPLES,
    tag::SAMPLE_FORMAT,
];

/// Encodes the photo: one that was a TIFF into its own strips or tiles; one whose palette has no colours for it, as RGB.
pub(crate) fn encode(photo: &Photo, warnings: &mut Vec<String>) -> Result<Vec<u8>, ImageError> {
    let Source::Tiff(source) = &photo.source else {
        return match &photo.samples {
            Samples::U8(v) => fresh(photo, v),
            Samples::U16(v) => fresh(photo, v),
        };
    };
    // The file was accepted before, within limits that may have changed.
    let file = parse(&source.bytes, &unlimited())?;
    let stored = source.orientation.displayed(photo.width, photo.height);
    if stored != (file.layout.width, file.layout.height)
        || photo.channels != file.layout.channels()
        || photo.bits() != file.layout.bits
    {
        return Err(ImageError::encode(
            F,
            "the photo has another size or kind than its file",
        ));
    }
    match &photo.samples {
        Samples::U8(v) => splice_or_fresh(photo, source, &file, v, warnings),
        Samples::U16(v) => splice_or_fresh(photo, source, &file, v, warnings),
    }
}

/// Into the file's own strips or tiles, or as RGB where its palette does not do.
fn splice_or_fresh<S: Sample>(
    photo: &Photo,
    source: &TiffSource,
    file: &TiffFile<'_>,
    now: &[S],
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, ImageError> {
    let deadline = Deadline::after(Limits::default().decode_max);
    let mut nearest = Nearest::of(&file.layout.palette, deadline);
    let spliced = splice(photo, source, file, now, &mut nearest)?;
    let Some(why) = nearest.and_then(|nearest| nearest.obstacle()) else {
        return Ok(spliced);
    };
    drop(spliced);
    warnings.push(format!("{why}, so the TIFF became RGB"));
    fresh(photo, now)
}

fn unlimited() -> Limits {
    Limits {
        pixels_max: u64::MAX,
        side_max: u32::MAX,
        profile_bytes_max: usize::MAX,
        metadata_bytes_max: usize::MAX,
        pieces_max: usize::MAX,
        ..Limits::default()
    }
}

/// Copies what did not change as it lies in the file, and codes the other strips or tiles again. What it gives where colours were
/// not found in time is no file.
fn splice<S: Sample>(
    photo: &Photo,
    source: &TiffSource,
    file: &TiffFile<'_>,
    now: &[S],
    nearest: &mut Option<Nearest<'_>>,
) -> Result<Vec<u8>, ImageError> {
    let (layout, little) = (&file.layout, file.tiff.little);
    let mut out = header(little);
    let cmyk = file.cmyk();
    let mut places = vec![(0, 0); layout.places.len()];
    for position in 0..layout.positions() {
        let mut raw = layout.unpack::<S>(file.tiff.bytes, little, position)?;
        let changed = enter(
            photo,
            source,
            layout,
            (cmyk.as_ref(), nearest.as_mut()),
            now,
            position,
            &mut raw,
        );
        if nearest.as_mut().is_some_and(Nearest::is_late) {
            return Ok(Vec::new());
        }
        for plane in 0..layout.planes() {
            let place = plane * layout.positions() + position;
            let at = even(&mut out);
            match changed {
                false => out.extend_from_slice(&file.tiff.bytes[layout.places[place].clone()]),
                true => out.extend(layout.pack(&raw, plane, little)?),
            }
            places[place] = (at, out.len() as u32 - at);
        }
        fits(&out)?;
    }
    let mut metadata = photo.metadata.stored(source.orientation);
    if layout.is_cmyk() {
        metadata.icc = file.profile().map(<[u8]>::to_vec);
    }
    let mut tree = Tree::default();
    let repeats = |entry: &Entry| REPEATED.contains(&entry.tag);
    let (own, _) = Tree::read(&file.tiff, &file.directory, &repeats, usize::MAX);
    tree.values.extend(own.values);
    finish(out, little, tree, &metadata, layout.tiled, &places)
}

/// Puts changed pixels into a strip or tile; true when there are any.
fn enter<S: Sample>(
    photo: &Photo,
    source: &TiffSource,
    layout: &Layout,
    (cmyk, mut nearest): (Option<&Cmyk>, Option<&mut Nearest<'_>>),
    now: &[S],
    position: usize,
    raw: &mut [S],
) -> bool {
    let n = photo.channels.count();
    let ((left, top), (width, height)) = layout.shown(position);
    let mut before = Vec::with_capacity(width * n);
    let mut changed = false;
    let rows = raw.chunks_exact_mut(layout.chunk.0 * layout.samples);
    for (y, row) in rows.take(height).enumerate() {
        if nearest.as_mut().is_some_and(|nearest| nearest.is_late()) {
            break;
        }
        before.clear();
        layout.view(&row[..width * layout.samples], cmyk, &mut before);
        let pixels = row.chunks_exact_mut(layout.samples);
        for (x, (was, raw)) in before.chunks_exact(n).zip(pixels).enumerate() {
            let stored = (left + x, top + y);
            let (px, py) = source
                .orientation
                .place(stored, (layout.width, layout.height));
            let is = &now[(py * photo.width + px) * n..][..n];
            if is != was {
                match &mut nearest {
                    Some(nearest) => raw[0] = nearest.place(is),
                    None => layout.enter(is, cmyk, raw),
                }
                changed = true;
            }
        }
    }
    changed
}

/// A new file: strips, deflate with differences, little-endian unless its EXIF is not.
fn fresh<S: Sample>(photo: &Photo, samples: &[S]) -> Result<Vec<u8>, ImageError> {
    let n = photo.channels.count();
    let exif = photo.metadata.exif.as_deref();
    let little = exif
        .and_then(Tree::of_block)
        .is_none_or(|(little, _)| little);
    let row_bytes = photo.width * n * usize::from(photo.bits()) / 8;
    let rows = (STRIP_BYTES / row_bytes.max(1)).clamp(1, photo.height);
    let layout = Layout {
        width: photo.width,
        height: photo.height,
        bits: photo.bits(),
        samples: n,
        photometric: match photo.channels.is_gray() {
            true => Photometric::Gray,
            false => Photometric::Rgb,
        },
        alpha: photo.channels.has_alpha().then_some(Alpha::Unassociated),
        palette: Vec::new(),
        planar: false,
        tiled: false,
        chunk: (photo.width, rows),
        coding: Coding::Deflate,
        predictor: true,
        places: Vec::new(),
    };
    let mut out = header(little);
    let mut places = Vec::new();
    for strip in samples.chunks(photo.width * n * rows) {
        let at = even(&mut out);
        out.extend(layout.pack(strip, 0, little)?);
        places.push((at, out.len() as u32 - at));
        fits(&out)?;
    }
    let mut tree = Tree::default();
    let mut set = |tag, kind, numbers: &[u32]| tree.set_numbers(tag, kind, little, numbers);
    set(tag::WIDTH, 4, &[photo.width as u32]);
    set(tag::HEIGHT, 4, &[photo.height as u32]);
    set(tag::BITS, 3, &vec![u32::from(layout.bits); n]);
    set(tag::COMPRESSION, 3, &[DEFLATE]);
    set(
        tag::PHOTOMETRIC,
        3,
        &[if photo.channels.is_gray() { 1 } else { 2 }],
    );
    set(tag::SAMPLES, 3, &[n as u32]);
    set(tag::ROWS_PER_STRIP, 4, &[rows as u32]);
    set(tag::PLANAR, 3, &[1]);
    set(tag::PREDICTOR, 3, &[2]);
    if photo.channels.has_alpha() {
        set(tag::EXTRA_SAMPLES, 3, &[2]);
    }
    finish(out, little, tree, &photo.metadata, false, &places)
}

/// An error when offsets no longer reach.
fn fits(out: &[u8]) -> Result<(), ImageError> {
    match out.len() < u32::MAX as usize {
        true => Ok(()),
        false => Err(ImageError::encode(F, "the file would be larger than 4 GiB")),
    }
}

/// Appends the directory: of the picture, the places of strips or tiles, and the metadata.
fn finish(
    mut out: Vec<u8>,
    little: bool,
    picture: Tree,
    metadata: &Metadata,
    tiled: bool,
    places: &[(u32, u32)],
) -> Result<Vec<u8>, ImageError> {
    let exif = metadata.exif.as_deref().and_then(Tree::of_block);
    let mut tree = match exif {
        Some((same, tree)) if same == little => tree,
        _ => Tree::default(),
    };
    for value in picture.values {
        tree.values.retain(|old| old.tag != value.tag);
        tree.values.push(value);
    }
    let (offsets, lengths) = match tiled {
        true => (tag::TILE_OFFSETS, tag::TILE_BYTES),
        false => (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
    };
    let (starts, bytes): (Vec<u32>, Vec<u32>) = places.iter().copied().unzip();
    tree.set_numbers(offsets, 4, little, &starts);
    tree.set_numbers(lengths, 4, little, &bytes);
    let beside = [
        (tag::ICC, 7, metadata.icc.as_ref()),
        (tag::XMP, 1, metadata.xmp.as_ref()),
        (tag::IPTC, 7, metadata.iptc.as_ref()),
        (tag::PHOTOSHOP, 1, metadata.photoshop.as_ref()),
    ];
    for (tag, kind, bytes) in beside {
        if let Some(bytes) = bytes {
            tree.set(tag, kind, bytes.len(), bytes.clone());
        }
    }
    tree.write(little, &mut out);
    fits(&out)?;
    Ok(out)
}
