//! Masks: one byte per pixel.

/// One byte per pixel, row by row, `[height, width]`. Hard masks hold 0 (keep) and 255 (remove), soft ones anything between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` bytes.
    pub data: Vec<u8>,
}

/// A rectangle of pixels: `x0 <= x < x1`, `y0 <= y < y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge, included.
    pub x0: usize,
    /// Top edge, included.
    pub y0: usize,
    /// Right edge, excluded.
    pub x1: usize,
    /// Bottom edge, excluded.
    pub y1: usize,
}

impl Rect {
    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.x1 - self.x0
    }
    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.y1 - self.y0
    }
    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.width() * self.height()
    }
    /// The smallest rectangle around both.
    pub fn union(&self, other: &Rect) -> Rect {
        Rect {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }
    /// Whether they share a pixel.
    pub fn intersects(&self, other: &Rect) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }
    /// Grown by `by` pixels on each side, cut at the borders of a `width` x `height` picture.
    pub fn grown(&self, by: usize, width: usize, height: usize) -> Rect {
        Rect {
            x0: self.x0.saturating_sub(by),
            y0: self.y0.saturating_sub(by),
            x1: (self.x1 + by).min(width),
            y1: (self.y1 + by).min(height),
        }
    }
}

impl Mask {
    /// A mask that keeps everything.
    pub fn empty(width: usize, height: usize) -> Self {
        Mask {
            width,
            height,
            data: vec![0; width * height],
        }
    }
    /// Cuts at 128: 128 and more becomes 255, the rest 0.
    pub fn harden(&mut self) {
        for v in &mut self.data {
            *v = if *v >= 128 { 255 } else { 0 };
        }
    }
    /// The row `y`.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
    /// The smallest rectangle that holds every non-zero pixel, `None` when there is none.
    pub fn bounds(&self) -> Option<Rect> {
        let mut found: Option<Rect> = None;
        for y in 0..self.height {
            let row = self.row(y);
            let Some(x0) = row.iter().position(|&v| v != 0) else {
                continue;
            };
            let x1 = row.iter().rposition(|&v| v != 0).map_or(x0, |x| x) + 1;
            let line = Rect {
                x0,
                y0: y,
                x1,
                y1: y + 1,
            };
            found = Some(found.map_or(line, |r| r.union(&line)));
        }
        found
    }
    /// Number of non-zero pixels.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&v| v != 0).count()
    }
    /// A copy of the bytes inside `rect`, `[rect.height(), rect.width()]`.
    pub fn crop(&self, rect: Rect) -> Vec<u8> {
        let mut out = Vec::with_capacity(rect.pixels());
        for y in rect.y0..rect.y1 {
            out.extend_from_slice(&self.row(y)[rect.x0..rect.x1]);
        }
        out
    }
}
