//! Fast CPU twin.

use super::Texture;
use crate::patchmatch::Texel;
use crate::patchmatch::texels::native::put_texture;

pub(super) fn run(op: &Texture, texels: &[Texel], sites: &[u32], width: usize, out: &mut [Texel]) {
    out.copy_from_slice(texels);
    put_texture(op.weight, sites, width, out);
}
