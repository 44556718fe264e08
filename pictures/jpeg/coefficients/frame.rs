//! The frame: components, their blocks, and the order in which scans visit them.

use super::{Obstacle, Tables};

/// 64 quantised coefficients, zigzag order.
pub type Block = [i16; 64];

/// One colour component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Its name in scan headers.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: usize,
    /// Vertical sampling factor, 1 to 4.
    pub v: usize,
    /// Number of its quantisation table.
    pub table: u8,
    /// Columns and rows of blocks that hold pixels; scans of this component alone visit these.
    pub used: (usize, usize),
    /// Columns and rows of blocks with the padding to whole MCUs; interleaved scans visit these.
    pub padded: (usize, usize),
}

/// What the frame header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 0xc0 baseline, 0xc1 extended, 0xc2 progressive.
    pub marker: u8,
    /// Width in pixels, as stored.
    pub width: usize,
    /// Height in pixels, as stored.
    pub height: usize,
    /// Columns and rows of MCUs.
    mcus: (usize, usize),
    /// The components.
    pub planes: Vec<Plane>,
}

const DAMAGED: Obstacle = Obstacle("its frame header is damaged");

impl Frame {
    /// Reads a frame header.
    pub fn parse(marker: u8, body: &[u8]) -> Result<Self, Obstacle> {
        let [8, h1, h0, w1, w0, count, rest @ ..] = body else {
            return Err(Obstacle("its samples have not 8 bits"));
        };
        let (height, width) = (
            usize::from(u16::from_be_bytes([*h1, *h0])),
            usize::from(u16::from_be_bytes([*w1, *w0])),
        );
        let count = usize::from(*count);
        if width == 0 || height == 0 || !(1..=4).contains(&count) || rest.len() < count * 3 {
            return Err(DAMAGED);
        }
        let rows = rest.chunks_exact(3).take(count);
        let mut planes: Vec<Plane> = rows
            .map(|row| Plane {
                id: row[0],
                h: usize::from(row[1] >> 4),
                v: usize::from(row[1] & 15),
                table: row[2],
                used: (0, 0),
                padded: (0, 0),
            })
            .collect();
        let sound = |p: &Plane| (1..=4).contains(&p.h) && (1..=4).contains(&p.v) && p.table < 4;
        let named_once = |p: &Plane| planes.iter().filter(|other| other.id == p.id).count() == 1;
        if !planes.iter().all(|p| sound(p) && named_once(p)) {
            return Err(DAMAGED);
        }
        let (h_max, v_max) = largest(&planes);
        let mcus = (width.div_ceil(h_max * 8), height.div_ceil(v_max * 8));
        for plane in &mut planes {
            plane.used = (
                (width * plane.h).div_ceil(h_max).div_ceil(8),
                (height * plane.v).div_ceil(v_max).div_ceil(8),
            );
            plane.padded = (mcus.0 * plane.h, mcus.1 * plane.v);
        }
        Ok(Frame {
            marker,
            width,
            height,
            mcus,
            planes,
        })
    }

    /// Whether its scans send coefficients bit by bit.
    pub fn progressive(&self) -> bool {
        self.marker == 0xc2
    }

    /// Pixels per sample of `plane`, horizontally and vertically; `None` if they are no whole numbers.
    pub fn pixels_per_sample(&self, plane: &Plane) -> Option<(usize, usize)> {
        let (h_max, v_max) = largest(&self.planes);
        let whole = h_max.is_multiple_of(plane.h) && v_max.is_multiple_of(plane.v);
        whole.then(|| (h_max / plane.h, v_max / plane.v))
    }
}

fn largest(planes: &[Plane]) -> (usize, usize) {
    let most = |factor: fn(&Plane) -> usize| planes.iter().map(factor).max().unwrap_or(1);
    (most(|p| p.h), most(|p| p.v))
}

/// A component's part in a scan.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which component.
    pub plane: usize,
    /// Numbers of its DC and AC table.
    pub tables: [u8; 2],
}

