//! Pictures of jobs: decoded and turned into what the terminal understands, away from the screen's thread.

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use image::{DynamicImage, ImageReader, Limits};
use ratatui::layout::Size;
use ratatui_image::picker::Picker;
use ratatui_image::protocol::Protocol;
use ratatui_image::{FilterType, Resize};

/// Longer side of a picture that is decoded, pixels; the daemon is asked for less.
const SIDE_PX_MAX: u32 = 2048;
/// Memory that decoding may take, bytes.
const DECODE_BYTES_MAX: u64 = 64 << 20;

/// A picture ready to be drawn.
pub struct Picture {
    /// What the terminal understands.
    pub protocol: Protocol,
    /// The space that it was made for, in characters.
    pub cells: Size,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Picture({} x {} cells)",
            self.cells.width, self.cells.height
        )
    }
}

/// Makes pictures in tasks.
#[derive(Clone)]
pub struct Renderer {
    picker: Option<Arc<Picker>>,
}

impl Renderer {
    /// A renderer for this terminal; `None` draws no pictures.
    pub fn new(picker: Option<Picker>) -> Renderer {
        Renderer {
            picker: picker.map(Arc::new),
        }
    }

    /// Whether pictures are drawn at all.
    pub fn draws(&self) -> bool {
        self.picker.is_some()
    }

    /// Starts to make a picture of at most this many characters; `made` gets it.
    pub fn start(
        &self,
        bytes: Arc<Vec<u8>>,
        cells: Size,
        made: impl FnOnce(Result<Picture, String>) + Send + 'static,
    ) {
        let Some(picker) = self.picker.clone() else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            let outcome = crate::terminal::contained(|| render(&picker, &bytes, cells));
            made(outcome.unwrap_or_else(|| Err("the picture cannot be decoded".to_string())));
        });
    }
}

/// Decodes and scales. Errors are for people.
pub fn render(picker: &Picker, bytes: &[u8], cells: Size) -> Result<Picture, String> {
    let image = decode(bytes)?;
    let protocol = picker
        .new_protocol(image, cells, Resize::Scale(Some(FilterType::Triangle)))
        .map_err(|e| e.to_string())?;
    Ok(Picture { protocol, cells })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_PX_MAX), Some(SIDE_PX_MAX));
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    reader.decode().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage};
    use ratatui::buffer::Buffer;
    use ratatui::layout::{Position, Rect};
    use ratatui::widgets::Widget;
    use ratatui_image::Image;
    use ratatui_image::picker::ProtocolType;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8, (y * 37) as u8, 9])
        })
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_fit_their_space() {
        let picture = render(&Picker::halfblocks(), &png(300, 100), Size::new(20, 10)).unwrap();
        let size = picture.protocol.size();
        assert!(
            size.width == 20 && (2..=10).contains(&size.height),
            "{size:?}"
        );
    }

    #[test]
    fn every_protocol_draws_within_its_space() {
        let marks = [
            (ProtocolType::Kitty, "\x1b_G"),
            (ProtocolType::Sixel, "\x1bP"),
            (ProtocolType::Iterm2, "\x1b]1337;File="),
            (ProtocolType::Halfblocks, "▄"),
        ];
        for (protocol, mark) in marks {
            let mut picker = Picker::halfblocks();
            picker.set_protocol_type(protocol);
            let picture = render(&picker, &png(64, 48), Size::new(16, 8)).unwrap();
            let area = Rect::new(1, 1, 16, 8);
            let mut buf = Buffer::empty(Rect::new(0, 0, 18, 10));
            Image::new(&picture.protocol).render(area, &mut buf);
            let written: String = buf.content().iter().map(|cell| cell.symbol()).collect();
            assert!(written.contains(mark), "{protocol:?} wrote no {mark:?}");
            let outside =
                |x: u16, y: u16| !area.contains(Position::new(x, y)) && buf[(x, y)].symbol() != " ";
            assert!(
                (0..10).all(|y| (0..18).all(|x| !outside(x, y))),
                "{protocol:?} wrote outside its space"
            );
        }
    }

    #[test]
    fn broken_and_huge_pictures_are_refused() {
        let picker = Picker::halfblocks();
        assert!(render(&picker, b"\x89PNG\r\n\x1a\nrest", Size::new(9, 9)).is_err());
        assert!(render(&picker, &png(4000, 4), Size::new(9, 9)).is_err());
    }
}
