// Number of this workgroup when units of work are spread over x and then y (see `launch::spread`).
fn unit_of(wg: vec3<u32>, groups: vec3<u32>) -> u32 {
    return wg.y * groups.x + wg.x;
}