/// A scan's header and surroundings.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The components it sends.
    pub parts: Vec<Part>,
    /// First and last coefficient, zigzag.
    pub band: (usize, usize),
    /// Bit positions: before (0 = sent for the first time) and after this scan.
    pub bits: (u8, u8),
    /// MCUs between restart markers; 0 = none.
    pub restart_mcus: u16,
    /// The Huffman tables in force.
    pub tables: Tables,
}

/// One block's turn in a scan.
pub struct Step {
    /// The restart marker in front of it, 0 to 7.
    pub restart: Option<u8>,
    /// Index into the scan's parts.
    pub part: usize,
    /// Index into the component's blocks.
    pub block: usize,
}

impl Scan {
    /// Calls `visit` for every block in coding order.
    pub fn walk(
        &self,
        frame: &Frame,
        mut visit: impl FnMut(Step) -> Result<(), Obstacle>,
    ) -> Result<(), Obstacle> {
        if let [part] = self.parts.as_slice() {
            let plane = &frame.planes[part.plane];
            for mcu in 0..plane.used.0 * plane.used.1 {
                let (x, y) = (mcu % plane.used.0, mcu / plane.used.0);
                visit(Step {
                    restart: self.restart_before(mcu),
                    part: 0,
                    block: y * plane.padded.0 + x,
                })?;
            }
            return Ok(());
        }
        for mcu in 0..frame.mcus.0 * frame.mcus.1 {
            let (mcu_x, mcu_y) = (mcu % frame.mcus.0, mcu / frame.mcus.0);
            let mut restart = self.restart_before(mcu);
            for (part, plane) in self
                .parts
                .iter()
                .map(|p| &frame.planes[p.plane])
                .enumerate()
            {
                for i in 0..plane.h * plane.v {
                    let (x, y) = (mcu_x * plane.h + i % plane.h, mcu_y * plane.v + i / plane.h);
                    let block = y * plane.padded.0 + x;
                    visit(Step {
                        restart: restart.take(),
                        part,
                        block,
                    })?;
                }
            }
        }
        Ok(())
    }

    fn restart_before(&self, mcu: usize) -> Option<u8> {
        let interval = usize::from(self.restart_mcus);
        (interval > 0 && mcu > 0 && mcu.is_multiple_of(interval))
            .then(|| ((mcu / interval - 1) % 8) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_have_padding_only_where_mcus_need_it() {
        let body = [8, 0, 17, 0, 41, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
        let frame = Frame::parse(0xc0, &body).unwrap();
        assert_eq!(
            (frame.planes[0].used, frame.planes[0].padded),
            ((6, 3), (6, 4))
        );
        assert_eq!(
            (frame.planes[1].used, frame.planes[1].padded),
            ((3, 2), (3, 2))
        );
        assert_eq!(frame.pixels_per_sample(&frame.planes[2]), Some((2, 2)));
    }

    #[test]
    fn a_lone_component_ignores_its_factors() {
        let frame = Frame::parse(0xc0, &[8, 0, 17, 0, 41, 1, 1, 0x22, 0]).unwrap();
        assert_eq!(
            (frame.planes[0].used, frame.planes[0].padded),
            ((6, 3), (6, 4))
        );
        assert_eq!(frame.pixels_per_sample(&frame.planes[0]), Some((1, 1)));
    }

    #[test]
    fn impossible_frames_are_obstacles() {
        for body in [
            &[12, 0, 1, 0, 1, 1, 1, 0x11, 0][..],
            &[8, 0, 0, 0, 1, 1, 1, 0x11, 0],
            &[8, 0, 1, 0, 1, 1, 1, 0x51, 0],
            &[8, 0, 1, 0, 1, 2, 1, 0x11, 0, 1, 0x11, 0],
            &[8, 0, 1, 0, 1, 2, 1, 0x11, 0],
        ] {
            assert!(Frame::parse(0xc0, body).is_err(), "{body:?}");
        }
    }
}
