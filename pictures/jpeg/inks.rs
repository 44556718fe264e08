//! JPEGs of four inks: seen as sRGB, and changed pixels brought back as inks.

use super::JpegFile;
use crate::colour::Cmyk;
use crate::metadata::Inks;

impl JpegFile<'_> {
    /// Of a file with four components, `None` of the others.
    pub fn inks(&self, profile: Option<&[u8]>) -> Option<Inks> {
        let adobe = self
            .segments
            .iter()
            .find(|(marker, body)| *marker == 0xee && body.starts_with(b"Adobe"))
            .and_then(|(_, body)| body.get(11));
        (self.components.len() == 4).then(|| Inks {
            transformed: adobe == Some(&2),
            inverted: adobe.is_some(),
            profile: profile.map(Into::into),
        })
    }
}

impl Inks {
    /// The way to sRGB.
    pub fn cmyk(&self) -> Cmyk {
        Cmyk::of(self.profile.as_deref()).0
    }

    /// The stored inks of a pixel, whatever they are transformed to: 0 to 255.
    fn plain(&self, stored: [u8; 4]) -> [f32; 4] {
        let [a, b, c, k] = stored.map(f32::from);
        if !self.transformed {
            return [a, b, c, k];
        }
        let (cb, cr) = (b - 128.0, c - 128.0);
        let rgb = [
            a + 1.402 * cr,
            a - 0.344_136_3 * cb - 0.714_136_3 * cr,
            a + 1.772 * cb,
        ];
        let [c, m, y] = rgb.map(|v| 255.0 - v.clamp(0.0, 255.0));
        [c, m, y, k]
    }

    /// A row of stored pixels, `[.., 4]`, as 8-bit sRGB, `[.., 3]`.
    pub fn view(&self, cmyk: &Cmyk, stored: &[u8], rgb: &mut [u8]) {
        let inks: Vec<f32> = stored
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|px| self.plain(*px).map(|v| self.turned(v / 255.0)))
            .collect();
        let mut colours = vec![0.0; rgb.len()];
        cmyk.to_rgb(&inks, &mut colours);
        for (to, v) in rgb.iter_mut().zip(colours) {
            *to = (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }

    /// A pixel of sRGB as the components of the file, 0 to 255.
    pub fn enter(&self, cmyk: &Cmyk, rgb: &[u8]) -> [f32; 4] {
        let mut colours = [0.0; 3];
        for (to, &v) in colours.iter_mut().zip(rgb) {
            *to = f32::from(v) / 255.0;
        }
        let mut inks = [0.0; 4];
        cmyk.to_inks(&colours, &mut inks);
        let [c, m, y, k] = inks.map(|v| self.turned(v.clamp(0.0, 1.0)) * 255.0);
        if !self.transformed {
            return [c, m, y, k];
        }
        let rgb = [c, m, y].map(|v| 255.0 - v);
        let [y, cb, cr] = super::splice::ycc(rgb);
        [y, cb, cr, k]
    }

    fn turned(&self, ink: f32) -> f32 {
        if self.inverted { 1.0 - ink } else { ink }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_entered_is_seen_again() {
        for (transformed, inverted) in [(false, false), (false, true), (true, true)] {
            let inks = Inks {
                transformed,
                inverted,
                profile: None,
            };
            let cmyk = inks.cmyk();
            for rgb in [[255, 255, 255], [0, 0, 0], [200, 30, 90], [7, 250, 128]] {
                let stored = inks.enter(&cmyk, &rgb).map(|v| (v + 0.5) as u8);
                let mut seen = [0; 3];
                inks.view(&cmyk, &stored, &mut seen);
                let near = seen.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2);
                assert!(
                    near,
                    "{transformed} {inverted}: {rgb:?} as {stored:?} is {seen:?}"
                );
            }
        }
    }

    #[test]
    fn white_paper_is_what_adobe_stores_for_it() {
        let inks = |transformed, inverted| Inks {
            transformed,
            inverted,
            profile: None,
        };
        for (inks, white) in [
            (inks(false, true), [255, 255, 255, 255]),
            (inks(false, false), [0, 0, 0, 0]),
            // The inks of YCCK are those of the inverted ones, turned round once more.
            (inks(true, true), [0, 128, 128, 255]),
        ] {
            let mut seen = [0; 3];
            inks.view(&inks.cmyk(), &white, &mut seen);
            assert_eq!(seen, [255; 3]);
        }
    }
}
