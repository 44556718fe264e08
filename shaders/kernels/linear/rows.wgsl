// Element that output channel `o` of token `t` is stored at.
fn place(t: u32, o: u32) -> u32 {
    return t * p.oc + o;
}
