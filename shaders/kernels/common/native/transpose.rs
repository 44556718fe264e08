//! Rows to columns, the packing of left matrices.

/// Fills `panel`, `lines.len()` floats for each position of the lines, with the lines' values at that position. All
/// lines have one length, at least `panel.len() / lines.len()`.
pub fn transpose(lines: &[&[f32]], panel: &mut [f32]) {
    match lines.len() {
        32 => fixed::<32>(lines, panel),
        16 => fixed::<16>(lines, panel),
        12 => fixed::<12>(lines, panel),
        8 => fixed::<8>(lines, panel),
        6 => fixed::<6>(lines, panel),
        4 => fixed::<4>(lines, panel),
        3 => fixed::<3>(lines, panel),
        2 => fixed::<2>(lines, panel),
        _ => any(lines, panel),
    }
}

fn fixed<const H: usize>(lines: &[&[f32]], panel: &mut [f32]) {
    let Some(lines) = lines.first_chunk::<H>() else {
        return;
    };
    let columns = panel.as_chunks_mut::<H>().0;
    let (fours, rest) = columns.as_chunks_mut::<4>();
    let done = 4 * fours.len();
    let quads = lines.map(|line| &line.as_chunks::<4>().0[..fours.len()]);
    for (i, to) in fours.iter_mut().enumerate() {
        for r in 0..H {
            let from = quads[r][i];
            to[0][r] = from[0];
            to[1][r] = from[1];
            to[2][r] = from[2];
            to[3][r] = from[3];
        }
    }
    for (i, to) in rest.iter_mut().enumerate() {
        for r in 0..H {
            to[r] = lines[r][done + i];
        }
    }
}

fn any(lines: &[&[f32]], panel: &mut [f32]) {
    for (i, to) in panel.chunks_exact_mut(lines.len().max(1)).enumerate() {
        to.iter_mut().zip(lines).for_each(|(t, line)| *t = line[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_columns() {
        for (height, len) in [(32, 9), (12, 4), (6, 7), (5, 3), (1, 1)] {
            let data: Vec<f32> = (0..height * len).map(|i| i as f32).collect();
            let lines: Vec<&[f32]> = data.chunks_exact(len).collect();
            let mut panel = vec![f32::NAN; height * len];
            transpose(&lines, &mut panel);
            assert!(
                (0..height * len).all(|i| panel[i] == data[i % height * len + i / height]),
                "{height} lines of {len}"
            );
        }
    }
}
