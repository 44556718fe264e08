//! Pictures in CIE Lab.

/// One number a pixel, `[height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

impl Plane {
    pub(super) fn new(width: usize, height: usize, values: Vec<f32>) -> Plane {
        debug_assert_eq!(values.len(), width * height);
        Plane {
            width,
            height,
            values,
        }
    }
}

/// Lightness, a and b of CIE Lab (sRGB, D65), divided by 100, of RGB 0..1 `[height, width, 3]` rounded to 8 bits.
pub(super) fn lab(rgb: &[f32], width: usize) -> [Plane; 3] {
    let linear: Vec<f32> = (0..256)
        .map(|v| {
            let v = v as f32 / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        })
        .collect();
    let curve = |t: f32| {
        if t > 0.008856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let count = rgb.len() / 3;
    let mut out = [(); 3].map(|()| Vec::with_capacity(count));
    for pixel in rgb.chunks_exact(3) {
        let [r, g, b] =
            [0, 1, 2].map(|c| linear[(pixel[c].clamp(0.0, 1.0) * 255.0).round() as usize]);
        let x = curve((0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.950456);
        let luminance = 0.212671 * r + 0.71516 * g + 0.072169 * b;
        let y = curve(luminance);
        let z = curve((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754);
        let lightness = if luminance > 0.008856 {
            116.0 * y - 16.0
        } else {
            903.3 * luminance
        };
        out[0].push(lightness / 100.0);
        out[1].push(5.0 * (x - y));
        out[2].push(2.0 * (y - z));
    }
    out.map(|values| Plane::new(width, count / width, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_their_known_lab_values() {
        let [l, a, b] = lab(&[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 3);
        let close = |found: f32, wanted: f32| assert!((found - wanted).abs() < 5e-3, "{found}");
        for (plane, wanted) in [
            (l, [1.0, 0.5324, 0.0]),
            (a, [0.0, 0.8009, 0.0]),
            (b, [0.0, 0.6720, 0.0]),
        ] {
            for (found, wanted) in plane.values.iter().zip(wanted) {
                close(*found, wanted);
            }
        }
    }
}
